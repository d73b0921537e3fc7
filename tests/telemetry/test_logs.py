"""Logs of the whole process: one line each, without secrets, and none that hostile text could forge."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from openrun.telemetry.errors import TelemetryError
from openrun.telemetry.logs import configure

SECRET = "hunter2-canary"
HOSTILE = "a\nb\r\x1b[31mc\u2028d\u202ee\x00f\x85g"


class Output:
    """What was logged, since logs go here."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.undo: list[Callable[[], None]] = []

    def begin(self, **given: Any) -> None:
        self.undo.append(
            configure(stream=self.stream, redact=lambda text: text.replace(SECRET, "***"), **given)
        )

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def line(self) -> dict[str, Any]:
        (line,) = self.lines
        return line


@pytest.fixture
def output() -> Iterator[Output]:
    output = Output()
    yield output
    for undo in reversed(output.undo):
        undo()


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_line_says_when_how_bad_who_and_what(output: Output) -> None:
    output.begin()
    logging.getLogger("openrun.worker").warning("run %s is left alone", "r1")
    assert list(output.line) == ["timestamp", "level", "logger", "event"]
    assert output.line["level"] == "warning"
    assert output.line["logger"] == "openrun.worker"
    assert output.line["event"] == "run r1 is left alone"
    when = datetime.fromisoformat(output.line["timestamp"])
    assert when.tzinfo == UTC
    assert output.line["timestamp"].endswith("Z")


def test_both_kinds_of_loggers_go_the_same_way(output: Output) -> None:
    output.begin()
    structlog.get_logger("openrun.server").info("asked", route="/v1/runs")
    logging.getLogger("aiohttp.access").info("asked")
    first, second = output.lines
    assert first.keys() - second.keys() == {"route"}
    assert (first["logger"], second["logger"]) == ("openrun.server", "aiohttp.access")


def test_ids_that_are_bound_are_on_every_line(output: Output) -> None:
    output.begin()
    with structlog.contextvars.bound_contextvars(request_id="q1", run_id="r1"):
        logging.getLogger("openrun.server").info("one")
        structlog.get_logger("openrun.server").info("two")
    logging.getLogger("openrun.server").info("three")
    assert [line.get("request_id") for line in output.lines] == ["q1", "q1", None]
    assert [line.get("run_id") for line in output.lines] == ["r1", "r1", None]


def test_a_standard_logger_may_give_ids_and_nothing_else(output: Output) -> None:
    output.begin()
    logging.getLogger("openrun.run").info("x", extra={"run_id": "r1", "body": "private"})
    assert output.line["run_id"] == "r1"
    assert "private" not in output.text


@pytest.mark.parametrize("level", ["debug", "info", "warning", "ERROR"])
def test_what_is_below_the_level_is_not_written(output: Output, level: str) -> None:
    output.begin(level=level)
    for name in ("openrun.x", "aiohttp.server"):
        for each in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger(name).log(each, "said")
    levels = ["debug", "info", "warning", "error"]
    assert [line["level"] for line in output.lines] == 2 * levels[levels.index(level.lower()) :]


def test_of_others_warnings_are_written(output: Output) -> None:
    output.begin(level="debug")
    logging.getLogger("somebody.else").info("chatter")
    logging.getLogger("somebody.else").warning("trouble")
    assert output.line["event"] == "trouble"


def test_an_unknown_level_is_refused_with_those_there_are() -> None:
    with pytest.raises(TelemetryError, match="no log level 'loud': give debug, info, warning or error"):
        configure(level="loud")


def test_all_is_as_before_once_undone() -> None:
    root, ours = logging.getLogger(), logging.getLogger("openrun")
    before = root.handlers[:], root.level, ours.level, structlog.is_configured()
    configure(level="debug", stream=io.StringIO())()
    assert (root.handlers[:], root.level, ours.level, structlog.is_configured()) == before


def test_a_configuration_within_another_gives_way_to_it(output: Output) -> None:
    output.begin()
    configure(level="error", stream=io.StringIO())()
    structlog.get_logger("openrun.x").info("still here")
    assert output.line["event"] == "still here"


# -- secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["json", "console"])
def test_a_secret_is_written_nowhere(output: Output, format_: str) -> None:
    output.begin(format=format_)
    log, plain = structlog.get_logger("openrun.x"), logging.getLogger("openrun.y")
    log.warning(SECRET, deep={"a": [{SECRET: (SECRET, {SECRET})}]}, error=ValueError(SECRET))
    log.warning("said", url=f"https://x/?key={SECRET}", raw=SECRET.encode(), run_id=SECRET)
    plain.warning("said %s", SECRET, extra={"run_id": SECRET})
    plain.warning("raised", exc_info=raised(ValueError(SECRET)))
    log.warning("raised", exc_info=raised(KeyError(SECRET)))
    plain.warning("stack", stack_info=True)
    with structlog.contextvars.bound_contextvars(request_id=SECRET):
        log.warning("bound")
    assert SECRET not in output.text
    assert output.text.count("***") > 10


def test_arguments_that_do_not_fit_are_not_shown_either(
    output: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    output.begin()
    logging.getLogger("openrun.x").warning("%d", SECRET)
    assert output.line["event"] == "a log line could not be written"
    assert output.line["logger"] == "openrun.x"
    assert SECRET not in capsys.readouterr().err


def test_a_traceback_shows_no_variables(output: Output) -> None:
    output.begin()
    private = "4711"

    def fails(_given: str) -> None:
        raise ValueError("no")

    try:
        fails(private)
    except ValueError:
        logging.getLogger("openrun.x").exception("failed")
    assert "ValueError: no" in output.line["exception"]
    assert "4711" not in output.text


# -- hostile text ---------------------------------------------------------------------------------


def test_hostile_text_is_one_line_of_ascii_and_reads_back(output: Output) -> None:
    output.begin()
    structlog.get_logger("openrun.x").warning(HOSTILE, value=HOSTILE, exc_info=raised(ValueError(HOSTILE)))
    assert output.text.isascii()
    assert output.text.count("\n") == 1
    assert output.line["event"] == output.line["value"] == HOSTILE


def test_hostile_text_cannot_make_a_line_on_a_console(output: Output) -> None:
    output.begin(format="console")
    forged = "2026-01-01T00:00:00Z [info] all is well"
    logging.getLogger("openrun.x").warning(
        "bad %s", f"{HOSTILE}\n{forged}", exc_info=raised(ValueError(f"x\n{forged}"))
    )
    structlog.get_logger("openrun.x").warning("bad", **{"key\n": HOSTILE})
    lines = output.text.split("\n")
    assert not any(line.startswith("2026-01-01") for line in lines)
    assert not set(output.text) & set("\r\x1b\u2028\u202e\x00\x85")
    assert sum(line.startswith("20") for line in lines) == 2


def test_what_is_no_json_is_text(output: Output) -> None:
    output.begin()
    loop: list[Any] = []
    loop.append(loop)
    structlog.get_logger("openrun.x").warning(
        "odd", nan=float("nan"), set={1}, bytes=b"x", loop=loop, none=None
    )
    line = output.line
    assert (line["nan"], line["set"], line["bytes"], line["none"]) == ("nan", [1], "b'x'", None)


def test_a_stream_that_is_gone_stops_nobody(output: Output) -> None:
    output.begin()
    output.stream.close()
    logging.getLogger("openrun.x").warning("nobody reads this")
    output.stream = io.StringIO()
