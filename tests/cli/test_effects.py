"""`openrun effects`, `compensations` and `cancel --compensate`: what was done outside, and undoing it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from openrun.cli.board import Board, Mark
from openrun.core.events import decode_event
from tests.cli.conftest import Invoke
from tests.cli.given import await_line, edge, flow, keep, process, write

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAYS = """
import pathlib
from openrun import Flow, StepContext, TriggerManual, step

async def _charge(amount, idempotency_key):
    with pathlib.Path("charged").open("a") as file:
        file.write(idempotency_key + "\\n")
    return {"id": "ch_1", "note": "\\x1b[31mred", "token": "sesame"}

async def _transfer(amount):
    with pathlib.Path("charged").open("a") as file:
        file.write("transfer\\n")
    raise ConnectionError("the line went dead")

@step
async def charge(context: StepContext, amount: int = 3):
    return await context.effect("charge", _charge, amount)

@step
async def transfer(context: StepContext, amount: int = 3):
    return await context.effect("transfer", _transfer, amount, effect="at_most_once")

flow = Flow("Pays").add(TriggerManual(id="t") >> charge(id="charge") >> transfer(id="transfer"))
"""
REPORTS = """
import asyncio
from openrun import Flow, StepContext, TriggerManual, step

async def _fetch():
    return "page"

@step
async def crawl(context: StepContext):
    for percent in range(3):
        context.emit({"percent": percent})
    await context.effect("fetch", _fetch)
    await asyncio.sleep(600)

flow = Flow("Reports").add(TriggerManual(id="t") >> crawl(id="crawl"))
"""


def undone(step_id: str, undoing: dict[str, Any]) -> dict[str, Any]:
    return keep(step_id, compensate=undoing)


@pytest.fixture(autouse=True)
def flows(folder: Path) -> None:
    """A flow that pays and does not know whether it has, and one that can undo one of its two steps."""
    (folder / "pays.py").write_text(PAYS)
    (folder / "reports.py").write_text(REPORTS)
    back = {"type": "set_state", "config": {"key": "back", "value": True}}
    stuck = {"type": "fail", "config": {"message": "no \x1bway back"}}
    go = {"id": "go", "type": "wait", "config": {"signal": "go"}}
    steps = [
        undone("first", back),
        undone("second", stuck),
        go,
        {"id": "boom", "type": "fail", "config": {"message": "no luck"}},
    ]
    edges = [
        edge("start", "first"),
        edge("first", "second"),
        edge("second", "go"),
        edge("go", "boom", "received"),
    ]
    write(folder / "undoes.json", flow("Undoes", steps, edges))


def told(invoke: Invoke, *arguments: str) -> Any:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def work(invoke: Invoke) -> None:
    assert invoke("worker", "--once", "--module", "pays").exit_code == 0


@pytest.fixture
def doubtful(invoke: Invoke) -> str:
    """A run that has charged, and does not know whether it has transferred."""
    run_id = invoke("start", "pays:flow").stdout.strip()
    work(invoke)
    return run_id


@pytest.fixture
def waiting(invoke: Invoke) -> str:
    """A run that has done two steps and waits for a signal, behind which it fails."""
    run_id = invoke("start", "undoes.json").stdout.strip()
    work(invoke)
    return run_id


# -- effects --------------------------------------------------------------------------------------


def test_effects_are_listed_in_their_order_or_the_newest_first(invoke: Invoke, doubtful: str) -> None:
    of_run = told(invoke, "effects", "ls", "--run", doubtful)
    assert [(each["name"], each["status"]) for each in of_run] == [
        ("charge", "committed"),
        ("transfer", "unknown"),
    ]
    assert [each["name"] for each in told(invoke, "effects", "ls")] == ["transfer", "charge"]
    (doubt,) = told(invoke, "effects", "ls", "--status", "unknown")
    listed = invoke("effects", "ls").stdout
    assert doubt["key"][:12] in listed
    assert "at_most_once" in listed
    assert len(told(invoke, "effects", "ls", "--limit", "1")) == 1


def test_an_effect_is_shown_with_its_value_and_secrets_are_masked(
    invoke: Invoke, doubtful: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = told(invoke, "effects", "ls", "--run", doubtful)[0]
    assert charge["value"]["id"] == "ch_1"
    shown = invoke("effects", "show", charge["key"][:12]).stdout
    assert '"id": "ch_1"' in shown
    assert "\x1b" not in shown
    monkeypatch.setenv("TOKEN", "sesame")
    secret = ["--secret", "token=env:TOKEN"]
    for command in (["show", charge["key"]], ["ls"]):
        assert "sesame" not in invoke("effects", *command, *secret, "--json").stdout
    assert "***" in invoke("effects", "show", charge["key"], *secret).stdout


@pytest.mark.parametrize("happened", [True, False])
def test_an_effect_in_doubt_is_resolved_by_a_person_either_way(
    invoke: Invoke, folder: Path, doubtful: str, happened: bool
) -> None:
    assert told(invoke, "inspect", doubtful)["run"]["status"] == "needs_review"
    (doubt,) = told(invoke, "inspect", doubtful)["effects_in_doubt"]
    assert "nobody knows whether these took place" in invoke("inspect", doubtful).stdout
    key = doubt["key"][:12]
    answer = ["--committed", '{"receipt": 7}'] if happened else ["--absent"]
    said = invoke("effects", "resolve", key, *answer, "--by", "ada")
    words = "took place" if happened else "did not take place"
    assert (said.exit_code, said.stdout) == (0, f"run {doubtful}: told that effect transfer {words}\n")
    work(invoke)
    calls = (folder / "charged").read_text().split()
    assert calls.count("transfer") == (1 if happened else 2)
    assert len(calls) == (2 if happened else 3)
    after = told(invoke, "effects", "show", key)
    if happened:
        assert (after["status"], after["value"], after["by"]) == ("committed", {"receipt": 7}, "ada")
        assert told(invoke, "inspect", doubtful)["run"]["status"] == "succeeded"
        assert invoke("effects", "resolve", key, "--absent").exit_code == 4


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nobody", "--absent"], 3),
        (["nobody"], 2),
        (["nobody", "--absent", "--committed"], 2),
        (["nobody", "7", "--absent"], 2),
        (["", "--absent"], 2),
        (["nobody", "{", "--committed"], 2),
    ],
)
def test_what_cannot_be_resolved_is_refused(
    invoke: Invoke, doubtful: str, arguments: list[str], code: int
) -> None:
    assert invoke("effects", "resolve", *arguments).exit_code == code
    assert told(invoke, "inspect", doubtful)["run"]["status"] == "needs_review"


def test_inspect_shows_the_latest_progress_of_what_runs(invoke: Invoke) -> None:
    with process("run", "reports:flow", "--durable", "--json") as running:
        run_id = json.loads(await_line(running, '"status":"committed"'))["run_id"]
        # What was reported before the effect is on disk with it.
        shown = told(invoke, "inspect", run_id)["progress"]
        printed = invoke("inspect", run_id).stdout
        running.kill()
    assert [each["data"] for each in shown] == [{"percent": 2}]
    assert 'crawl reported {"percent": 2}' in printed


# -- compensations --------------------------------------------------------------------------------


def test_what_could_not_be_undone_is_listed_until_somebody_has_dealt_with_it(
    invoke: Invoke, waiting: str
) -> None:
    assert "nothing that was to be undone waits" in invoke("compensations").stdout
    invoke("signal", waiting, "go")
    work(invoke)
    (left,) = told(invoke, "compensations")
    assert (left["run_id"], left["step_id"], left["status"]) == (waiting, "second", "failed")
    listed = invoke("compensations").stdout
    assert "no \\x1bway back" in listed
    every = told(invoke, "compensations", "--run", waiting)
    assert [(each["step_id"], each["status"]) for each in every] == [
        ("second", "failed"),
        ("first", "completed"),
    ]
    inspected = invoke("inspect", waiting).stdout
    assert "undoing (2)" in inspected
    assert "openrun compensations resolve RUN STEP" in inspected
    said = invoke("compensations", "resolve", waiting, "second", "--note", "called them", "--by", "ada")
    assert (said.exit_code, said.stdout) == (0, f"run {waiting}: the undoing of second is resolved\n")
    assert told(invoke, "compensations") == []
    assert "resolved by ada: called them" in invoke("compensations", "--run", waiting).stdout
    assert invoke("compensations", "resolve", waiting, "second").exit_code == 3


def test_what_does_not_have_to_be_undone_is_ignored_with_a_reason(invoke: Invoke, waiting: str) -> None:
    invoke("signal", waiting, "go")
    work(invoke)
    assert invoke("compensations", "ignore", waiting, "second").exit_code == 2
    assert invoke("compensations", "ignore", waiting, "first", "--reason", "why not").exit_code == 3
    ignored = told(invoke, "compensations", "ignore", waiting, "second", "--reason", "a test")
    assert (ignored["resolution"], ignored["note"]) == ("ignored", "a test")
    assert told(invoke, "compensations") == []


@pytest.mark.parametrize("undo", [True, False])
def test_a_cancelled_run_is_undone_only_when_asked_for(invoke: Invoke, waiting: str, undo: bool) -> None:
    assert invoke("cancel", waiting, *(["--compensate"] if undo else [])).exit_code == 0
    work(invoke)
    shown = told(invoke, "inspect", waiting)
    assert shown["run"]["status"] == "cancelled"
    assert [each["step_id"] for each in shown["compensations"]] == (["second", "first"] if undo else [])


def test_a_hard_cancel_undoes_nothing_and_so_cannot_be_asked_to(invoke: Invoke, waiting: str) -> None:
    assert invoke("cancel", waiting, "--hard", "--compensate").exit_code == 2


def test_the_summary_of_a_run_says_what_became_of_its_undoing(invoke: Invoke, folder: Path) -> None:
    document = json.loads((folder / "undoes.json").read_text())
    document["edges"][2:] = [edge("second", "boom")]
    document["steps"] = [each for each in document["steps"] if each["id"] != "go"]
    write(folder / "fails.json", document)
    result = invoke("run", "fails.json")
    assert result.exit_code == 1
    assert "not all that it did is undone: partial" in result.stdout
    del document["steps"][2]["compensate"]
    write(folder / "fails.json", document)
    assert "what it did is undone" in invoke("run", "fails.json").stdout


def test_the_board_shows_what_is_undone_in_the_row_of_the_step_that_did_it(
    invoke: Invoke, waiting: str
) -> None:
    invoke("signal", waiting, "go")
    work(invoke)
    board = Board()
    for line in invoke("events", waiting, "--json").stdout.splitlines():
        board.apply(decode_event(line))
    assert board.rows["first"].mark is Mark.UNDONE
    assert board.rows["first"].words(_NOW) == "undone"
    assert board.rows["second"].mark is Mark.FAILED
    assert "no \\x1bway back" in board.rows["second"].words(_NOW)
