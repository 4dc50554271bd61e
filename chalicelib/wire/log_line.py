"""The log: one JSON object a line, in Powertools' shape on every host."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from chalicelib.domain.log_entry import LogEntry
from chalicelib.wire.log_ring import RING, pack

if TYPE_CHECKING:
    from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

_LEVELS = {"trace": logging.DEBUG, "debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING}


class JsonLines(logging.Formatter):
    """Powertools' formatter, made at the first line: a cold start that logs nothing does not pay for importing it."""

    @cached_property
    def _inner(self) -> LambdaPowertoolsFormatter:
        from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

        order = ["level", "timestamp", "logger", "message"]
        return LambdaPowertoolsFormatter(log_record_order=order, utc=True, serialize_stacktrace=False)

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        record.logger = record.name
        return str(self._inner.format(record))


def log_to(stream: TextIO, level: str) -> None:
    """Send the log to a stream, from `level` (trace, debug, info, warn, error) up."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler, RING]
    root.setLevel(_LEVELS.get(level, logging.ERROR))
    for noisy in ("botocore", "urllib3", "httpx", "httpcore", "pynamodb", "uvicorn"):
        logging.getLogger(noisy).setLevel(max(root.level, logging.WARNING))


def recent_entries() -> list[LogEntry]:
    """What is kept of this process's log, oldest first."""
    return RING.entries()


def kept_entries(most: int) -> list[dict[str, Any]]:
    """The newest lines of this process's log, for the result of a command."""
    return [pack(entry) for entry in recent_entries()[-most:]]


def adopt_lambda_log() -> None:
    """Give the handler that AWS Lambda's runtime installed the same shape, and keep the lines; nothing elsewhere."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler).__module__.startswith("awslambdaric"):
            handler.setFormatter(JsonLines())
            root.addHandler(RING)
