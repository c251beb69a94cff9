"""Makes the reports on a proven attestation that every verifier has to come to.

    python hokusai-ml-platform/tests/make_proof_reports.py

`vectors/proven_v1.json` has an attestation that a real gateway issued, with a proof by the SDK's
prover, and cases that change the proof or the attested bytes. `vectors/proven_v2.json` has two
attestations, which differ in the version of the binding, and cases that change the models' files.
Hash and data are changed with them, so that the check of the proof itself is reached; the signature
then fails. `packages/verify` has to come to the same reports, in the same words.
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any, Iterator

from hokusai.verify import verify
from hokusai.verify.proof import proof_digest
from hokusai.zk import groth16
from hokusai.zk.field import Q, R
from hokusai.zk.keys import VerifyingKey
from vector_file import FILE, leaves

PATH = FILE.with_name("proven_v1.json")
PROVEN: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
PATH_2 = FILE.with_name("proven_v2.json")
PROVEN_2: dict[str, Any] = json.loads(PATH_2.read_text(encoding="utf-8"))
DOCUMENT, KNOWN = PROVEN["attestation"], PROVEN["known"]
PROOF = DOCUMENT["proof"]
# On the curve, but not in the subgroup.
OUTSIDE = [
    ["1", "0"],
    [
        "18278151005453108793778860132295291098363647455926340152056652516292830556603",
        "5912654199736721486680175016176231956195085055698687135131307249486702594212",
    ],
    ["1", "0"],
]
FORMS: tuple[Any, ...] = (
    0,
    None,
    "",
    "-1",
    "+1",
    "01",
    "1.0",
    "0x1",
    " 1",
    "1\n",
    "\u0661",
    "9" * 90,
    [],
    {},
)


def apply(case: dict[str, Any]) -> dict[str, Any]:
    """The document of a case."""
    of = PROVEN_2["attestations"][case["of"]] if "of" in case else DOCUMENT
    document: dict[str, Any] = copy.deepcopy(of)
    text = document["bytes"]
    if "path" in case:
        parent: Any = document
        for step in case["path"][:-1]:
            parent = parent[step]
        parent[case["path"][-1]] = case["value"]
    for old, new in case.get("replace", ()):
        text = text.replace(old, new)
    document["bytes"], document["data"] = text, json.loads(text)
    document["kind"] = document["evidence"] = document["data"]["kind"]
    document["delta_one"] = document["data"]["delta_one"]
    document["hash"] = hashlib.sha256(text.encode()).hexdigest()
    return document


def _in_proof(path: list[Any], value: Any) -> dict[str, Any]:
    """Another value in the proof, whose digest the bytes then have."""
    case = {"path": ["proof", *path], "value": value}
    digest = proof_digest(apply(case)["proof"])
    return {**case, "replace": [[DOCUMENT["data"]["proof_sha256"], digest]]}


def _cases() -> Iterator[dict[str, Any]]:
    yield {}
    yield {"arguments": {}}
    yield {"arguments": {"circuits": "0" * 64}}
    yield {"arguments": {"circuits": [PROOF["circuit"]]}}
    yield {"arguments": {"circuits": ["short"]}}
    key = VerifyingKey.from_json(PROOF["verifying_key"])
    points = groth16.Points.from_json(PROOF["proof"])
    yield _in_proof(["proof"], CHANGED or groth16.rerandomize(key, points).as_json())
    for path, value in leaves(PROOF):
        if path[0] != "verifying_key" or path[1] != "IC" or path[2] in (0, 7):
            yield _in_proof(list(path), f"{value}0" if isinstance(value, str) else value + 1)
    for place in range(len(PROOF["public"])):
        value = int(PROOF["public"][place])
        yield _in_proof(["public", place], str((value + 1) % R))
        yield _in_proof(["public", place], str((value - 1) % R))
    for form in FORMS:
        yield _in_proof(["public", 1], form)
        yield _in_proof(["proof", "pi_a", 0], form)
    yield _in_proof(["public", 0], str(int(PROOF["public"][0]) + R))
    yield _in_proof(["public"], PROOF["public"][:-1])
    for name in ("pi_a", "pi_c"):
        x, y, one = PROOF["proof"][name]
        for other in (
            [str(int(x) + Q), y, one],
            [x, str(Q - int(y)), one],
            ["0", "0", "0"],
            [x, y],
        ):
            yield _in_proof(["proof", name], other)
        yield _in_proof(["proof", name], ["1", "2", "1"])
    for other in (
        OUTSIDE,
        [["0", "0"], ["0", "0"], ["0", "0"]],
        OUTSIDE[:2],
        PROOF["proof"]["pi_b"][::-1],
    ):
        yield _in_proof(["proof", "pi_b"], other)
    for name in ("capacity", "statement", "setup", "nPublic", "circuit", "IC", "curve"):
        yield _in_proof(["verifying_key", name], None)
    yield _in_proof(["verifying_key", "capacity"], 2**31)
    yield _in_proof(["verifying_key", "more"], 1)
    yield _in_proof(["more"], 1)
    yield _in_proof(["verifying_key", "vk_delta_2"], PROOF["verifying_key"]["vk_gamma_2"])
    yield {"path": ["proof"], "value": None}
    # What was attested is something else than what was proven.
    data = DOCUMENT["data"]
    for old, new in (
        ('"successes": 7', '"successes": 6'),
        ('"improved_only": 3', '"improved_only": 4'),
        ('"baseline_only": 1', '"baseline_only": true'),
        ('"baseline_only": 1', '"baseline_only": 1.0'),
        ('"rows": 8', '"rows": 9'),
        ('"benchmark": {', '"benchmarks": {'),
        # The counts are those of accuracy; of a metric with another name, they may be any share.
        ('"metric": "accuracy"', '"metric": "recall"'),
        ('"metric": "accuracy"', '"metric": "test_accuracy"'),
        ('"metric": "accuracy"', '"metric": ["accuracy"]'),
        (data["model_id"], "hkm_another"),
        (data["baseline"]["model_id"], "hkm_another"),
        (data["contributors"][0]["address"], "0x" + "11" * 20),
        ('"weight_bps": 10000', '"weight_bps": 5000'),
        (data["evaluation"]["benchmark"]["benchmark_id"], "hkb_another"),
        (data["evaluation"]["benchmark"]["label_commitment"], "1" * 64),
        (data["evaluation"]["predictions"]["baseline"]["commitment"], "1" * 64),
        (data["evaluation"]["predictions"]["improved"]["commitment"], "X" * 64),
        ('"kind": "proven"', '"kind": "witnessed"'),
        (f'"{data["proof_sha256"]}"', "null"),
    ):
        assert old in DOCUMENT["bytes"], old
        yield {"replace": [[old, new]]}
    yield {"path": ["signature", "domain", "chainId"], "value": 2}


def _cases_of_files() -> Iterator[dict[str, Any]]:
    for name, document in PROVEN_2["attestations"].items():
        yield {"of": name}
        models = document["data"], document["data"]["baseline"]
        for own, other in (models, models[::-1]):
            for member in ("sha256", "sha256_merkle_v1", "list_sha256"):
                digest = own["files"][member]
                yield {"of": name, "replace": [[digest, "1" * 64]]}
                yield {"of": name, "replace": [[digest, other["files"][member]]]}
            listed = f'"list_sha256": "{own["files"]["list_sha256"]}"'
            for value in ("null", "7", "[]"):
                yield {"of": name, "replace": [[listed, f'"list_sha256": {value}']]}
            yield {"of": name, "replace": [[f"{listed}, ", ""]]}


# The changed copy of the proof stays the same when the file is made again.
CHANGED = next(
    (
        case["value"]
        for case in PROVEN.get("cases", ())
        if case.get("path") == ["proof", "proof"] and case["value"] is not None
    ),
    None,
)


def report(case: dict[str, Any]) -> dict[str, Any]:
    """The report of a case."""
    known = PROVEN_2["known"] if "of" in case else KNOWN
    arguments = case.get("arguments", {"known": known})
    try:
        found = verify(json.dumps(apply(case)), **arguments).as_dict()
    except ValueError as error:
        return {"error": type(error).__name__}
    checks = [[one["name"], one["result"], one["detail"]] for one in found["checks"]]
    return {"ok": found["ok"], "kind": found["kind"], "checks": checks}


def cases() -> list[dict[str, Any]]:
    """Those of `PATH`."""
    return [{**case, "report": report(case)} for case in _cases()]


def cases_of_files() -> list[dict[str, Any]]:
    """Those of `PATH_2`."""
    return [{**case, "report": report(case)} for case in _cases_of_files()]


if __name__ == "__main__":
    for path, made in (
        (PATH, {**PROVEN, "cases": cases()}),
        (PATH_2, {**PROVEN_2, "cases": cases_of_files()}),
    ):
        path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
