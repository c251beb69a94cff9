"""The benchmark documents what it measures, and computes its ratios within each round."""

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Table, Verdict, ratios
from benchmarks.run import ALONE, OWN, REAL, STUB

HERE = Path(__file__).resolve().parents[2] / "benchmarks"


@dataclass(frozen=True)
class Figure:
    cpu: float


def rounds(**servers: list[float]) -> dict[str, list[Figure]]:
    return {name: [Figure(one) for one in figures] for name, figures in servers.items()}


def test_every_run_is_documented() -> None:
    table = (HERE / "README.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == {
        *STUB,
        *OWN,
        *REAL,
        *ALONE,
    }


def test_a_ratio_is_computed_within_its_round() -> None:
    # A machine that is half as fast in the second round does not change the ratio.
    measured = rounds(nginx=[10, 20], gateway=[30, 60])
    assert ratios(measured, "cpu", "gateway", "nginx") == [3, 3]
    assert Table("load", measured, "nginx", ("cpu",)).lines()[2].split() == [
        *("gateway", "45", "(30-60)", "3", "(3-3)")
    ]


def test_a_verdict_says_whether_a_figure_is_within_its_bound() -> None:
    assert Verdict("CPU", 3.1, "x", 3).line().startswith("MISSED")
    assert Verdict("CPU", 3, "x", 3).line().startswith("met")
    assert Verdict("rate", 0.9, "x", 1, at_most=False).line().startswith("MISSED")
    assert Verdict("rate", 1.1, "x", 1, at_most=False).line().startswith("met")
