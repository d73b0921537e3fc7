"""Logs of the whole process, one line each: whoever writes them, they go the same way.

    {"timestamp": "2026-01-31T12:00:00.000000Z", "level": "info", "logger": "openrun.runs", "event": "run started",
     "run_id": ..., "flow_id": ...}

`run_id`, `flow_id`, `step_id` and `request_id` are there where they were bound (`structlog.contextvars`) or given.
Secrets are taken out of every text, tracebacks among them; hostile text cannot make a line of its own.
"""

import contextlib
import json
import logging
import sys
from collections.abc import Callable, Sequence
from typing import IO, Literal

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from openrun.telemetry.errors import TelemetryError
from openrun.telemetry.plain import escaped, indented, plain

Redact = Callable[[str], str]

GIVEN = ("run_id", "flow_id", "step_id", "request_id")
"""What a logger of the standard library may say in `extra`."""

CHAIN: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(GIVEN),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)
"""What is said of every line."""

_FIRST = ("timestamp", "level", "logger", "event")
_OURS = ("openrun", "aiohttp")


def configure(
    *,
    format: Literal["json", "console"] = "json",  # noqa: A002
    level: str = "info",
    redact: Redact | None = None,
    stream: IO[str] | None = None,
) -> Callable[[], None]:
    """Write all logs to `stream` (stderr when None); the function that comes back puts all as it was before.

    `level` is for OpenRun's own loggers and aiohttp's; of others, warnings and what is worse are written. `redact` takes
    secrets out of a text. Raises `TelemetryError` for an unknown level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise TelemetryError(f"there is no log level {level!r}: give debug, info, warning or error")
    undo = contextlib.ExitStack()
    out = sys.stderr if stream is None else stream
    handler = _Lines(out)
    handler.setFormatter(_formatter(out, redact or str, as_json=format == "json"))
    _route(handler, number, undo)
    _structlog(undo)
    return undo.close


def _route(handler: logging.Handler, level: int, undo: contextlib.ExitStack) -> None:
    """Let the root logger have this handler alone, and give the loggers their levels."""
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers[:] = [handler]
    undo.callback(root.handlers.__setitem__, slice(None), before)
    levels = {"": logging.WARNING, **dict.fromkeys(_OURS, level)}
    for name, wanted in levels.items():
        logger = logging.getLogger(name)
        undo.callback(logger.setLevel, logger.level)
        logger.setLevel(wanted)


def _structlog(undo: contextlib.ExitStack) -> None:
    """Let structlog's own loggers go the same way."""
    if structlog.is_configured():
        before = structlog.get_config()
        undo.callback(lambda: structlog.configure(**before))
    else:
        undo.callback(structlog.reset_defaults)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *CHAIN,
            structlog.stdlib.PositionalArgumentsFormatter(),
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _formatter(out: IO[str], redact: Redact, *, as_json: bool) -> logging.Formatter:
    last: Sequence[Processor]
    if as_json:
        last = [_cleaned(redact, str), _as_json]
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback, repr_native_str=True
        )
        last = [_cleaned(redact, escaped), renderer]
    first: Sequence[Processor] = [
        ProcessorFormatter.remove_processors_meta,
        structlog.processors.StackInfoRenderer(),
        # As plain text, without the values of variables.
        structlog.processors.format_exc_info,
    ]
    return ProcessorFormatter(foreign_pre_chain=CHAIN, processors=[*first, *last])


def _cleaned(redact: Redact, escape: Callable[[str], str]) -> Processor:
    def clean(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        event["event"] = str(event.get("event", ""))
        lines = {name: event.pop(name) for name in ("exception", "stack") if name in event}
        ordered = {name: event.pop(name) for name in _FIRST if name in event}
        ordered.update(event)
        told: EventDict = plain(ordered, lambda text: escape(redact(text)))
        for name, text in lines.items():
            whole = redact(str(text))
            told[name] = whole if escape is str else indented(whole)
        return told

    return clean


def _as_json(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    # In ASCII alone there is no character that could end a line, or show it otherwise than it is.
    return json.dumps(event, allow_nan=False)


class _Lines(logging.StreamHandler[IO[str]]):
    """Writes lines; a stream that is gone stops nobody."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """What cannot be written is told of without its arguments: those may hold secrets."""
        with contextlib.suppress(OSError, ValueError):
            event = "a log line could not be written"
            self.stream.write(json.dumps({"level": "error", "logger": record.name, "event": event}) + "\n")
            self.flush()
