"""`openrun state`, `diff`, `timeline` and `replay`."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from openrun.app import App
from tests.cli.conftest import Invoke
from tests.house.given import FLOWS, ended, waiting
from tests.store.given import beside


async def _runs(*flows: str) -> list[str]:
    async with App("openrun.db", flows=FLOWS) as app:
        return [
            await waiting(app) if flow == "waits" else await ended(app, flow, **_given(flow))
            for flow in flows
        ]


def _given(flow: str) -> dict[str, Any]:
    return {"input": {"body": {"items": [1, 2]}}} if flow == "each" else {}


def made(*flows: str) -> list[str]:
    """The ids of new runs of these flows, in the store of the current directory."""
    return asyncio.run(_runs(*flows))


def test_state_prints_the_last_state_and_that_after_any_event(invoke: Invoke) -> None:
    (run_id,) = made("plain")
    last = json.loads(invoke("state", run_id).stdout)
    assert (last["a"], last["b"]["text"], set(last["steps"])) == (1, "ü\0", {"start", "a", "b", "a2"})
    first = invoke("state", run_id, "--at", "1", "--json")
    assert (first.exit_code, json.loads(first.stdout)) == (0, {"steps": {}})


@pytest.mark.parametrize("at", ["0", "99", "-1"])
def test_a_state_at_an_event_that_is_not_there_exits_with_3(invoke: Invoke, at: str) -> None:
    (run_id,) = made("plain")
    result = invoke("state", run_id, "--at", at)
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"has the events 1 to 10; there is no event {at}" in result.stderr


def test_diff_prints_a_json_patch_either_way(invoke: Invoke) -> None:
    (run_id,) = made("plain")
    forth = json.loads(invoke("diff", run_id, "3", "5").stdout)
    assert {(each["op"], each["path"]) for each in forth} == {("add", "/a"), ("add", "/steps/a")}
    back = json.loads(invoke("diff", run_id, "5", "3", "--json").stdout)
    assert {(each["op"], each["path"]) for each in back} == {("remove", "/a"), ("remove", "/steps/a")}
    assert invoke("diff", run_id, "1", "99").exit_code == 3


def test_timeline_draws_a_bar_for_each_activation(invoke: Invoke) -> None:
    naps, retries = made("naps", "retries")
    lines = invoke("timeline", naps).stdout.splitlines()
    assert lines[0].startswith(f"{naps} of naps: succeeded, ")
    (nap,) = [line for line in lines if line.startswith("✓ nap")]
    assert "░░░" in nap
    assert sum("█" in line for line in lines[:-1]) >= 3
    assert "failed, 3 attempts" in invoke("timeline", retries).stdout


def test_timeline_of_a_run_that_goes_on_says_so(invoke: Invoke) -> None:
    (run_id,) = made("waits")
    shown = invoke("timeline", run_id).stdout
    assert "of waits: goes on" in shown
    assert "waiting" in shown


def test_timeline_as_json_has_activations_and_events(invoke: Invoke) -> None:
    (run_id,) = made("each")
    document = json.loads(invoke("timeline", run_id, "--json").stdout)
    assert document["run_id"] == run_id
    assert {each["scope"] for each in document["activations"]} == {"/", "/all[0]", "/all[1]"}


def test_replay_tells_what_each_event_changed(invoke: Invoke) -> None:
    (run_id,) = made("plain")
    result = invoke("replay", run_id)
    assert (result.exit_code, result.stderr) == (0, "")
    assert " 5  a  completed → default  Δ steps.a, a\n" in result.stdout
    assert "10 events folded again; nothing was called" in result.stdout
    lines = [json.loads(line) for line in invoke("replay", run_id, "--json").stdout.splitlines()]
    assert lines[4]["changed"] == ["steps.a", "a"]
    assert [line["seq"] for line in lines] == list(range(1, 11))


def test_replay_opens_no_connection_and_runs_nothing(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    run_ids = made("plain", "retries", "naps", "each", "calls", "waits")

    class Refused(socket.socket):
        """A socket of this process alone, and no other."""

        def __init__(self, family: int = -1, *args: Any, **more: Any) -> None:
            assert family == socket.AF_UNIX, "a socket was opened"
            super().__init__(family, *args, **more)

        def connect(self, address: Any) -> None:
            raise AssertionError(address)

    monkeypatch.setattr(socket, "socket", Refused)
    monkeypatch.setattr(socket, "getaddrinfo", None)
    for run_id in run_ids:
        before = invoke("events", run_id, "--json").stdout
        assert invoke("replay", run_id, "--verify").exit_code == 0
        assert invoke("events", run_id, "--json").stdout == before


def test_replay_compares_with_what_the_store_keeps(invoke: Invoke, folder: Path) -> None:
    (run_id,) = made("plain")
    sound = invoke("replay", run_id, "--verify")
    assert "✓ the store keeps what follows from the journal" in sound.stdout
    with beside(folder / "openrun.db") as connection:
        connection.execute("UPDATE activations SET status = 'failed' WHERE step_id = 'a2'")
    result = invoke("replay", run_id, "--verify")
    assert result.exit_code == 5
    assert "a2 in /" in result.stderr
    verdict = json.loads(invoke("replay", run_id, "--verify", "--json").stdout.splitlines()[-1])
    assert verdict["agrees"] is False
    assert [each["place"] for each in verdict["differences"]] == ["a2 in /"]


@pytest.mark.parametrize("command", [("state",), ("timeline",), ("replay",), ("diff", "1", "2")])
def test_a_run_that_is_not_there_exits_with_3(invoke: Invoke, command: tuple[str, ...]) -> None:
    made("plain")
    result = invoke(command[0], "nobody", *command[1:])
    assert (result.exit_code, result.stdout) == (3, "")


def test_a_journal_that_cannot_be_read_is_said_to_be_so(invoke: Invoke, folder: Path) -> None:
    (run_id,) = made("plain")
    with beside(folder / "openrun.db") as connection:
        connection.execute("UPDATE events SET body = '{}' WHERE seq = 3")
    result = invoke("state", run_id)
    assert result.exit_code == 2
    assert f"openrun verify {run_id} names the event" in result.stderr
