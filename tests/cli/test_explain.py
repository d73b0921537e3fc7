"""`openrun explain`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from tests.cli.given import FLOWS, write


@pytest.fixture
def events(invoke: Invoke, folder: Path) -> Path:
    """The events of a run of `broken`."""
    path = folder / "events.ndjson"
    path.write_text(invoke("run", "broken.json", "--json").stdout)
    return path


def test_without_events_the_flow_is_run_first_and_says_so(invoke: Invoke) -> None:
    result = invoke("explain", "greet.json", "stranger", "--input", '{"body": {"name": "Ada"}}')
    assert result.exit_code == 0
    assert "running Greet first" in result.stderr
    assert "· stranger: skipped\n  because NO_WAIT runs once for every edge that fires" in result.stdout
    assert "known.false  not_taken  known fired true" in result.stdout


def test_with_events_the_past_run_is_explained(invoke: Invoke, events: Path) -> None:
    result = invoke("explain", "broken.json", "after", "--events", str(events))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "after: skipped" in result.stdout
    assert "boom.default  failed  boom failed: NO_LUCK" in result.stdout


def test_events_come_from_stdin(invoke: Invoke, events: Path) -> None:
    result = invoke("explain", "broken.json", "tidy", "--events", "-", stdin=events.read_text())
    assert "✓ tidy: ran" in result.stdout


def test_json_has_every_scope_and_edge(invoke: Invoke, events: Path) -> None:
    document = json.loads(invoke("explain", "broken.json", "after", "--events", str(events), "--json").stdout)
    assert document["step_id"] == "after"
    assert document["scopes"][0]["verdict"] == "skipped"
    assert document["scopes"][0]["edges"][0]["settled"] == "failed"


def test_of_many_scopes_the_last_are_shown_and_json_has_all(invoke: Invoke) -> None:
    shown = invoke("explain", "loop.json", "more").stdout
    assert "1,500 scopes, the last 20 of them; --json prints all" in shown
    assert shown.count("more in /n:") == 20
    assert len(json.loads(invoke("explain", "loop.json", "more", "--json").stdout)["scopes"]) == 1_500


def test_a_step_in_a_body_is_explained_per_item_and_when_there_was_none(invoke: Invoke) -> None:
    some = invoke("explain", "each.json", "one", "--input", '{"body": {"items": [1, 2]}}').stdout
    assert "✓ one in /all[1]: ran" in some
    none = invoke("explain", "each.json", "one", "--input", '{"body": {"items": []}}').stdout
    assert "is in the body of a foreach that began no item" in none


def test_a_step_that_is_not_there_exits_with_3_without_a_run(invoke: Invoke) -> None:
    result = invoke("explain", "broken.json", "boomm")
    assert result.exit_code == 3
    assert "did you mean 'boom'?" in result.stderr
    assert "running" not in result.stderr


def test_events_of_another_version_of_the_flow_are_refused(
    invoke: Invoke, events: Path, folder: Path
) -> None:
    write(folder / "broken.json", {**FLOWS["broken"], "description": "changed"})
    result = invoke("explain", "broken.json", "after", "--events", str(events))
    assert result.exit_code == 2
    assert "is a run of version" in result.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: lines[:0], "does not begin with FlowStarted"),
        (lambda lines: lines[1:], "does not begin with FlowStarted"),
        (lambda lines: [*lines[:0], "nonsense"], "line 1: not an event"),
        (lambda lines: [*lines, "{}"], "not an event"),
        (lambda lines: [*lines[:3], *lines[4:]], "not those of one run"),
        (lambda lines: [*lines, *lines], "not those of one run"),
        (lambda lines: [lines[0].replace('"broken"', '"other"')], "is a run of flow 'other'"),
        (lambda lines: [lines[0], lines[1].replace('"run_id":"', '"run_id":"x')], "events of 2 runs"),
    ],
)
def test_events_that_are_not_those_of_a_run_of_the_flow_are_refused(
    invoke: Invoke, events: Path, change: Callable[[list[str]], list[str]], words: str
) -> None:
    events.write_text("\n".join(change(events.read_text().splitlines())))
    result = invoke("explain", "broken.json", "after", "--events", str(events))
    assert words in result.stderr
    assert (result.exit_code, result.stdout) == (2, "")


def test_events_of_a_run_that_has_not_ended_are_explained_as_far_as_they_go(
    invoke: Invoke, events: Path
) -> None:
    events.write_text("\n".join(events.read_text().splitlines()[:3]))
    result = invoke("explain", "broken.json", "after", "--events", str(events))
    assert "… after: open" in result.stdout


def test_a_file_of_events_that_is_not_there_exits_with_3(invoke: Invoke) -> None:
    assert invoke("explain", "broken.json", "after", "--events", "nowhere").exit_code == 3
