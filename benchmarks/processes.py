"""CPU time and memory of a process with its descendants, read from Linux' /proc."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time so far, in seconds, with a resolution of 10 ms."""
    # The name in parentheses may contain spaces. proc(5) numbers the fields after it from 3.
    fields = [
        Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split() for member in _tree(pid)
    ]
    return sum(int(field[11]) + int(field[12]) for field in fields) / _TICKS


def reset_peak(pid: int) -> None:
    """Reset the recorded peak of resident memory to the present value."""
    for member in _tree(pid):
        Path(f"/proc/{member}/clear_refs").write_text("5")


def peak_bytes(pid: int) -> int:
    """The peak of resident memory since the start or the last `reset_peak`, in bytes."""
    return sum(_memory(member, "VmHWM") for member in _tree(pid))


def resident_bytes(pid: int) -> int:
    """The resident memory now, in bytes."""
    return sum(_memory(member, "VmRSS") for member in _tree(pid))


def _memory(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(descendant for child in children for descendant in _tree(int(child)))]
