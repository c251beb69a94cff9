"""Makes the vectors of bundles: each with the result that the Python package comes to.

    python hokusai-ml-platform/tests/make_bundles.py

The bundles are signed here, without code of the gateway. `packages/verify` has to come to the same
results, and `verify/test_bundle.py` checks that this package still does.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from typing import Any, Iterator

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS

from hokusai.verify import verify
from hokusai.verify.strict_json import canonical_json
from vector_file import FILE, IMPROVEMENT, changed

PATH = FILE.with_name("bundles_v1.json")
TYPE = "application/vnd.in-toto+json"
KEY = ECC.construct(curve="P-256", d=2026)
OTHER_KEY = ECC.construct(curve="P-256", d=2027)
PEM = KEY.public_key().export_key(format="PEM")
OTHER_PEM = OTHER_KEY.public_key().export_key(format="PEM")
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
STATEMENT: dict[str, Any] = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "attestation", "digest": {"sha256": IMPROVEMENT["hash"]}}],
    "predicateType": "https://hokus.ai/attestation/improvement/v1",
    "predicate": {
        "evidence": "witnessed",
        "attestation": json.loads(IMPROVEMENT["bytes"], parse_float=str, parse_int=str),
    },
}


def envelope(payload: str, payload_type: str = TYPE, key: ECC.EccKey = KEY) -> dict[str, Any]:
    """A DSSE envelope with one signature."""
    raw = payload.encode()
    signed = f"DSSEv1 {len(payload_type)} {payload_type} {len(raw)} ".encode() + raw
    signature = DSS.new(key, "deterministic-rfc6979", encoding="der").sign(SHA256.new(signed))
    return {
        "payload": base64.b64encode(raw).decode(),
        "payloadType": payload_type,
        "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
    }


def stated(statement: Any) -> dict[str, Any]:
    """The envelope of a statement."""
    return envelope(json.dumps(statement))


BUNDLE: dict[str, Any] = {
    "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
    "verificationMaterial": {"publicKey": {"hint": "any"}, "tlogEntries": []},
    "dsseEnvelope": stated(STATEMENT),
}


def _signature() -> bytes:
    return base64.b64decode(BUNDLE["dsseEnvelope"]["signatures"][0]["sig"])


def _other_s() -> str:
    """The other signature with the same r, which is as valid: ECDSA alone prefers neither."""
    raw = _signature()
    start = 4 + raw[3]
    r, s = raw[4:start], int.from_bytes(raw[start + 2 :], "big")
    other = (ORDER - s).to_bytes(33, "big").lstrip(b"\0")
    other = b"\0" + other if other[0] > 0x7F else other
    body = b"\x02" + bytes((len(r),)) + r + b"\x02" + bytes((len(other),)) + other
    return base64.b64encode(b"\x30" + bytes((len(body),)) + body).decode()


def _changes() -> Iterator[tuple[list[Any], Any]]:
    """Paths in the bundle, each with another value."""
    payload, sig = ["dsseEnvelope", "payload"], ["dsseEnvelope", "signatures", 0, "sig"]
    text = BUNDLE["dsseEnvelope"]["payload"]
    yield ["note"], "nobody signed this"
    yield ["verificationMaterial"], {}
    yield ["mediaType"], "application/vnd.dev.sigstore.bundle+json;version=0.2"
    yield ["mediaType"], None
    yield ["dsseEnvelope"], []
    yield ["dsseEnvelope", "payloadType"], "text/plain"
    yield ["dsseEnvelope", "signatures"], []
    yield ["dsseEnvelope", "signatures"], BUNDLE["dsseEnvelope"]["signatures"] * 2
    yield ["dsseEnvelope", "signatures"], [7]
    yield payload, text[:-8] + text[-4:]
    yield payload, text + "\n"
    yield payload, "%"
    yield payload, ""
    yield sig, base64.b64encode(_signature() + b"\0").decode()
    yield sig, base64.b64encode(_signature()[:-1]).decode()
    yield sig, ""
    yield sig, _other_s()


def _envelopes() -> Iterator[dict[str, Any]]:
    """Envelopes that the key has signed, of other statements."""
    subject, attested = STATEMENT["subject"], ("predicate", "attestation")
    other = {"name": "attestation", "digest": {"sha256": "0" * 64}}
    yield stated({**STATEMENT, "_type": "https://in-toto.io/Statement/v0.1"})
    yield stated({**STATEMENT, "predicateType": "https://model_signing/signature/v1.0"})
    yield stated({**STATEMENT, "subject": [other]})
    yield stated({**STATEMENT, "subject": [*subject, other]})
    yield stated({**STATEMENT, "subject": subject * 2})
    yield stated({**STATEMENT, "subject": []})
    yield stated({**STATEMENT, "subject": [{"digest": {"sha512": "0"}}]})
    yield stated({**STATEMENT, "predicate": {}})
    yield stated(changed(STATEMENT, (*attested, "metrics", "accuracy"), "0.99"))
    yield stated(changed(STATEMENT, (*attested, "metrics", "accuracy"), 0.88))
    yield stated(changed(STATEMENT, (*attested, "kind"), "claimed"))
    yield stated([])
    yield envelope('{"_type": 1, "_type": 1}')
    yield envelope("[" * 65 + "]" * 65)
    yield envelope(json.dumps(STATEMENT), "application/json")
    yield envelope(json.dumps(STATEMENT), key=OTHER_KEY)


def _arguments() -> Iterator[dict[str, Any]]:
    """Which keys a caller trusts."""
    lines = PEM.split("\n")
    yield {}
    yield {"envelopeKeys": [PEM]}
    yield {"envelopeKeys": [OTHER_PEM]}
    yield {"envelopeKeys": [OTHER_PEM, PEM + "\n"]}
    yield {"envelopeKeys": [PEM.replace("\n", "\r\n")]}
    yield {"envelopeKeys": ["hokusai.pub"]}
    yield {"envelopeKeys": ["\n".join([lines[0], lines[1], lines[3]])]}
    yield {"envelopeKeys": [PEM.replace("MFkw", "MFkx")]}
    yield {"envelopeKeys": [PEM.replace("PUBLIC", "PRIVATE")]}
    # Not a point of the curve.
    yield {"envelopeKeys": ["\n".join([lines[0], lines[1], "A" * 58 + "==", lines[3]])]}


def outcome(document: Any, bundle: Any, keys: list[str]) -> list[str]:
    """The check `bundle`: its result and reason; or the kind of error alone."""
    try:
        check = verify(document, bundle=bundle, envelope_keys=keys)["bundle"]
    except ValueError as error:
        return [type(error).__name__]
    return [check.result.value, check.detail]


def _case(bundle: Any, document: Any = IMPROVEMENT, keys: tuple[str, ...] = (PEM,)) -> list[str]:
    return outcome(document, bundle, list(keys))


def of_files(files: Any, *subjects: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A document whose data has a member `files`, and a bundle of it with further subjects."""
    data = {"kind": "witnessed", "files": files, "accuracy": 0.5, "rows": 1e16}
    text = canonical_json(data)
    digest = hashlib.sha256(text.encode()).hexdigest()
    subject = [{"digest": {"sha256": one}} for one in (*subjects, digest)]
    written = json.loads(text, parse_float=str, parse_int=str)
    statement = {**STATEMENT, "subject": subject, "predicate": {"attestation": written}}
    return {"bytes": text, "hash": digest}, {**BUNDLE, "dsseEnvelope": stated(statement)}


def _of_files() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    one, other = "1" * 64, "2" * 64
    read = {"evidence": "witnessed", "sha256": one}
    listed = {"evidence": "claimed", "sha256": one}
    yield of_files(read, one)
    yield of_files(read)
    yield of_files(read, other)
    yield of_files(read, one, other)
    yield of_files(listed)
    yield of_files(listed, one)
    yield of_files(None)
    yield of_files({"evidence": "witnessed"})
    yield of_files(["witnessed", one], one)


def bundles() -> dict[str, Any]:
    """Everything that is in the file."""
    cases: list[dict[str, Any]] = []
    for path, value in _changes():
        bundle = changed(BUNDLE, tuple(path), value)
        cases.append({"path": path, "value": value, "expected": _case(bundle)})
    for one in _envelopes():
        bundle = changed(BUNDLE, ("dsseEnvelope",), one)
        cases.append({"path": ["dsseEnvelope"], "value": one, "expected": _case(bundle)})
    for arguments in _arguments():
        keys = tuple(arguments.get("envelopeKeys", ()))
        cases.append({**arguments, "expected": _case(BUNDLE, keys=keys)})
    for path, value in ((["hash"], "0" * 64), (["kind"], "claimed"), (["dsseEnvelope"], {})):
        document = changed(copy.deepcopy(IMPROVEMENT), tuple(path), value)
        cases.append({"document": [path, value], "expected": _case(BUNDLE, document)})
    for document, bundle in _of_files():
        case = {"attestation": document, "path": ["dsseEnvelope"], "value": bundle["dsseEnvelope"]}
        cases.append({**case, "expected": _case(bundle, document)})
    return {"key": PEM, "bundle": BUNDLE, "cases": cases}


def written() -> str:
    """The text of the file: one case per line."""
    content = bundles()
    cases = ",\n".join(json.dumps(case) for case in content["cases"])
    head = f'"key": {json.dumps(content["key"])},\n"bundle": {json.dumps(content["bundle"])}'
    return "{\n" + head + ',\n"cases": [\n' + cases + "\n]\n}\n"


if __name__ == "__main__":
    PATH.write_text(written(), encoding="utf-8")
