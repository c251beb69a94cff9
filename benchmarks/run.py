"""`make bench`: all proxies in turn, round after round, and the ratios between them.

A ratio is taken within each round, where both sides met the same machine, and the median of the
rounds is told with the least and the greatest. Peers and loads: see README.md.
"""

import argparse
import json
import os
import platform
import shlex
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.load import Large, Small, download, small_requests, upload
from benchmarks.stack import MissingError, Stack, Target, program, running_stack

RESULTS = Path(__file__).parent / "results"
CONNECTIONS = (1, 32)
# What the gateway has to keep to: times nginx's CPU on a small request, MB of resident memory.
MAX_CPU = 6
MAX_PEAK = 120
Rounds = dict[str, list[Any]]


def main() -> int:
    """Measure, print, and write a file of results; the exit code."""
    options = _options()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        conditions = _conditions()
        with running_stack() as stack:
            results = {
                **{f"small-{c}": _small(stack, c, options) for c in CONNECTIONS},
                **_large(stack, options),
            }
    except MissingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    conditions["load at the end"] = round(os.getloadavg()[0], 2)
    lines = [f"{name}: {value}" for name, value in conditions.items()]
    lines += [line for name, rounds in results.items() for line in ("", *_table(name, rounds))]
    print("\n".join([*lines, "", *_verdicts(results)]))
    if options.results:
        _write(options.results, conditions, results)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of small requests")
    parser.add_argument("--seconds", type=int, default=2, help="of each round")
    parser.add_argument("--large-rounds", type=int, default=3, help="of large bodies")
    parser.add_argument("--megabytes", type=int, default=1000, help="of a large body")
    parser.add_argument("--results", type=Path, default=RESULTS, help="a directory")
    parser.add_argument(
        "--no-results", dest="results", action="store_const", const=None, help="write no file"
    )
    return parser.parse_args()


def _small(stack: Stack, connections: int, options: argparse.Namespace) -> Rounds:
    def measure(target: Target, seconds: int = options.seconds) -> Small:
        return small_requests(target, stack.key, connections=connections, seconds=seconds)

    targets = [stack.direct, stack.nginx, stack.gateway, stack.textbook]
    for target in targets:
        measure(target, 1)  # connections are opened, keys looked up
    return _alternate(f"{connections} connections", targets, measure, options.rounds)


def _large(stack: Stack, options: argparse.Namespace) -> dict[str, Rounds]:
    size = options.megabytes * 1_000_000
    targets = [stack.nginx, stack.gateway, stack.textbook]
    rounds = options.large_rounds
    return {
        "upload": _alternate("upload", targets, lambda t: upload(t, stack.key, size), rounds),
        "download": _alternate("download", targets, lambda t: download(t, stack.key, size), rounds),
    }


def _alternate(
    title: str, targets: list[Target], measure: Callable[[Target], Small | Large], rounds: int
) -> Rounds:
    results: Rounds = {target.name: [] for target in targets}
    for number in range(1, rounds + 1):
        print(f"{title}: round {number} of {rounds}", file=sys.stderr, flush=True)
        for target in targets:
            results[target.name].append(measure(target))
    return results


def _verdicts(results: dict[str, Rounds]) -> list[str]:
    """What the gateway has to keep to, and whether it does."""
    busy = f"small-{max(CONNECTIONS)}"
    cpu = statistics.median(_ratios(results[busy], "gateway"))
    peak = max(one.peak for load in ("upload", "download") for one in results[load]["gateway"])
    return [
        _verdict(f"CPU of a small request, {busy}", cpu, "x nginx's", MAX_CPU),
        _verdict("peak of resident memory", peak, "MB", MAX_PEAK),
    ]


def _verdict(what: str, figure: float, unit: str, bound: float) -> str:
    met = "met" if figure <= bound else "MISSED"
    return f"gateway: {what}: {_short(figure)} {unit} (target: at most {bound:g}): {met}"


def _ratios(rounds: Rounds, target: str) -> list[float]:
    """CPU against nginx's, round by round."""
    return [a.cpu / b.cpu for a, b in zip(rounds[target], rounds["nginx"], strict=True)]


def _table(name: str, rounds: Rounds) -> list[str]:
    """One line for each target: median (least to greatest) of each figure."""
    first = next(iter(rounds.values()))[0]
    rows = [[name, *asdict(first), "cpu x nginx"]]
    for target, measured in rounds.items():
        figures = [asdict(one) for one in measured]
        cells = [_spread([figure[key] for figure in figures]) for key in figures[0]]
        rows.append([target, *cells, _spread(_ratios(rounds, target))])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _spread(values: list[float]) -> str:
    median, least, greatest = statistics.median(values), min(values), max(values)
    return " ".join((_short(median), f"({_short(least)}-{_short(greatest)})"))


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _conditions() -> dict[str, Any]:
    """What the figures depend on; nothing that names the machine."""
    # nginx tells its version on stderr, wrk with the exit code of a wrong usage.
    versions = [
        subprocess.run([program(name), "-v"], capture_output=True, text=True, check=False)
        for name in ("nginx", "wrk")
    ]
    nginx, wrk = ((one.stdout + one.stderr).splitlines()[0] for one in versions)
    return {
        "command": shlex.join(["make", "bench", *_arguments()]),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": _commit(),
        "cores": os.cpu_count(),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "nginx": nginx.rpartition("/")[2],
        "wrk": wrk.partition(" [")[0].removeprefix("wrk "),
        "load at the start": round(os.getloadavg()[0], 2),
    }


def _arguments() -> list[str]:
    return [f"ARGS={shlex.join(sys.argv[1:])}"] if sys.argv[1:] else []


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _write(directory: Path, conditions: dict[str, Any], results: dict[str, Rounds]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{conditions['date'][:16].replace(':', '')}.json"
    rounds = {
        name: {target: [asdict(one) for one in measured] for target, measured in loads.items()}
        for name, loads in results.items()
    }
    path.write_text(json.dumps({"conditions": conditions, "rounds": rounds}, indent=1) + "\n")
    print(f"\nEvery round is in {os.path.relpath(path)}")


if __name__ == "__main__":
    sys.exit(main())
