"""Makes the vectors of signatures of models: each with the results the Python package comes to.

    python hokusai-ml-platform/tests/make_model_signatures.py

The signatures are made here, without code of the gateway. `packages/verify` has to come to the same
results, and `verify/test_model_signature.py` checks that this package still does.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any, Iterator

from hokusai.verify import verify, verify_model_signature
from hokusai.verify.model_files import ModelFile, list_digest
from hokusai.verify.strict_json import canonical_json
from make_bundles import BUNDLE, OTHER_KEY, OTHER_PEM, PEM, envelope, stated
from vector_file import FILE, changed

PATH = FILE.with_name("model_signatures_v1.json")
NAME, MODEL_ID = "acme/churn@2", "hkm_1"
# As paths they have another order than as text, with code points beyond U+FFFF.
FILES = {
    "MLmodel": "flavors: {}\n",
    "a/b": "2",
    "a-b": "1",
    "data/empty": "",
    "data/model.pkl": "weights",
    "\uffee.txt": "odd",
    "\U0001f600.txt": "odder",
}
# What a download adds, and the signature leaves out.
META = {"registered_model_meta": "model_name: churn\n"}


def digest(content: str) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(content.encode()).hexdigest()


def statement(digests: Any, **others: Any) -> dict[str, Any]:
    """The statement about files, by their digests: (path, digest) in the order of the list."""
    listed = list(digests)
    root = hashlib.sha256(b"".join(bytes.fromhex(one) for _, one in listed)).hexdigest()
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": NAME, "digest": {"sha256": root}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [".git", ".gitignore", "registered_model_meta"],
            },
            "resources": [
                {"name": path, "algorithm": "sha256", "digest": one} for path, one in listed
            ],
            "model_id": MODEL_ID,
            **others,
        },
    }


def ordered(files: dict[str, str]) -> list[tuple[str, str]]:
    """The digests of files in the order of the parts of their paths."""
    return sorted(
        ((path, digest(content)) for path, content in files.items()),
        key=lambda one: one[0].split("/"),
    )


STATEMENT = statement(ordered(FILES))
ROOT = STATEMENT["subject"][0]["digest"]["sha256"]
SIGNATURE = {**BUNDLE, "dsseEnvelope": stated(STATEMENT)}


def listed(files: dict[str, str]) -> list[ModelFile]:
    """Files as a list has them."""
    return [ModelFile(path, len(text.encode()), digest(text)) for path, text in files.items()]


DATA: dict[str, Any] = {
    "kind": "witnessed",
    "tenant": "acme",
    "model_name": "churn",
    "model_version": "2",
    "model_id": MODEL_ID,
    "files": {"sha256": ROOT, "list_sha256": list_digest(listed(FILES)), "evidence": "witnessed"},
    "baseline": {"files": {"sha256": "1" * 64}},
}


def document(data: dict[str, Any]) -> dict[str, Any]:
    """A document with this data, of which only the hash holds."""
    text = canonical_json(data)
    return {"bytes": text, "hash": digest(text)}


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """The checks `model_signature` and `model`; or the kind of error alone."""
    keys = case.get("envelopeKeys", [PEM])
    signature = case.get("signature", SIGNATURE)
    with tempfile.TemporaryDirectory() as directory:
        model = write_files(Path(directory), case["model"]) if "model" in case else None
        try:
            if case.get("attestation") is None:
                report = verify_model_signature(signature, envelope_keys=keys, model=model)
            else:
                report = verify(
                    case["attestation"],
                    envelope_keys=keys,
                    model_signature=signature,
                    model=model,
                    files=case.get("files"),
                )
        except ValueError as error:
            return {"error": type(error).__name__}
    names = ("model_signature", "model")
    return {
        "ok": report.ok,
        **{
            check.name: [check.result.value, check.detail]
            for check in report.checks
            if check.name in names
        },
    }


def write_files(directory: Path, files: dict[str, str]) -> Path:
    """Write files to a directory."""
    for path, content in files.items():
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode())
    return directory


def _statements() -> Iterator[Any]:
    """Statements that the key has signed, which are not those of the model."""
    resources = STATEMENT["predicate"]["resources"]
    yield []
    yield {**STATEMENT, "_type": "https://in-toto.io/Statement/v0.1"}
    yield {**STATEMENT, "predicateType": "https://hokus.ai/attestation/improvement/v1"}
    subjects: tuple[Any, ...] = ([], STATEMENT["subject"] * 2, [{"name": NAME}], [7], {})
    for subject in subjects:
        yield {**STATEMENT, "subject": subject}
    yield changed(STATEMENT, ("subject", 0, "digest", "sha256"), "0" * 64)
    yield changed(STATEMENT, ("subject", 0, "name"), 7)
    # A changed digest, a file less, a file more, and another order, of which it is not the digest.
    yield changed(STATEMENT, ("predicate", "resources", 0, "digest"), "0" * 64)
    yield changed(STATEMENT, ("predicate", "resources"), resources[1:])
    yield changed(STATEMENT, ("predicate", "resources"), [*resources, resources[0]])
    yield changed(STATEMENT, ("predicate", "resources"), resources[::-1])
    yield changed(STATEMENT, ("predicate", "resources"), None)
    for name, value in (
        ("digest", "0" * 63),
        ("digest", resources[0]["digest"].upper()),
        ("digest", None),
        ("algorithm", "blake2b"),
        ("name", 7),
    ):
        yield changed(STATEMENT, ("predicate", "resources", 0, name), value)
    for value in ({}, {"method": "shards", "hash_type": "sha256"}, None):
        yield changed(STATEMENT, ("predicate", "serialization"), value)
    yield changed(STATEMENT, ("predicate", "serialization", "ignore_paths"), [7])
    yield changed(STATEMENT, ("predicate", "serialization", "ignore_paths"), ".git")
    yield changed(STATEMENT, ("predicate", "model_id"), 7)
    one = digest("x")
    for path in (
        *("../x", "/etc/passwd", "a/../b", "./a", "a//b", "a/", "", "..", "a\\b", "a\nb", "a\x7f"),
        *("x" * 256, "/".join("x" * 33), "/".join(["x" * 250] * 5), "é" * 128, "\u202e" * 200),
    ):
        yield statement([(path, one)])
    for paths in (("a", "a"), ("é", "e\u0301"), ("a", "a/b"), ("a/b/c", "a/b")):
        yield statement([(path, one) for path in paths])


def _accepted() -> Iterator[Any]:
    """Statements that are well formed."""
    yield STATEMENT
    yield statement([])
    yield changed(STATEMENT, ("predicate", "more"), 1)
    without_id = json.loads(json.dumps(STATEMENT))
    del without_id["predicate"]["model_id"]
    yield without_id
    without_ignored = json.loads(json.dumps(STATEMENT))
    del without_ignored["predicate"]["serialization"]["ignore_paths"]
    yield without_ignored
    yield changed(STATEMENT, ("subject", 0, "name"), "no\u202e name")


def _envelopes() -> Iterator[dict[str, Any]]:
    text = json.dumps(STATEMENT)
    yield envelope(text, "application/json")
    yield envelope(text, key=OTHER_KEY)
    yield envelope('{"_type": 1, "_type": 1}')
    yield {**stated(STATEMENT), "signatures": []}
    yield {**stated(STATEMENT), "payload": stated(statement([]))["payload"]}


def _directories() -> Iterator[dict[str, str]]:
    """Copies of the model."""
    yield FILES
    yield {**FILES, **META}
    yield {**FILES, **META, ".git/hooks/x": "x", ".gitignore": "*"}
    yield {**FILES, "registered_model_meta_2": "x"}
    yield {**FILES, ".github/x": "x"}
    yield {**FILES, "a-b": "another"}
    yield {**FILES, "a-b": "2", "a/b": "1"}
    yield {**FILES, "data/more": ""}
    yield {path: text for path, text in FILES.items() if path != "MLmodel"}
    yield {("data/model.txt" if path == "data/model.pkl" else path): FILES[path] for path in FILES}
    yield {f"more-{number}": "x" for number in range(9)}
    yield {}


def _documents() -> Iterator[dict[str, Any]]:
    """Attestations of the model and of others."""
    yield DATA
    for path, value in (
        (("model_id",), "hkm_2"),
        (("tenant",), "other"),
        (("model_name",), "other"),
        (("model_version",), "3"),
        (("model_version",), 2),
        (("files",), None),
        (("files",), {}),
        (("files", "sha256"), "0" * 64),
        (("baseline", "files", "sha256"), ROOT),
        (("baseline",), None),
    ):
        yield changed(DATA, path, value)
    baseline = changed(DATA, ("files", "sha256"), "0" * 64)
    yield changed(baseline, ("baseline", "files", "sha256"), ROOT)
    without = json.loads(json.dumps(DATA))
    del without["tenant"]
    yield without


def _cases() -> Iterator[dict[str, Any]]:
    attested = document(DATA)
    for one in (*_accepted(), *_statements()):
        yield {"signature": {**BUNDLE, "dsseEnvelope": stated(one)}}
    for one in _envelopes():
        yield {"signature": {**BUNDLE, "dsseEnvelope": one}}
        yield {"signature": {**BUNDLE, "dsseEnvelope": one}, "attestation": attested}
    yield {"signature": {}}
    yield {"signature": []}
    for keys in ([], [OTHER_PEM], [OTHER_PEM, PEM], ["x"]):
        yield {"envelopeKeys": keys}
        yield {"envelopeKeys": keys, "model": FILES, "attestation": attested}
    for files in _directories():
        yield {"model": files}
        yield {"model": files, "attestation": attested}
    # An attestation that attests no names: those that are signed are compared.
    nameless = document(changed(DATA, ("files", "list_sha256"), None))
    for files in _directories():
        yield {"model": files, "attestation": nameless}
    for data in _documents():
        yield {"attestation": document(data)}
    yield {"attestation": {"bytes": "{}", "hash": "0" * 64}, "model": FILES}
    yield {"attestation": SIGNATURE}
    items = [one._asdict() for one in listed(FILES)]
    yield {"attestation": attested, "model": FILES, "files": {"items": items}}
    yield {"attestation": attested, "model": FILES, "files": {"items": items[1:]}}
    yield {"attestation": attested, "model": {**FILES, "x": ""}, "files": {"items": items}}
    hostile: tuple[Any, ...] = (
        {},
        {"items": {}},
        {"items": [7]},
        {"items": [{**items[0], "path": "../x"}]},
        {"items": [{**items[0], "size": -1}]},
        {"items": [{**items[0], "size": True}]},
        {"items": [{**items[0], "sha256": "0"}]},
        {"items": items * 2},
    )
    for given in hostile:
        yield {"attestation": attested, "model": FILES, "files": given}
    yield {"attestation": attested, "files": {"items": items}}
    bad = {**BUNDLE, "dsseEnvelope": stated(statement([("../x", digest("x"))]))}
    yield {"signature": bad, "model": FILES}


def written() -> str:
    """The text of the file: one case per line."""
    cases = ",\n".join(json.dumps({**case, "expected": outcome(case)}) for case in _cases())
    head = f'"key": {json.dumps(PEM)},\n"signature": {json.dumps(SIGNATURE)}'
    return "{\n" + head + ',\n"cases": [\n' + cases + "\n]\n}\n"


if __name__ == "__main__":
    PATH.write_text(written(), encoding="utf-8")
