"""Computing the judgement of an improvement again: the vectors that `packages/verify` shares."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

import make_acceptances
from hokusai.verify import Result, verify
from hokusai.verify.acceptance import METHODS
from hokusai.verify.strict_json import canonical_json
from make_acceptances import KNOWN, PATH

VECTORS: list[dict[str, Any]] = json.loads(PATH.read_text(encoding="utf-8"))


def test_the_vectors_are_what_the_package_says() -> None:
    assert PATH.read_text(encoding="utf-8") == make_acceptances.written()


def test_the_figures_are_those_of_other_programs() -> None:
    """As SciPy and R give them: two proportions with separate variances, and binomtest(20, 70)."""
    assert METHODS["two_proportion_z"](KNOWN) == {
        "accepted": True,
        "reason": "accepted",
        "p_value": 0.024710375329790448,
        "effect_size_bps": 300,
        "ci_low_bps": 1,
        "ci_high_bps": 599,
        "mcnemar_p": 0.00044028500651396835,
    }


def test_every_result_is_among_the_vectors() -> None:
    reasons = [case["expected"][1] for case in VECTORS]
    for words in (
        "accepted, as follows from the attested counts by two_proportion_z",
        "insufficient_samples, as",
        "delta_below_threshold, as",
        "not_statistically_significant, as",
        "guardrail_breached, as",
        "it is not computed again: the method",
        "p_value is 0.0247",
        "accepted is false, but true follows",
        "the counts of improved are not possible",
        "the discordant pairs are not possible",
        "the guardrail latency_ms says otherwise of itself",
        "benchmark.higher_is_better is not true or false",
        "improved is not a number",
        "acceptance is not an object",
        "mcnemar_p is missing",
        "not_statistically_significant, as follows from the attested scores by welch_t",
        "accepted, as follows from the attested scores by mann_whitney_u",
        "accepted, as follows from the attested scores by mann_whitney_u_exact",
        "the scores of neither model differ",
        "the scores of improved are not possible",
        "the ranks are not possible",
        "the differences by row are not possible",
        "a metric of the family proportion is not judged by this method",
    ):
        assert [reason for reason in reasons if reason.startswith(words)], words


def test_it_is_a_check_of_an_attestation_that_was_evaluated() -> None:
    def report_of(evaluation: Any) -> Any:
        text = canonical_json({"kind": "witnessed", "evaluation": evaluation})
        return verify({"bytes": text, "hash": hashlib.sha256(text.encode()).hexdigest()})

    assert report_of(KNOWN)["acceptance"].result is Result.HOLDS
    other = copy.deepcopy(KNOWN)
    other["baseline"]["successes"] -= 1
    assert report_of(other)["acceptance"].result is Result.FAILS
    assert report_of(7)["acceptance"].result is Result.FAILS
    assert "acceptance" not in [check.name for check in report_of(None).checks]
