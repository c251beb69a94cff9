"""`make bench`: measures the servers side by side in rounds, and prints the ratios between them.

Runs are selected by name: `make bench ARGS="small bodies"`. README.md describes each.
"""

import argparse
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import (
    attest,
    bodies,
    counting,
    grown,
    journey,
    leaving,
    neighbours,
    pages,
    proofs,
    real,
    small,
    soak,
    start,
    transfers,
    wallet,
)
from benchmarks.launcher import Launcher, MissingError, launched, program
from benchmarks.peers import require_peers, start_servers
from benchmarks.report import Table
from benchmarks.stack import start_stack

RESULTS = Path(__file__).parent / "results"
Run = Callable[[Any, argparse.Namespace], Iterator[Table]]
# By what they run in front of: the stub of MLflow, servers of their own, real MLflow servers.
STUB: dict[str, Run] = {
    "small": small.run,
    "wallet": wallet.run,
    "bodies": bodies.run,
    "transfers": transfers.run,
    "soak": soak.run,
}
OWN: dict[str, Run] = {
    "counting": counting.run,
    "leaving": leaving.run,
    "start": start.run,
    "grown": grown.run,
    "neighbours": neighbours.run,
    "pages": pages.run,
    "attest": attest.run,
}
REAL: dict[str, Run] = {"mlflow": real.run, "journey": journey.run}
# Without any server.
ALONE = ("proofs",)
# Takes minutes and compares nothing, so it runs only if it is named (`make soak`).
ONLY_BY_NAME = ("soak",)


def main() -> int:
    """Measure, print, and write a file with the results. Returns the exit code."""
    options = _options()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    tables: list[Table] = []
    try:
        conditions = _conditions(options)
        if REAL.keys() & options.runs:
            require_peers()
        for table in _measure(options):
            tables.append(table)
            print("\n".join(["", *table.lines()]), flush=True)
    except MissingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    conditions["load at the end"] = round(os.getloadavg()[0], 2)
    print("\n" + "\n".join(f"{name}: {value}" for name, value in conditions.items()))
    print("\n" + "\n".join(verdict.line() for table in tables for verdict in table.verdicts))
    if options.results:
        _write(options.results, conditions, tables)
    return 0


def _measure(options: argparse.Namespace) -> Iterator[Table]:
    """Run the groups of servers one after the other, so that they do not share CPU and memory."""
    yield from _group(STUB, start_stack, options)
    yield from _group(OWN, lambda launcher: launcher, options)
    if "proofs" in options.runs:
        yield from proofs.run(options)
    yield from _group(REAL, start_servers, options)


def _group(
    runs: dict[str, Run], begin: Callable[[Launcher], Any], options: argparse.Namespace
) -> Iterator[Table]:
    """The selected ones of some runs. begin: starts what they share."""
    selected = [run for name, run in runs.items() if name in options.runs]
    if selected:
        with launched() as launcher:
            shared = begin(launcher)
            for run in selected:
                yield from run(shared, options)


def _options() -> argparse.Namespace:
    names = (*STUB, *OWN, *ALONE, *REAL)
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help=f"{', '.join(names)}; default: all but soak"
    )
    parser.add_argument("--rounds", type=int, default=5, help="of small requests")
    parser.add_argument("--seconds", type=int, default=2, help="of each round")
    parser.add_argument("--large-rounds", type=int, default=3, help="of large bodies")
    parser.add_argument("--megabytes", type=int, default=1000, help="of a large body")
    parser.add_argument("--journeys", type=int, default=3, help="rounds of the journey")
    parser.add_argument("--requests", type=int, default=200_000, help="of the soak")
    parser.add_argument("--scale", type=float, default=1.0, help="of the rows of `grown`")
    parser.add_argument("--results", type=Path, default=RESULTS, help="a directory")
    parser.add_argument(
        "--no-results", dest="results", action="store_const", const=None, help="write no file"
    )
    options = parser.parse_args()
    unknown = sorted(set(options.runs) - set(names))
    if unknown:
        parser.error(f"unknown run: {', '.join(unknown)}; the runs are {', '.join(names)}")
    options.runs = options.runs or [name for name in names if name not in ONLY_BY_NAME]
    return options


def _conditions(options: argparse.Namespace) -> dict[str, Any]:
    """The conditions that the figures depend on, without the machine's name."""
    # nginx prints its version on standard error; wrk exits with an error after printing it.
    versions = [
        subprocess.run([program(name), "-v"], capture_output=True, text=True, check=False)
        for name in ("nginx", "wrk")
    ]
    nginx, wrk = ((ran.stdout + ran.stderr).splitlines()[0] for ran in versions)
    return {
        "command": shlex.join(["make", "bench", *_arguments()]),
        "runs": " ".join(options.runs),
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


def _write(directory: Path, conditions: dict[str, Any], tables: list[Table]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{conditions['date'][:16].replace(':', '')}.json"
    document = {
        "conditions": conditions,
        "verdicts": [verdict.line() for table in tables for verdict in table.verdicts],
        "rounds": {
            table.name: {
                server: [asdict(round_) for round_ in measured]
                for server, measured in table.rounds.items()
            }
            for table in tables
        },
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"\nThe figures of every round are in {os.path.relpath(path)}")


if __name__ == "__main__":
    sys.exit(main())
