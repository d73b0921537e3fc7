"""The board behind the live view, and the text it is made of."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openrun.cli.board import Board, Mark
from openrun.cli.text import capped, clean, compact, count, pretty, safe_json, ticking, took
from openrun.core.asks import Answer, Ask, AskKind
from openrun.core.errors import ErrorObject
from openrun.core.events import (
    ChildCompleted,
    CompensationCompleted,
    CompensationStarted,
    FlowStarted,
    Shown,
    SignalReceived,
    StepCancelled,
    StepCompleted,
    StepInterrupted,
    StepProgress,
    StepScheduled,
    StepSkipped,
    StepStarted,
    StepWaiting,
)
from openrun.core.results import StepRunResult, WaitForAnswers, WaitForChildren, WaitForItems, WaitUntil
from openrun.core.types import RunStatus, SkipReason
from openrun.core.undoing import CompensationStatus

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
ERROR = ErrorObject(code="NO_LUCK", message="no luck")
ASK = Ask(kind=AskKind.APPROVAL, id="1", title="Pay\x1b?")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(kind: Any, seconds: float = 0, step_id: str = "s", scope: str = "/", **more: Any) -> Shown:
    made: Shown = kind(
        run_id="r", flow_id="f", seq=1, timestamp=at(seconds), step_id=step_id, scope=scope, **more
    )
    return made


DONE = [event(StepStarted), event(StepCompleted, result=StepRunResult.success())]


def board(*events: Shown) -> Board:
    made = Board()
    made.apply(FlowStarted(run_id="r", flow_id="f", seq=1, timestamp=START, version="v", trigger="t"))
    for each in events:
        made.apply(each)
    return made


@pytest.mark.parametrize(
    ("events", "mark", "words"),
    [
        ([event(StepStarted)], Mark.RUNNING, ""),
        ([event(StepStarted), event(StepProgress, data={"done": 3})], Mark.RUNNING, 'progress {"done": 3}'),
        (
            [event(StepStarted), event(StepScheduled, attempt=2, not_before=at(3), error=ERROR)],
            Mark.RETRYING,
            "attempt 2 in 2.0s · NO_LUCK: no luck",
        ),
        (
            [event(StepStarted), event(StepScheduled, attempt=2, not_before=at(1), error=ERROR)],
            Mark.RETRYING,
            "attempt 2 now · NO_LUCK: no luck",
        ),
        (
            [event(StepStarted), event(StepWaiting, wait=WaitForItems(items=[1, 2]))],
            Mark.WAITING,
            "for 2 items",
        ),
        (
            [
                event(StepStarted),
                event(StepWaiting, wait=WaitForChildren(flow="g", inputs=[1, 2])),
                event(ChildCompleted, index=0, child_run_id="c", status=RunStatus.SUCCEEDED),
            ],
            Mark.WAITING,
            "for 2 runs of g, 1 ended",
        ),
        (
            [event(StepStarted), event(StepCompleted, result=StepRunResult.success(ports=("a", "b")))],
            Mark.DONE,
            "→ a, b",
        ),
        (
            [event(StepStarted), event(StepCompleted, result=StepRunResult.failure(error=ERROR))],
            Mark.FAILED,
            "NO_LUCK: no luck",
        ),
        (
            [event(StepStarted), event(StepCancelled, reason="race lost")],
            Mark.CANCELLED,
            "cancelled: race lost",
        ),
        ([event(StepStarted), event(StepInterrupted, asks=(ASK,))], Mark.WAITING, "for Pay\\x1b?"),
        (
            [event(StepStarted), event(StepWaiting, wait=WaitForAnswers(asks=(ASK,)))],
            Mark.WAITING,
            "for Pay\\x1b?",
        ),
        (
            [
                event(StepStarted),
                event(StepInterrupted, asks=(ASK,)),
                event(SignalReceived, answer=Answer(ask="1", by="ada")),
            ],
            Mark.RUNNING,
            "",
        ),
        ([*DONE, event(CompensationStarted, reason=RunStatus.FAILED)], Mark.UNDOING, "being undone"),
        (
            [
                *DONE,
                event(CompensationStarted, reason=RunStatus.FAILED),
                event(StepStarted, scope="/s[undo]"),
                event(StepCompleted, scope="/s[undo]", result=StepRunResult.success()),
                event(CompensationCompleted, status=CompensationStatus.COMPLETED),
            ],
            Mark.UNDONE,
            "undone",
        ),
        (
            [
                *DONE,
                event(CompensationStarted, reason=RunStatus.FAILED),
                event(CompensationCompleted, status=CompensationStatus.FAILED, error=ERROR),
            ],
            Mark.FAILED,
            "undoing failed NO_LUCK: no luck",
        ),
        ([event(StepSkipped, reason=SkipReason.CAUGHT)], Mark.SKIPPED, "skipped: failure handled elsewhere"),
    ],
)
def test_a_row_says_where_its_step_stands(events: list[Shown], mark: Mark, words: str) -> None:
    row = board(*events).rows["s"]
    assert (row.mark, row.words(at(1))) == (mark, words)


def test_a_wait_counts_down() -> None:
    row = board(event(StepStarted), event(StepWaiting, wait=WaitUntil(until=at(10)))).rows["s"]
    assert row.words(at(4)).endswith("(in 6.0s)")
    assert row.time(at(4)) == timedelta(seconds=4)


def test_many_activations_of_a_step_are_one_row_that_counts_them() -> None:
    events = [event(StepStarted, index, scope=f"/each[{index}]") for index in range(5)]
    for index in range(3):
        result = StepRunResult.success() if index else StepRunResult.failure(error=ERROR)
        events.append(event(StepCompleted, index + 1, scope=f"/each[{index}]", result=result))
    events.append(event(StepSkipped, scope="/each[9]", reason=SkipReason.NOT_TAKEN))
    row = board(*events).rows["s"]
    assert row.words(at(9)) == "2 running, 1 failed, 2 done; NO_LUCK: no luck"
    assert row.runs == 5
    assert row.time(at(9)) == timedelta(seconds=6)


def test_of_many_rows_those_under_way_come_first_then_failures_then_the_newest() -> None:
    events: list[Shown] = []
    for index in range(20):
        events.append(event(StepStarted, step_id=f"s{index:02}"))
        result = StepRunResult.failure(error=ERROR) if index == 3 else StepRunResult.success()
        if index != 5:
            events.append(event(StepCompleted, step_id=f"s{index:02}", result=result))
    assert [row.step_id for row in board(*events).pick(4)] == ["s03", "s05", "s18", "s19"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0ms"), (0.0034, "3ms"), (0.9996, "1.0s"), (1.24, "1.2s"), (59.96, "1m 00s"), (125, "2m 05s"),
        (3_600 * 3 + 60 * 7, "3h 07m"), (86_400 * 30, "30d 00h"), (-1, "0ms"),
    ],
)  # fmt: skip
def test_durations_read_well(seconds: float, words: str) -> None:
    assert took(timedelta(seconds=seconds)) == words


def test_a_duration_that_grows_does_not_flicker() -> None:
    assert ticking(timedelta(seconds=0.123)) == "0.1s"
    assert ticking(timedelta(seconds=61)) == "1m 01s"


def test_no_control_character_survives() -> None:
    every = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x202E, 0x200B, 0xFEFF, 0xD800]))
    assert clean(every, 1_000).isprintable()
    assert clean("a\tb\x1b[31m\u202e") == "a\\tb\\x1b[31m\\u{202e}"
    assert clean("x" * 500, 10) == "xxxxxxxxx…"
    assert compact({"a": "\x9b"}) == '{"a": "\\x9b"}'


def test_safe_json_spells_the_same_value() -> None:
    assert pretty("\x7f\x9b\u2028\U000e0041\n") == '"\\u007f\\u009b\\u2028\\udb40\\udc41\\n"'
    assert safe_json('{\n  "a": "\x9b"\n}') == '{\n  "a": "\\u009b"\n}'


def test_long_text_is_capped_by_lines_and_width() -> None:
    assert capped("a\nbbbb\nc\nd", 2, 3) == ("a\nbb…", 2)
    assert (count(1, "error"), count(1_500, "error")) == ("1 error", "1,500 errors")
