"""Makes the vectors of the judgement of improvements: each with the result of its check.

    python hokusai-ml-platform/tests/make_acceptances.py

`packages/verify` has to come to the same results. That a gateway judges alike is tested beside the
gateway's rule.
"""

from __future__ import annotations

import functools
import json
import random
from typing import Any, Iterator

from hokusai.verify.acceptance import MAX_ROWS, METHODS, check_acceptance
from hokusai.verify.report import make_check
from vector_file import FILE, changed

PATH = FILE.with_name("acceptances_v1.json")
METHOD = "two_proportion_z"
GUARDRAIL = {
    "metric": "latency_ms",
    "max_worsening": 5,
    "higher_is_better": False,
    "baseline": 12.5,
    "improved": 17.5,
    "held": True,
}


def evaluation(
    baseline: tuple[int, int],
    improved: tuple[int, int],
    *,
    discordant: tuple[int, int] | None = None,
    higher_is_better: bool = True,
    min_examples: int = 1,
    guardrails: Any = (),
) -> dict[str, Any]:
    """An evaluation, with the judgement that follows from it."""
    made: dict[str, Any] = {
        "benchmark": {"higher_is_better": higher_is_better, "min_examples": min_examples},
        "baseline": dict(zip(("successes", "sample_size"), baseline)),
        "improved": dict(zip(("successes", "sample_size"), improved)),
        "discordant": None
        if discordant is None
        else dict(zip(("baseline_only", "improved_only"), discordant)),
        "guardrails": list(guardrails),
    }
    made["acceptance"] = {"statistical_method": METHOD, **METHODS[METHOD](made)}
    return made


def scored(
    method: str,
    baseline: tuple[int, float, float],
    improved: tuple[int, float, float],
    *,
    by_row: Any = None,
    ranks: tuple[float, int] = (0.0, 6),
    higher_is_better: bool = True,
    min_examples: int = 2,
) -> dict[str, Any]:
    """An evaluation by scores: of each model their number, mean and standard deviation."""
    names = ("sample_size", "mean", "standard_deviation")
    family = "continuous" if method == "welch_t" else "rank_or_ordinal"
    made: dict[str, Any] = {
        "benchmark": {
            "metric_family": family,
            "higher_is_better": higher_is_better,
            "min_examples": min_examples,
        },
        "baseline": dict(zip(names, baseline)),
        "improved": dict(zip(names, improved)),
        "by_row": by_row and dict(zip(("mean", "standard_deviation", "higher", "lower"), by_row)),
        "ranks": {"u": ranks[0], "tie_term": ranks[1]},
        "guardrails": [],
    }
    made["acceptance"] = {"statistical_method": method, **METHODS[method](made)}
    return made


KNOWN_MEANS = scored("welch_t", (30, 0.5, 0.25), (30, 0.75, 0.125), by_row=(0.25, 0.3125, 20, 5))
KNOWN_RANKS = scored(
    "mann_whitney_u",
    (60, 3.0, 1.25),
    (60, 3.5, 1.0),
    by_row=(0.5, 1.0, 30, 10),
    ranks=(2300.5, 90_000),
)
KNOWN = evaluation((850, 1000), (880, 1000), discordant=(20, 50), guardrails=[GUARDRAIL])


def _random() -> Iterator[dict[str, Any]]:
    pick = random.Random(2026)
    for _ in range(120):
        rows = pick.choice((1, 7, 100, 1000, 4096, 10**5, MAX_ROWS))
        others = pick.choice((rows, pick.randint(1, rows)))
        before = pick.randint(0, rows)
        after = pick.choice((pick.randint(0, others), before * others // rows))
        pairs = (pick.randint(0, rows // 3), pick.randint(0, rows // 3))
        yield evaluation(
            (before, rows),
            (min(others, after + pick.randint(0, 40)), others),
            discordant=pick.choice((None, pairs)),
            higher_is_better=pick.random() < 0.7,
            min_examples=pick.choice((1, others, rows)),
        )


def _corners() -> Iterator[dict[str, Any]]:
    yield KNOWN
    yield evaluation((0, 1000), (1000, 1000), discordant=(0, 1000))
    yield evaluation((1000, 1000), (0, 1000))
    yield evaluation((0, 1), (0, 1), discordant=(0, 0))
    # The effect is half a basis point, and 1.5.
    yield evaluation((0, 20_000), (1, 20_000))
    yield evaluation((0, 20_000), (3, 20_000))
    yield evaluation((1, 20_000), (0, 20_000))
    # Tails near to the smallest double, and below.
    for gained in (80_000, 83_700, 85_600, 85_900, 86_500, 900_000):
        yield evaluation((4_700_000, MAX_ROWS), (4_700_000 + gained, MAX_ROWS))
    for fewer in (4_990_000, 4_960_000, 4_940_000, 0, 5_000_000):
        pairs = (fewer, MAX_ROWS - fewer)
        yield evaluation((1, MAX_ROWS), (2, MAX_ROWS), discordant=pairs)
    for pairs in ((480, 520), (480, 521), (0, 1000), (0, 1001), (499, 501), (500, 501), (1, 1074)):
        yield evaluation((1, 2000), (2, 2000), discordant=pairs)
    # Guardrails at their bounds, as the numbers are written in decimal.
    for before, after, most, higher in (
        (0.3, 0.1, 0.2, True),
        (0.1, 0.3, 0.2, False),
        (0.1, 0.30000000000000004, 0.2, False),
        (-1e-30, 1, 1, False),
        (1e300, -1e-300, 1e300, True),
        (5e-324, 1.7976931348623157e308, 1.7976931348623157e308, False),
        (-0.0, 0, 0, True),
        (2, 1, 0.5, True),
    ):
        guardrail = {"metric": "m", "max_worsening": most, "higher_is_better": higher}
        guardrail.update(baseline=before, improved=after)
        for held in (True, False):
            changed_one = {**KNOWN, "guardrails": [{**guardrail, "held": held}]}
            judgement = {**KNOWN["acceptance"]}
            if not held:
                judgement.update(accepted=False, reason="guardrail_breached")
            yield {**changed_one, "acceptance": judgement}


def _scored() -> Iterator[dict[str, Any]]:
    yield KNOWN_MEANS
    yield KNOWN_RANKS
    # An effect of half a basis point; one that is certain; tails next to the smallest double.
    yield scored("welch_t", (2, 0.5, 1e-9), (2, 0.50005, 0.0))
    yield scored("welch_t", (2, 0.5, 5e-324), (8000, 0.75, 0.0), by_row=(0.25, 0.0, 2, 0))
    yield scored("welch_t", (2, 1.0, 1e-10), (2, 1e9, 0.0), by_row=(0, 0, 0, 0))
    yield scored("welch_t", (2, 1.0, 3e-300), (2, 1e9, 0.0), by_row=(1e-300, 1e9, 1, 1))
    for deviation in (0.0064, 0.0065, 0.0066, 0.01):
        yield scored("welch_t", (8000, 0.5, deviation), (8000, 0.5045, deviation))
    yield scored("mann_whitney_u", (4, 2.0, 1.0), (4, 2.0, 1.0), ranks=(8.0, 504))
    yield scored("mann_whitney_u", (8000, 2.0, 1.0), (8000, 3.0, 1.0), ranks=(6.4e7, 0))
    for u in (0, 1, 1200, 1500, 1510, 1520, 2400, 2401):
        yield scored("mann_whitney_u_exact", (49, 1.0, 1.0), (49, 1.5, 1.0), ranks=(u, 0))
    yield scored("mann_whitney_u_exact", (4, 1.0, 1.0), (4, 5.0, 1.0), ranks=(16.0, 0))
    yield scored("mann_whitney_u_exact", (2, 1.0, 1.0), (2, 5.0, 1.0), ranks=(4.0, 0))
    pick = random.Random(2027)
    for _ in range(40):
        rows, others = (pick.choice((2, 3, 30, 300, 8000)) for _ in range(2))
        scale = pick.choice((1, 1, 1e-3, 1e6))
        by_row = pick.choice((None, (pick.uniform(-scale, scale), scale, rows // 2, rows // 3)))
        before, after = (pick.uniform(-scale, scale) for _ in range(2))
        deviations = [pick.choice((0.5, pick.random())) * scale for _ in range(2)]
        higher = pick.random() < 0.7
        yield scored(
            "welch_t",
            (rows, before, deviations[0]),
            (others, pick.choice((after, before + scale / 50)), deviations[1]),
            by_row=by_row,
            higher_is_better=higher,
            min_examples=pick.choice((2, 30)),
        )
        ties = pick.choice((6, rows**3 - rows, 0))
        is_exact = ties == 0 and max(rows, others) < 50
        u = pick.randint(0, rows * others)
        yield scored(
            "mann_whitney_u_exact" if is_exact else "mann_whitney_u",
            (rows, before, 1.0),
            (others, after, 1.0),
            by_row=by_row,
            ranks=(u if is_exact else max(0, u - 0.5), ties),
            higher_is_better=higher,
        )


def _changed_scores() -> Iterator[dict[str, Any]]:
    """Evaluations by scores whose judgement does not follow, or that lack a part."""
    for known in (KNOWN_MEANS, KNOWN_RANKS):
        for name, value in known["acceptance"].items():
            other = not value if isinstance(value, bool) else (value or 0)
            both: tuple[Any, ...] = (other, {})
            for wrong in both:
                if wrong != value:
                    yield changed(known, ("acceptance", name), wrong)
        others: tuple[tuple[tuple[str, ...], Any], ...] = (
            (("acceptance", "statistical_method"), "mann_whitney_u_exact"),
            (("acceptance", "p_value"), 0.5),
            (("acceptance", "paired_p"), None),
            (("benchmark", "metric_family"), "proportion"),
            (("benchmark", "metric_family"), None),
            (("baseline", "sample_size"), 1),
            (("baseline", "sample_size"), 8001),
            (("improved", "mean"), 1e11),
            (("improved", "mean"), "0.75"),
            (("improved", "standard_deviation"), -0.5),
            (("improved", "standard_deviation"), 1e11),
            (("by_row", "mean"), 1e11),
            (("by_row", "standard_deviation"), -1),
            (("by_row", "higher"), 60),
            (("by_row", "lower"), -1),
            (("by_row",), 7),
            (("ranks", "u"), -0.5),
            (("ranks", "u"), 0.25),
            (("ranks", "u"), 3600.5),
            (("ranks", "tie_term"), 120**3),
            (("ranks", "tie_term"), 0.5),
            (("ranks",), None),
        )
        for path, wrong in others:
            yield changed(known, path, wrong)
    nothing = changed(KNOWN_MEANS, ("baseline", "standard_deviation"), 0)
    yield changed(nothing, ("improved", "standard_deviation"), 0.0)
    exact = scored("mann_whitney_u_exact", (4, 1.0, 1.0), (4, 5.0, 1.0), ranks=(16.0, 0))
    yield changed(exact, ("ranks", "u"), 15.5)
    yield changed(exact, ("acceptance", "statistical_method"), "mann_whitney_u")
    yield changed(exact, ("acceptance", "ci_low_bps"), 0)


def _changes() -> Iterator[dict[str, Any]]:
    """Evaluations whose judgement does not follow, or that lack a part."""
    stated = KNOWN["acceptance"]
    for name, value in stated.items():
        other = not value if isinstance(value, bool) else value
        if not isinstance(value, bool):
            other = value + 1 if isinstance(value, int) else f"{value}x"
        others: tuple[Any, ...] = (other, None, {})
        for wrong in others:
            yield changed(KNOWN, ("acceptance", name), wrong)
        yield {
            **KNOWN,
            "acceptance": {key: stated[key] for key in stated if key != name},
        }
    yield changed(KNOWN, ("acceptance", "p_value"), stated["p_value"] + 2**-58)
    yield changed(KNOWN, ("acceptance", "more"), 1)
    yield changed(KNOWN, ("acceptance", "statistical_method"), "welch\u202e_t")
    for path, value in (
        (("baseline", "successes"), 851),
        (("baseline", "successes"), 1001),
        (("baseline", "successes"), -1),
        (("baseline", "successes"), 850.0),
        (("baseline", "sample_size"), 0),
        (("improved", "sample_size"), MAX_ROWS + 1),
        (("improved", "sample_size"), 2**53 - 1),
        (("improved",), None),
        (("discordant",), {}),
        (("discordant", "baseline_only"), True),
        (("discordant", "baseline_only"), MAX_ROWS),
        (("discordant", "improved_only"), 51),
        (("benchmark", "higher_is_better"), False),
        (("benchmark", "higher_is_better"), 1),
        (("benchmark", "min_examples"), 1001),
        (("benchmark", "min_examples"), "1"),
        (("guardrails",), {}),
        (("guardrails",), [7]),
        (("guardrails", 0, "improved"), 17.6),
        (("guardrails", 0, "improved"), "17.5"),
        (("guardrails", 0, "improved"), True),
        (("guardrails", 0, "held"), None),
        (("guardrails", 0, "metric"), 7),
        (("acceptance",), None),
        (("acceptance",), []),
    ):
        yield changed(KNOWN, path, value)


def cases() -> list[dict[str, Any]]:
    """Each evaluation with the result and reason of the check."""
    found = []
    for one in (
        *_corners(),
        *_random(),
        *_changes(),
        *_scored(),
        *_changed_scores(),
    ):
        check = make_check("acceptance", functools.partial(check_acceptance, one))
        found.append({"evaluation": one, "expected": [check.result.value, check.detail]})
    return found


def written() -> str:
    """The text of the file: one case per line."""
    return "[\n" + ",\n".join(json.dumps(case) for case in cases()) + "\n]\n"


if __name__ == "__main__":
    PATH.write_text(written(), encoding="utf-8")
