"""What a process costs, as Linux counts it in /proc: itself and its children together."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time so far, in seconds; counted in steps of 10 ms."""
    # The name in parentheses may hold spaces; the fields after it are numbered from 3 in proc(5).
    fields = [
        Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in _tree(pid)
    ]
    return sum(int(field[11]) + int(field[12]) for field in fields) / _TICKS


def reset_peak(pid: int) -> None:
    """Let the peak of resident memory start again from what is resident now."""
    for one in _tree(pid):
        Path(f"/proc/{one}/clear_refs").write_text("5")


def peak_bytes(pid: int) -> int:
    """The peak of resident memory since the start, or since `reset_peak`."""
    return sum(_memory(one, "VmHWM") for one in _tree(pid))


def resident_bytes(pid: int) -> int:
    """What is resident now."""
    return sum(_memory(one, "VmRSS") for one in _tree(pid))


def _memory(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(descendant for child in children for descendant in _tree(int(child)))]
