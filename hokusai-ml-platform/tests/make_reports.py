"""Makes the reports that verifying the shared vectors has to lead to, for the JavaScript package.

    python hokusai-ml-platform/tests/make_reports.py

`packages/verify` is another implementation of `hokusai.verify`, with the same words. Its tests make
each of these reports again, and `verify/test_reports.py` checks that this package still does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import struct
from typing import Any, Iterator

from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from hokusai.verify import LogExport, verify
from hokusai.verify.strict_json import canonical_json, parse
from hokusai.witness.signing import WitnessSigner
from vector_file import FILE, IMPROVEMENT, VECTORS, changed, leaves

PATH = FILE.with_name("reports_v1.json")
TEXT = json.dumps(IMPROVEMENT)
OTHER = "0x" + "11" * 20
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
# Values that a name stands for in `arguments`.
NAMED = ("known", "checkpoint", "early_checkpoint", "consistency", "log_pages")
KNOWN = {"known": "@known"}
ALL = {**KNOWN, "checkpoint": "@early_checkpoint", "log": "@log_pages"}


def _other(value: Any) -> Any:
    """Another value of the same JSON type: the next number, a longer text."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, (int, float)) else f"{value}0"


def _high_s() -> str:
    """The other form of the same signature, which EIP-2 rejects."""
    raw = bytes.fromhex(IMPROVEMENT["signature"]["signature"][2:])
    high = (ORDER - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")
    return f"0x{raw[:32].hex()}{high.hex()}{27 + 28 - raw[64]:02x}"


def _changes() -> Iterator[tuple[list[Any], Any]]:
    """Paths in the improvement, each with another value."""
    for case in VECTORS["tampered"]:
        yield case["path"].split("."), case["value"]
    for path, value in leaves(IMPROVEMENT):
        yield list(path), _other(value)
    for name in ("bytes", "hash", "data", "signature", "eas", "log", "proof"):
        yield [name], None
        yield [name], 7
        yield [name], []
        yield [name], {}
    for name in ("domain", "types", "message", "signature", "signer"):
        yield ["signature", name], None
        yield ["eas", "sig", name], [name]
    yield ["signature", "signature"], _high_s()
    yield ["signature", "signature"], IMPROVEMENT["signature"]["signature"].upper()
    yield ["signature", "signer"], IMPROVEMENT["signature"]["signer"].lower()
    yield ["signature", "message", "nonce"], True
    yield ["signature", "message", "nonce"], -1
    yield ["signature", "domain", "salt"], "0x"
    yield ["signature", "domain"], {"name": "another"}
    yield ["signature", "domain"], {"version": "1"}
    yield ["eas", "sig", "signature", "v"], 256
    yield ["eas", "sig", "message", "version"], True
    yield ["log", "index"], -1
    yield ["log", "proof"], ["0" * 63]
    yield ["log", "proof"], [*IMPROVEMENT["log"]["proof"], "00" * 32]
    yield ["log", "entry"], '{"kind": "attested", "kind": "attested"}'
    yield ["log", "entry"], "[]"
    # No JSON, and beyond a bound.
    for value in ('"\\ud800"', "9007199254740993", "[" * 70):
        yield ["log", "entry"], f'{{"a": 1, "a": {value}}}'
    checkpoint = IMPROVEMENT["log"]["checkpoint"]
    for old, new in (
        ("\n5\n", "\n05\n"),
        ("\n5\n", "\n6\n"),
        ("\u2014 ", "- "),
        ("\n\n", "\nmore\n\n"),
        ("hokusai", "other"),
        ("CTI=", "CTJ="),
        ("=\n\n", "\n\n"),
        # Sizes that JavaScript would round.
        ("\n5\n", "\n9007199254740991\n"),
        ("\n5\n", "\n9007199254740993\n"),
        ("\n5\n", "\n9999999999999999\n"),
        # Texts that some versions of Python decode.
        (checkpoint.split("\n")[2], "QQ==QQ=="),
        (checkpoint.split("\n")[2], "QQ=Q"),
        (checkpoint.split("\n")[2], "QQ===="),
        # More signatures than a note may have, and other ends of lines.
        *(("\n\n", "\n\n" + "\u2014 other eA==\n" * count) for count in (15, 16)),
        ("\n\n", "\n\n\u2014 other eA==\u2028"),
    ):
        yield ["log", "checkpoint"], checkpoint.replace(old, new)
    yield ["log", "checkpoint"], checkpoint + checkpoint.split("\n")[4] + "\n"
    yield ["log", "checkpoint"], checkpoint.rstrip("\n")
    for time in (
        *("yesterday", "9999-12-31T23:59:59-23:59", "2026-11-23T10:05:53", "2026-02-30T10:05:53Z"),
        *("2026-11-23T10:05:53.5Z", "1000", "2026-11-23T10:05:60Z", "0000-11-23T10:05:53Z"),
    ):
        yield ["created_at"], time
    created = IMPROVEMENT["created_at"]
    yield ["created_at"], created.replace("Z", "+00:00")
    yield ["created_at"], created.replace("Z", ".000000+00:00")
    # Times that some versions of Python read, and that are not in the form of RFC 3339.
    for zone in ("z", "+0000", "+00:00:00", ",000Z", "Z\0", ".0000000Z"):
        yield ["created_at"], created.replace("Z", zone)
    yield ["created_at"], created.replace("T", " ")
    yield ["created_at"], created.replace("-", "").replace(":", "")
    yield ["created_at"], 7
    yield ["revoked"], {"index": 7, "reason": "x"}
    yield ["note"], "nobody signed this"
    yield ["__proto__"], {"signer": OTHER}
    yield ["log", "no\u202ete" * 30], 1
    for count in range(25):
        yield ["eas", f"note{count}"], None


def _pages(*entries: str) -> list[dict[str, Any]]:
    """The log with further entries."""
    further = [{"index": 5 + at, "entry": entry} for at, entry in enumerate(entries)]
    return [*VECTORS["log_pages"], {"entries": further}]


def _arguments() -> Iterator[dict[str, Any]]:
    """What a caller may trust, and which other documents it may have."""
    signer, key = VECTORS["known"]["signer"], VECTORS["known"]["log"]["key"]
    digest = IMPROVEMENT["hash"]
    revoked = json.dumps({"attestation": digest, "kind": "revoked", "reason": "no\u202e way"})
    other_root = VECTORS["checkpoint"].split("\n")
    other_root[2] = "A" * 43 + "="
    yield {}
    yield KNOWN
    yield ALL
    yield {"attestors": [signer]}
    yield {"attestors": [signer.lower()], "logKeys": [key]}
    yield {"attestors": [OTHER], "logKeys": [key]}
    yield {"attestors": ["0x12"]}
    yield {"logKeys": [key.replace("+e", "+f")]}
    yield {"logKeys": [key[:-4]]}
    yield {"logKeys": ["x"]}
    # White space that not every language strips.
    for space in ("\ufeff", "\x1c", "\x85", "\u2003", " \t\r\n"):
        yield {"attestors": [signer], "logKeys": [space + key + space]}
    yield {"known": {"signer": signer}}
    yield {**KNOWN, "log": "@log_pages"}
    yield {**KNOWN, "log": VECTORS["log_pages"][:1]}
    yield {**ALL, "log": VECTORS["log_pages"][:1]}
    yield {**KNOWN, "log": _pages(revoked)}
    yield {**KNOWN, "log": _pages(json.dumps({"kind": "revoked", "note": digest}), "x" + digest)}
    yield {**KNOWN, "log": changed(VECTORS["log_pages"], (1, "entries", 0, "entry"), "{}")}
    yield {**KNOWN, "log": VECTORS["log_pages"][1:]}
    yield {**KNOWN, "log": {}}
    yield {**KNOWN, "checkpoint": "@checkpoint"}
    yield {**KNOWN, "checkpoint": "@early_checkpoint"}
    yield {**KNOWN, "checkpoint": "@early_checkpoint", "consistency": "@consistency"}
    yield {"attestors": [signer], "checkpoint": "@early_checkpoint", "consistency": "@consistency"}
    yield {"attestors": [signer], "checkpoint": "@checkpoint"}
    yield {"attestors": [signer], "checkpoint": "\n".join(other_root)}
    yield {**KNOWN, "checkpoint": "\n".join(other_root), "log": "@log_pages"}
    yield {"attestors": [signer], "checkpoint": VECTORS["checkpoint"].replace("hokusai", "other")}
    yield {**KNOWN, "checkpoint": "nothing"}
    yield {**KNOWN, "consistency": "@consistency"}
    for path, value in ((("first",), 2), (("proof", 0), "00" * 32), (("proof",), []), (("x",), 1)):
        proof = changed(VECTORS["consistency"], path, value)
        yield {**KNOWN, "checkpoint": "@early_checkpoint", "consistency": proof}
    yield {**KNOWN, "checkpoint": "@early_checkpoint", "consistency": {}}
    yield {**KNOWN, "checkpoint": "@early_checkpoint", "consistency": []}


def key_text(name: str, raw: bytes) -> str:
    """A key in the form of C2SP signed-note, with its right id."""
    key_id = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex()
    return f"{name}+{key_id}+{base64.b64encode(raw).decode()}"


def signed_note(origin: str, name: str) -> tuple[str, str]:
    """The key of a log, and a checkpoint of five entries that it has signed.

    Args:
        origin: The origin line of the checkpoint.
        name: The name of the key.
    """
    key = ECC.construct(curve="Ed25519", seed=b"9" * 32)  # type: ignore[arg-type]
    text = key_text(name, b"\x01" + key.public_key().export_key(format="raw"))
    body = "\n".join([origin, *VECTORS["checkpoint"].split("\n")[1:3], ""])
    signature = eddsa.new(key, "rfc8032").sign(body.encode())
    blob = base64.b64encode(bytes.fromhex(text.split("+")[1]) + signature).decode()
    return text, f"{body}\n\N{EM DASH} {name} {blob}\n"


def _origins() -> Iterator[dict[str, Any]]:
    """Keys that have signed for a log of another name than theirs."""
    signer, log = VECTORS["known"]["signer"], "hokusai.registry/attestations"
    for origin, name in ((log, log), (log, "other.example"), ("other.example", log)):
        key, note = signed_note(origin, name)
        yield {"attestors": [signer], "logKeys": [key], "checkpoint": note}
        yield {**KNOWN, "logKeys": [key], "checkpoint": note}
    raw = base64.b64decode(VECTORS["known"]["log"]["key"].split("+", 2)[2])
    for name in ("a b", "a\x00", "a\u2003", "a\n", "a\xa0b", "a\u200bb"):
        yield {"logKeys": [key_text(name, raw)]}


def _witnessed() -> Iterator[dict[str, Any]]:
    """Which witnesses of the log must have cosigned."""
    one, two = (WitnessSigner(f"w{number}.example", bytes([number]) * 32) for number in (1, 2))
    key = VECTORS["known"]["log"]["key"]

    def cosigned(name: str, *witnesses: WitnessSigner) -> str:
        note: str = VECTORS[name]
        body = note.rpartition("\n\n")[0] + "\n"
        return note + "".join(witness.cosign(body, 1_800_000_000) for witness in witnesses)

    by_one = {**KNOWN, "checkpoint": cosigned("checkpoint", one)}
    early = {**KNOWN, "checkpoint": cosigned("early_checkpoint", one), "witnesses": one.key}
    yield {**KNOWN, "witnesses": one.key}
    yield {**by_one, "witnesses": one.key}
    yield {**by_one, "witnesses": [one.key, one.key]}
    yield {**by_one, "witnesses": [one.key, two.key]}
    yield {**by_one, "witnesses": two.key}
    yield {
        **by_one,
        "checkpoint": cosigned("checkpoint", one, two),
        "witnesses": [one.key, two.key],
    }
    for quorum in (0, 1, 2, 3):
        yield {**by_one, "witnesses": [one.key, two.key], "quorum": quorum}
    yield early
    yield {**early, "consistency": "@consistency"}
    yield {"witnesses": one.key, "checkpoint": by_one["checkpoint"]}
    yield {"witnesses": one.key}
    # A cosignature of another tree, of another time, and one that is cut short.
    line = one.cosign("x\n", 1_800_000_000)
    yield {**by_one, "checkpoint": VECTORS["checkpoint"] + line, "witnesses": one.key}
    head, _, blob = by_one["checkpoint"].rstrip("\n").rpartition(" ")
    raw = bytearray(base64.b64decode(blob))
    raw[11] += 1
    later = f"{head} {base64.b64encode(raw).decode()}\n"
    yield {**by_one, "checkpoint": later, "witnesses": one.key}
    yield {**by_one, "checkpoint": by_one["checkpoint"][:-9] + "\n", "witnesses": one.key}
    # The keys of a log and of a witness are no other's.
    yield {**by_one, "witnesses": key}
    yield {**by_one, "witnesses": "x"}
    yield {"logKeys": one.key}
    yield {**by_one, "quorum": 1}


def _replacements() -> Iterator[tuple[str, str]]:
    """Parts of the text of the improvement, each with another text for all its occurrences."""
    nonce = f'"nonce": {IMPROVEMENT["signature"]["message"]["nonce"]}'
    yield nonce, nonce + ".0"
    yield nonce, nonce.replace(": ", ": -")
    yield nonce, nonce + ", " + nonce
    yield nonce, '"nonce": 9007199254740992'
    yield nonce, '"nonce": 1e999'
    yield nonce, '"nonce": NaN'
    yield nonce, '"nonce": 00'
    yield nonce, '"nonce": ' + "[" * 65 + "]" * 65
    yield '"delta_one": 3.0', '"delta_one": 3'
    yield '"delta_one": 3.0', '"delta_one": true'
    yield '"kind"', '"\\u006bind"'
    yield '"kind"', '"\\ud800"'
    yield '"revoked": null', '"revoked": null,'
    yield '"revoked": null', '"revoked": nul'
    yield '"revoked": null', '"revoked": "\t"'
    yield '"revoked": null', '"revoked": "\\x41"'
    yield '"revoked": null', '"revoked"\n:\r\tnull'
    yield '"revoked": null', '"revoked"\xa0: null'
    yield TEXT, "[]"
    yield TEXT, " "
    yield TEXT, "[" * 64 + "]" * 64
    yield TEXT, TEXT + "x"
    yield TEXT, "\ufeff" + TEXT


def _value(value: Any) -> Any:
    """What a value in `arguments` stands for."""
    is_named = isinstance(value, str) and value[:1] == "@" and value[1:] in NAMED
    return VECTORS[value[1:]] if is_named else value


def _outcome(document: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """The report on a document, or the kind of error."""
    given = {name: _value(value) for name, value in arguments.items()}
    try:
        if "log" in given:
            given["log"] = LogExport.read(given["log"])
        if "logKeys" in given:
            given["log_keys"] = given.pop("logKeys")
        report = verify(document, **given).as_dict()
    except ValueError as error:
        return {"error": type(error).__name__}
    report["checks"] = [[*check.values()] for check in report["checks"]]
    return report


def _doubles() -> Iterator[float]:
    """Doubles of all sizes, whose texts differ between languages."""
    yield from (0.0, -0.0, 0.1, 1.0, 1e15, 1e16, 123456789012345680.0, 1e21, 1e22, 1e-4, 1e-5)
    yield from (1e-6, 1e-7, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1.5e-10)
    pick = random.Random(2026)
    for _ in range(200):
        (value,) = struct.unpack("<d", pick.getrandbits(64).to_bytes(8, "little"))
        if value - value == 0:
            yield value
        yield round(pick.uniform(-100, 100), pick.randrange(8))


def _canonical() -> Iterator[str]:
    """JSON texts whose canonical form is not easy to make in another language."""
    yield from (json.dumps(value) for value in _doubles())
    yield from ("-0", "1E5", "1e-05", "1.50", "9007199254740991", "-9007199254740991")
    keys = ("b", "a", "\uffff", "\U0001f600", "\ue000", "", "aa", "A", "__proto__", "10", "9")
    yield json.dumps({key: [key, None, True, {}] for key in keys}, ensure_ascii=False)
    text = "".join(map(chr, range(0x180))) + "\u2028\u2029\ufeff\uffff\U0010ffff"
    yield json.dumps(text, ensure_ascii=False)


def reports() -> dict[str, Any]:
    """Everything that is in the file."""
    cases: list[dict[str, Any]] = []
    documents = {**VECTORS["attestations"], "revoked_later": VECTORS["revoked_later"]}
    for name, document in documents.items():
        for arguments in (KNOWN, ALL):
            report = _outcome(document, arguments)
            cases.append({"document": name, "arguments": arguments, "report": report})
    for path, value in _changes():
        document = changed(IMPROVEMENT, tuple(path), value)
        report = _outcome(document, ALL)
        cases.append({"path": path, "value": value, "arguments": ALL, "report": report})
    cases += [
        {"arguments": arguments, "report": _outcome(IMPROVEMENT, arguments)}
        for arguments in (*_arguments(), *_origins(), *_witnessed())
    ]
    for old, new in _replacements():
        report = _outcome(TEXT.replace(old, new), KNOWN)
        cases.append({"replace": [old, new], "arguments": KNOWN, "report": report})
    return {
        "text": TEXT,
        "cases": cases,
        "canonical": [[text, canonical_json(parse(text))] for text in _canonical()],
    }


def written() -> str:
    """The text of the file: one case per line."""
    content = reports()

    def lines(items: list[Any]) -> str:
        return "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]"

    members = {
        "text": json.dumps(content["text"]),
        "cases": lines(content["cases"]),
        "canonical": lines(content["canonical"]),
    }
    return "{\n" + ",\n".join(f'"{name}": {text}' for name, text in members.items()) + "\n}\n"


if __name__ == "__main__":
    PATH.write_text(written(), encoding="utf-8")
