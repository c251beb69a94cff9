"""The result of a check, printed as one line."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How serious a result is. Only a problem keeps the gateway from serving correctly."""

    OK = "ok"
    WARNING = "warning"
    SKIPPED = "skipped"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line: what was checked, and what was found or has to be done. Contains no secrets."""

    level: Level
    subject: str
    text: str

    def __str__(self) -> str:
        # The text may quote a message of another program that has several lines.
        return f"{self.level:<9}{self.subject:<15}{' '.join(self.text.split())}"


def ok(subject: str, text: str) -> CheckResult:
    return CheckResult(Level.OK, subject, text)


def warning(subject: str, text: str) -> CheckResult:
    return CheckResult(Level.WARNING, subject, text)


def skipped(subject: str, text: str) -> CheckResult:
    return CheckResult(Level.SKIPPED, subject, text)


def problem(subject: str, text: str) -> CheckResult:
    return CheckResult(Level.PROBLEM, subject, text)
