"""`openrun run --durable` and `openrun worker` as processes that are killed, interrupted and followed by others."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from openrun.core.events import FlowCompleted, StepCompleted, StepStarted, decode_event
from tests.cli.conftest import Invoke
from tests.cli.given import await_line, edge, flow, keep, process, write
from tests.cli.test_process import Terminal

SECONDS = 60
COUNTED = """
import asyncio, pathlib
from openrun import Flow, TriggerManual, step

def _note(name):
    with pathlib.Path("ran").open("a") as file:
        file.write(name + "\\n")

@step
async def once():
    _note("once")

@step
async def hang():
    _note("hang")
    if not pathlib.Path("released").exists():
        await asyncio.sleep(600)

@step
async def last():
    _note("last")
    return {"done": True}

flow = Flow("Counted").add(TriggerManual(id="t") >> once(id="once") >> hang(id="hang") >> last(id="last"))
"""


@pytest.fixture(autouse=True)
def counted(folder: Path) -> Path:
    """A flow that notes each of its steps, and hangs in the second one until it is released."""
    (folder / "counted.py").write_text(COUNTED)
    return folder / "ran"


def finish(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A worker that does what is left."""
    (folder / "released").touch()
    running = process("worker", "--once", *arguments)
    out, errors = running.communicate(timeout=SECONDS)
    return subprocess.CompletedProcess([], running.returncode, out, errors)


def journal(invoke: Invoke, run_id: str) -> list[Any]:
    return [decode_event(line) for line in invoke("events", run_id, "--json").stdout.splitlines()]


def run_id_of(line: str) -> str:
    found: str = json.loads(line)["run_id"]
    return found


def completed(events: list[Any]) -> list[str]:
    return [event.step_id for event in events if isinstance(event, StepCompleted)]


def test_a_worker_finishes_what_a_killed_run_has_left_and_repeats_no_completed_step(
    folder: Path, invoke: Invoke, counted: Path
) -> None:
    with process("run", "counted:flow", "--durable", "--json") as running:
        run_id = run_id_of(await_line(running, '"step_id":"hang"'))
        running.kill()
    done = finish(folder, "counted:flow")
    assert done.returncode == 0, done.stderr
    assert "succeeded" in done.stdout
    assert counted.read_text().split() == ["once", "hang", "hang", "last"]
    events = journal(invoke, run_id)
    assert completed(events) == ["t", "once", "hang", "last"]
    assert isinstance(events[-1], FlowCompleted)


def test_a_timer_outlives_the_process_that_set_it(folder: Path, invoke: Invoke) -> None:
    nap = {"id": "nap", "type": "delay", "config": {"seconds": 2}}
    write(
        folder / "nap.json",
        flow("Nap", [keep("a"), nap, keep("b")], [edge("start", "a"), edge("a", "nap"), edge("nap", "b")]),
    )
    with process("run", "nap.json", "--durable", "--json") as running:
        run_id = run_id_of(await_line(running, '"type":"StepWaiting"'))
        running.kill()
    assert finish(folder).returncode == 0
    events = journal(invoke, run_id)
    assert completed(events) == ["start", "a", "nap", "b"]
    assert [event.step_id for event in events if isinstance(event, StepStarted)].count("a") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_hands_a_durable_run_back_and_says_how_it_goes_on(
    folder: Path, invoke: Invoke, counted: Path, number: signal.Signals
) -> None:
    with process("run", "counted:flow", "--durable", "--store", "runs.db", "--json") as running:
        run_id = run_id_of(await_line(running, '"step_id":"hang"'))
        running.send_signal(number)
        _rest, errors = running.communicate(timeout=SECONDS)
    assert running.returncode == 130
    assert f"run {run_id} goes on with: openrun worker --store runs.db counted:flow" in errors
    listed = json.loads(invoke("ps", "--store", "runs.db", "--json").stdout)["runs"]
    assert [(row["run_id"], row["worker"], row["crashes"]) for row in listed] == [(run_id, None, 0)]
    assert finish(folder, "--store", "runs.db", "counted:flow").returncode == 0
    assert counted.read_text().split() == ["once", "hang", "hang", "last"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_hands_its_runs_back_when_a_signal_comes_and_exits_with_0(
    folder: Path, invoke: Invoke, counted: Path, number: signal.Signals
) -> None:
    run_id = invoke("start", "counted:flow").stdout.strip()
    with process("worker", "counted:flow", "--grace", "0", "--json") as running:
        assert run_id_of(await_line(running, "run_taken")) == run_id
        with process("events", run_id, "-f", "--json") as following:
            await_line(following, '"step_id":"hang"')
            following.kill()
        running.send_signal(number)
        rest, errors = running.communicate(timeout=SECONDS)
    assert running.returncode == 0, errors
    told = [json.loads(line) for line in rest.splitlines()]
    assert [each["type"] for each in told] == ["run_left", "worker_stopped"]
    assert told[-1]["handed_back"] == 1
    assert finish(folder, "counted:flow").returncode == 0
    assert counted.read_text().split() == ["once", "hang", "hang", "last"]


def test_a_second_signal_stops_a_worker_at_once(invoke: Invoke) -> None:
    invoke("start", "counted:flow")
    with process("worker", "counted:flow", "--grace", "600") as running:
        await_line(running, "taken")
        running.send_signal(signal.SIGINT)
        # Of another kind, for two of one kind may arrive as one.
        running.send_signal(signal.SIGTERM)
        _rest, errors = running.communicate(timeout=SECONDS)
    assert running.returncode == 1
    assert "stopped at once; a worker goes on" in errors


def test_a_worker_that_lacks_the_code_of_a_run_leaves_it_to_others_and_says_so(
    folder: Path, invoke: Invoke, counted: Path
) -> None:
    run_id = invoke("start", "counted:flow").stdout.strip()
    done = finish(folder)
    assert done.returncode == 0
    assert done.stderr.count(f"warning: run {run_id} is left alone: missing code") == 1
    assert not counted.exists()
    held = json.loads(invoke("inspect", run_id, "--json").stdout)["run"]
    assert held["hold"].startswith("missing code")
    assert finish(folder, "--module", "counted").returncode == 0
    assert counted.read_text().split() == ["once", "hang", "last"]


def test_following_a_run_ends_with_it(invoke: Invoke) -> None:
    run_id = invoke("start", "greet.json").stdout.strip()
    with process("events", run_id, "-f") as following:
        await_line(following, "of greet started by start")
        assert invoke("worker", "--once").exit_code == 0
        rest, _errors = following.communicate(timeout=SECONDS)
    assert following.returncode == 0
    assert rest.rstrip().endswith("run  succeeded") or "succeeded" in rest.splitlines()[-1]


def test_a_run_that_waits_is_paused_resumed_and_cancelled(folder: Path, invoke: Invoke) -> None:
    run_id = invoke("start", "wait.json").stdout.strip()

    def counts_after(*arguments: str) -> Any:
        if arguments:
            assert invoke(*arguments).exit_code == 0
        assert finish(folder).returncode == 0
        return json.loads(invoke("ps", "--json").stdout)["counts"]

    assert counts_after() == {"waiting": 1}
    assert counts_after("pause", run_id, "--reason", "lunch") == {"paused": 1}
    assert counts_after("resume", run_id) == {"waiting": 1}
    assert counts_after("cancel", run_id, "--reason", "no longer needed") == {"cancelled": 1}
    said = invoke("events", run_id).stdout
    for words in ("paused: lunch", "resumed", "cancel requested: no longer needed", "tidy   completed"):
        assert words in said


@pytest.mark.parametrize("happened", [True, False])
def test_a_step_whose_outcome_is_unknown_is_resolved_by_a_person(
    folder: Path, invoke: Invoke, counted: Path, happened: bool
) -> None:
    source = COUNTED.replace("@step\nasync def hang", "@step(effect='at_most_once')\nasync def hang")
    (folder / "counted.py").write_text(source)
    with process("run", "counted:flow", "--durable", "--json") as running:
        run_id = run_id_of(await_line(running, '"step_id":"hang"'))
        running.kill()
    assert finish(folder, "counted:flow").returncode == 0
    assert json.loads(invoke("ps", "--json").stdout)["counts"] == {"needs_review": 1}
    answer = ["--committed", '{"receipt": 7}'] if happened else ["--absent"]
    assert invoke("resolve", run_id, "hang", *answer).exit_code == 0
    assert finish(folder, "counted:flow").returncode == 0
    assert json.loads(invoke("ps", "--json").stdout)["counts"] == {"succeeded": 1}
    assert counted.read_text().split() == ["once", "hang", *([] if happened else ["hang"]), "last"]


def test_ctrl_c_on_a_terminal_leaves_the_picture_and_says_how_the_run_goes_on() -> None:
    terminal = Terminal("run", "wait.json", "--durable")
    terminal.until("until")
    terminal.press(b"\x03")
    shown = terminal.until("goes on with: openrun worker")
    assert terminal.exit_code() == 130
    assert "◷" in shown
    assert "cancelled" not in shown


def test_on_postgres_a_worker_that_is_to_stop_waits_for_the_runs_of_a_dead_one(
    folder: Path, invoke: Invoke, counted: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENRUN_STORE", postgres_url)
    run_id = invoke("start", "counted:flow").stdout.strip()
    with process("worker", "counted:flow", "--lease", "2") as running:
        await_line(running, "taken")
        with process("events", run_id, "-f", "--json") as following:
            await_line(following, '"step_id":"hang"')
            following.kill()
        running.kill()
    assert finish(folder, "counted:flow", "--lease", "2").returncode == 0
    assert json.loads(invoke("ps", "--json").stdout)["counts"] == {"succeeded": 1}
    assert completed(journal(invoke, run_id)) == ["t", "once", "hang", "last"]
    assert counted.read_text().split() == ["once", "hang", "hang", "last"]
