"""How much the gateway reads of one model's files, and how fast."""

from dataclasses import dataclass
from typing import Literal, Self, get_args

from app.core.settings import Settings

LimitName = Literal["count", "total_bytes", "seconds"]
LIMITS: tuple[LimitName, ...] = get_args(LimitName)


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """count, total_bytes, seconds: of one model. rate: bytes per second of one process."""

    count: int
    total_bytes: int
    seconds: float
    rate: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(
            settings.model_files_count,
            settings.model_files_bytes,
            settings.model_files_seconds,
            settings.model_files_rate,
        )
