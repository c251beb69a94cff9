"""What a check has found, as a line for people."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. Only a problem keeps the gateway from serving as it should."""

    OK = "ok"
    WARNING = "warning"
    SKIPPED = "skipped"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found there or what to do. No secrets in it."""

    level: Level
    subject: str
    text: str

    def __str__(self) -> str:
        # What others say may come in several lines.
        return f"{self.level:<9}{self.subject:<15}{' '.join(self.text.split())}"


def ok(subject: str, text: str) -> Finding:
    return Finding(Level.OK, subject, text)


def warning(subject: str, text: str) -> Finding:
    return Finding(Level.WARNING, subject, text)


def skipped(subject: str, text: str) -> Finding:
    return Finding(Level.SKIPPED, subject, text)


def problem(subject: str, text: str) -> Finding:
    return Finding(Level.PROBLEM, subject, text)
