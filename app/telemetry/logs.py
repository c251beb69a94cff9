"""Structured log lines, as JSON or for a console, of the gateway and of its libraries."""

import logging
import sys
from typing import Any

import structlog
from structlog.types import Processor

from app.core.redaction import redact
from app.core.settings import Settings


def configure_logs(settings: Settings) -> None:
    """Log to standard error, in the format and from the level of the settings, without secrets."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        # The default formatter writes the local variables of a traceback, which may be secrets.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
                _redact,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Logged already by RequestLifecycle, with the id of the request.
    logging.getLogger("uvicorn.error").addFilter(_is_not_incomplete_response)


def _is_not_incomplete_response(record: logging.LogRecord) -> bool:
    return "ASGI callable returned without completing response" not in record.getMessage()


def _redact(_logger: Any, _method: str, line: Any) -> Any:
    return redact(line)
