"""The commands that look into a store and steer its runs: what they print, and the exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Invoke
from tests.cli.given import edge, flow, reply, write

NOBODY = "00000000"


def told(invoke: Invoke, *arguments: str) -> Any:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def greeted(invoke: Invoke) -> str:
    """A run that has succeeded."""
    payload = '{"body": {"name": "Ada"}}'
    lines = invoke("run", "greet.json", "--durable", "--input", payload, "--json").stdout.splitlines()
    run_id: str = json.loads(lines[0])["run_id"]
    return run_id


@pytest.fixture
def broken(invoke: Invoke) -> str:
    """A run that has failed."""
    lines = invoke("run", "broken.json", "--durable", "--json").stdout.splitlines()
    run_id: str = json.loads(lines[0])["run_id"]
    return run_id


# -- starting -------------------------------------------------------------------------------------


def test_a_durable_run_is_shown_like_one_in_memory_and_names_its_store(invoke: Invoke) -> None:
    result = invoke("run", "broken.json", "--durable")
    assert result.exit_code == 1
    assert "boom   failed NO_LUCK: no luck" in result.stdout
    assert "✗ failed in" in result.stdout
    run_id = told(invoke, "ps")["runs"][0]["run_id"]
    assert f"why: openrun explain {run_id} boom" in result.stdout
    assert result.stderr == f"run {run_id} in openrun.db\n"


def test_the_same_key_and_input_give_the_same_run(invoke: Invoke) -> None:
    first = invoke("run", "greet.json", "--durable", "--key", "k")
    second = invoke("run", "greet.json", "--durable", "--key", "k")
    assert first.exit_code == second.exit_code == 0
    assert second.stderr.endswith("started under this key before\n")
    assert second.stdout.splitlines()[0] == first.stdout.splitlines()[0]
    assert "✓ succeeded in" in second.stdout
    assert len(told(invoke, "ps")["runs"]) == 1


def test_a_key_used_for_something_else_is_a_conflict(invoke: Invoke) -> None:
    invoke("start", "greet.json", "--key", "k")
    for command in (["start"], ["run", "--durable"]):
        result = invoke(*command, "greet.json", "--key", "k", "--set", "a=1")
        assert result.exit_code == 4
        assert "under this key" in result.stderr


def test_a_key_without_a_store_is_refused(invoke: Invoke) -> None:
    result = invoke("run", "greet.json", "--key", "k")
    assert result.exit_code == 2
    assert "--key needs --durable" in result.stderr


def test_start_prints_the_id_and_leaves_the_run_to_a_worker(invoke: Invoke) -> None:
    run_id = invoke("start", "greet.json").stdout.strip()
    assert told(invoke, "inspect", run_id)["run"]["status"] == "pending"
    again = told(invoke, "start", "greet")
    assert again["replayed"] is False
    assert invoke("worker", "--once").exit_code == 0
    assert told(invoke, "ps")["counts"] == {"succeeded": 2}


def test_a_flow_that_the_store_does_not_have_is_not_found_and_the_near_one_is_named(invoke: Invoke) -> None:
    invoke("start", "greet.json")
    result = invoke("start", "gret")
    assert result.exit_code == 3
    assert "did you mean 'greet'?" in result.stderr


def test_a_worker_keeps_flows_in_the_store_and_tells_of_each_run(invoke: Invoke, folder: Path) -> None:
    write(folder / "call.json", flow("Call", [_call()], [edge("start", "call")]))
    run_id = invoke("start", "call.json", "--flows", "greet.json").stdout.strip()
    result = invoke("worker", "greet.json", "--once", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[0]["type"] == "worker_started"
    assert [each["run_id"] for each in lines if each["type"] == "run_ended"][-1] == run_id
    assert lines[-1] == {
        "timestamp": lines[-1]["timestamp"],
        "type": "worker_stopped",
        "ended": 2,
        "handed_back": 0,
    }
    inspected = told(invoke, "inspect", run_id)
    (child,) = inspected["children"]
    assert told(invoke, "inspect", child)["run"]["parent_run_id"] == run_id
    assert f"{child}  greet  succeeded" in invoke("inspect", run_id).stdout


def _call() -> dict[str, Any]:
    return {"id": "call", "type": "subflow", "config": {"flow": "greet", "input": {}}}


# -- looking --------------------------------------------------------------------------------------


def test_a_store_that_is_not_there_is_not_found_and_not_made(invoke: Invoke, folder: Path) -> None:
    for arguments in (["ps"], ["inspect", NOBODY], ["events", NOBODY], ["cancel", NOBODY], ["dlq", "ls"]):
        result = invoke(*arguments, "--store", "none.db")
        assert result.exit_code == 3
        assert "there is no store 'none.db'" in result.stderr
    assert list(folder.glob("none.db*")) == []


def test_the_environment_names_the_store(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("OPENRUN_STORE", "named.db")
    invoke("start", "greet.json")
    assert (folder / "named.db").exists()
    assert told(invoke, "ps")["counts"] == {"pending": 1}


def test_ps_lists_the_newest_and_counts_all(invoke: Invoke, greeted: str, broken: str) -> None:
    listing = told(invoke, "ps", "--limit", "1")
    assert [row["run_id"] for row in listing["runs"]] == [broken]
    assert listing["counts"] == {"failed": 1, "succeeded": 1}
    assert [row["run_id"] for row in told(invoke, "ps", "--status", "succeeded")["runs"]] == [greeted]
    assert [row["run_id"] for row in told(invoke, "ps", "--flow", "greet", "--all")["runs"]] == [greeted]
    shown = invoke("ps").stdout
    assert greeted[:18] in shown
    assert shown.splitlines()[-1] == "1 failed, 1 succeeded"


def test_inspect_shows_steps_output_and_failures(invoke: Invoke, broken: str) -> None:
    shown = invoke("inspect", broken).stdout
    for words in ("failed", "boom  unhandled  NO_LUCK: no luck", "tidy", "output"):
        assert words in shown
    found = told(invoke, "inspect", broken)
    assert found["failures"][0]["error"]["code"] == "NO_LUCK"
    assert {each["step_id"]: each["status"] for each in found["activations"]}["boom"] == "failed"


def test_a_run_is_named_by_the_beginning_of_its_id(invoke: Invoke, greeted: str, broken: str) -> None:
    assert told(invoke, "inspect", greeted[:-2])["run"]["run_id"] == greeted
    ambiguous = invoke("inspect", greeted[:4])
    assert ambiguous.exit_code == 2
    assert broken in ambiguous.stderr
    wrong = invoke("inspect", greeted[:-1] + "x")
    assert wrong.exit_code == 3
    assert f"did you mean {greeted!r}?" in wrong.stderr


def test_events_are_those_of_the_journal(invoke: Invoke, greeted: str) -> None:
    lines = [json.loads(line) for line in invoke("events", greeted, "--json").stdout.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    rest = invoke("events", greeted, "--after", "2", "-f", "--json").stdout.splitlines()
    assert [json.loads(line) for line in rest] == lines[2:]
    assert invoke("events", greeted, "--after", "999", "-f").stdout == ""
    assert invoke("events", greeted).stdout.splitlines()[-1].endswith("succeeded")


def test_explain_reads_the_journal_of_a_run_in_the_store(invoke: Invoke, broken: str, folder: Path) -> None:
    (folder / "broken.json").unlink()
    shown = invoke("explain", broken, "after").stdout
    assert "· after: skipped" in shown
    assert "charge" not in shown
    assert told(invoke, "explain", broken, "after")["run_id"] == broken
    unknown = invoke("explain", broken, "aftr")
    assert unknown.exit_code == 3
    assert "did you mean 'after'?" in unknown.stderr


def test_secrets_are_masked_in_what_the_store_tells(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    write(folder / "leak.json", flow("Leak", [reply("r", "<<body.sent>>")], [edge("start", "r")]))
    monkeypatch.setenv("TOKEN", "s3cret-value")
    secret = ("--secret", "token=env:TOKEN")
    payload = '{"body": {"sent": "it is s3cret-value"}}'
    run = invoke("run", "leak.json", "--durable", "--input", payload, *secret)
    run_id = told(invoke, "ps")["runs"][0]["run_id"]
    for result in (
        run,
        invoke("inspect", run_id, *secret),
        invoke("inspect", run_id, "--json", *secret),
        invoke("events", run_id, "--json", *secret),
    ):
        assert result.exit_code == 0
        assert "s3cret-value" not in result.stdout
        assert "***" in result.stdout


# -- steering -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [["cancel"], ["pause"], ["resume"], ["resolve", "hello", "--absent"]], ids=lambda each: each[0]
)
def test_nothing_can_be_asked_of_a_run_that_has_ended_or_is_unknown(
    invoke: Invoke, greeted: str, command: list[str]
) -> None:
    name, *more = command
    assert invoke(name, greeted, *more).exit_code == 4
    assert invoke(name, NOBODY, *more).exit_code == 3


def test_a_run_that_is_paused_before_anybody_takes_it_starts_nothing(invoke: Invoke) -> None:
    run_id = invoke("start", "greet.json").stdout.strip()
    assert told(invoke, "pause", run_id) == {"run_id": run_id, "posted": True}
    assert invoke("worker", "--once").exit_code == 0
    found = told(invoke, "inspect", run_id)
    assert (found["run"]["status"], found["activations"]) == ("paused", [])


def test_resolve_refuses_a_step_that_needs_no_review(invoke: Invoke) -> None:
    run_id = invoke("start", "wait.json").stdout.strip()
    assert invoke("worker", "--once").exit_code == 0
    assert invoke("resolve", run_id, "nap", "--absent").exit_code == 4
    assert invoke("resolve", run_id, "tidy", "--absent").exit_code == 3
    assert invoke("resolve", run_id, "nap").exit_code == 2
    assert invoke("resolve", run_id, "nap", "--committed", "{").exit_code == 2


def test_dead_letters_are_listed_shown_replayed_and_discarded(invoke: Invoke, broken: str) -> None:
    assert [each["run_id"] for each in told(invoke, "dlq", "ls")] == [broken]
    assert told(invoke, "dlq", "show", broken)["error"] == "NO_LUCK: no luck"
    assert "NO_LUCK: no luck" in invoke("dlq", "ls").stdout
    again = told(invoke, "dlq", "replay", broken)
    assert again["replay_of"] == broken
    assert told(invoke, "inspect", again["run_id"])["run"]["replay_of"] == broken
    assert invoke("dlq", "discard", broken).exit_code == 0
    assert invoke("dlq", "show", broken).exit_code == 3
    assert told(invoke, "dlq", "ls") == []
