"""One large body, up and down, beside nginx with its defaults and nginx tuned for such bodies."""

from argparse import Namespace
from collections.abc import Iterator
from functools import partial

from benchmarks.load import download, upload
from benchmarks.report import Rounds, Table, Verdict, alternate, median_ratio, values
from benchmarks.stack import Stack

MAX_PEAK = 80


def run(stack: Stack, options: Namespace) -> Iterator[Table]:
    """Run `upload` and `download`, both with a Content-Length."""
    size = options.megabytes * 1_000_000
    targets = [stack.nginx, stack.tuned, stack.gateway, stack.textbook]
    for title, measure in (("upload", upload), ("download", download)):
        measures = {target.name: partial(measure, target, size) for target in targets}
        rounds = alternate(title, options.large_rounds, measures)
        yield Table(title, rounds, "nginx", ("cpu", "rate"), _verdicts(title, rounds))


def _verdicts(title: str, rounds: Rounds) -> list[Verdict]:
    speed = 1.2 if title == "download" else 1
    rate = median_ratio(rounds, "rate", "gateway", "nginx")
    cpu = median_ratio(rounds, "cpu", "gateway", "nginx")
    tuned = median_ratio(rounds, "cpu", "gateway", "tuned")
    peak = max(values(rounds, "peak", "gateway"))
    return [
        Verdict(f"MB/s, {title}", rate, "x nginx's", speed, at_most=False),
        Verdict(f"CPU of a GB, {title}", cpu, "x nginx's", 0.8),
        Verdict(f"CPU of a GB, {title}", tuned, "x a tuned nginx's", 1.2),
        Verdict(f"peak of resident memory, {title}", peak, "MB", MAX_PEAK),
    ]
