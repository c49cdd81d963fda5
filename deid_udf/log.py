"""Structured logs on stderr, one event a line: JSON, or columns for a person at a terminal.

Never image bytes, plate text, latents, keys or credentials: events carry names, counts and error types. As a last
line of defence, values that are bytes are shown by their length alone.
"""

import logging
import sys
from collections.abc import MutableMapping
from functools import cache
from typing import Any

import structlog


def logger() -> structlog.typing.FilteringBoundLogger:
    """The project's logger; set up on first use, in drivers, executors and plain Python alike."""
    _set_up()
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return bound


@cache
def _set_up() -> None:
    render = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _no_bytes,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=_StderrLogger,
        cache_logger_on_first_use=False,
    )


class _StderrLogger(structlog.PrintLogger):
    """Looks stderr up at every event: workers and notebooks replace it."""

    def __init__(self, *_: Any) -> None:
        super().__init__(sys.stderr)


def _no_bytes(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, (bytes, bytearray, memoryview)):
            event[key] = f"<{len(value)} bytes>"
    return event
