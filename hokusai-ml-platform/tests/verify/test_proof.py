"""The check of a proof, on an attestation that a real gateway issued."""

from __future__ import annotations

import json
from collections import Counter

from hokusai.verify import verify
from make_proof_reports import DOCUMENT, KNOWN, PATH, PATH_2, PROOF, cases, cases_of_files


def test_the_file_is_up_to_date() -> None:
    """`python hokusai-ml-platform/tests/make_proof_reports.py` makes it."""
    made = json.loads(json.dumps(cases()))
    assert json.loads(PATH.read_text(encoding="utf-8"))["cases"] == made

    of_proofs = [case for case in made if "checks" in case["report"] and "arguments" not in case]
    results = [{name: result for name, result, _ in case["report"]["checks"]} for case in of_proofs]
    # The attestation, the changed copy of its proof, a count that is written as 1.0, and two other
    # names of the metric, which is no part of the binding.
    assert sum(result.get("proof") == "holds" for result in results) == 5
    assert sum(result.get("proof") == "fails" for result in results) > 80


def test_of_two_versions_of_the_binding_the_second_binds_the_names_of_files() -> None:
    made = json.loads(json.dumps(cases_of_files()))
    assert json.loads(PATH_2.read_text(encoding="utf-8"))["cases"] == made

    held = Counter(
        (case["of"], "does not bind the names" in detail)
        for case in made
        for name, result, detail in case["report"]["checks"]
        if (name, result) == ("proof", "holds")
    )
    # Of the first, also those in which the digest of a list is another, null or missing.
    assert held == {("first", True): 9, ("second", False): 1}


def test_a_proof_holds_for_a_circuit_that_is_trusted() -> None:
    report = verify(DOCUMENT, known=KNOWN)

    assert report.ok
    assert report.kind == "proven"
    assert report["proof"].result.value == "holds"
    assert report["proof"].detail == (
        "5 and 7 rows are proven for committed labels and predictions of 8 rows (setup: operator)"
    )


def test_a_circuit_that_nobody_named_leaves_the_proof_unchecked() -> None:
    report = verify(DOCUMENT, attestors=KNOWN["signer"])

    assert report.ok
    assert not report.complete
    assert report["proof"].result.value == "unchecked"
    assert PROOF["circuit"] in report["proof"].detail
    named = verify(DOCUMENT, attestors=KNOWN["signer"], circuits=PROOF["circuit"])
    assert named["proof"].result.value == "holds"
