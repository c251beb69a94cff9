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
        guardrail |= {"baseline": before, "improved": after}
        for held in (True, False):
            changed_one = {**KNOWN, "guardrails": [{**guardrail, "held": held}]}
            judgement = {**KNOWN["acceptance"]}
            if not held:
                judgement |= {"accepted": False, "reason": "guardrail_breached"}
            yield {**changed_one, "acceptance": judgement}


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
    for one in (*_corners(), *_random(), *_changes()):
        check = make_check("acceptance", functools.partial(check_acceptance, one))
        found.append({"evaluation": one, "expected": [check.result.value, check.detail]})
    return found


def written() -> str:
    """The text of the file: one case per line."""
    return "[\n" + ",\n".join(json.dumps(case) for case in cases()) + "\n]\n"


if __name__ == "__main__":
    PATH.write_text(written(), encoding="utf-8")
