"""`openrun serve --reload`: what happens when files change."""

import json
from pathlib import Path

import pytest

from openrun.cli.serve import same_command
from tests.cli.conftest import Invoke
from tests.cli.given import keep, write
from tests.cli.serving import Served, hook, put, served, swap

PYTHON = """
from openrun import Flow, StepReply, TriggerWebhook
from openrun.steps.execution.reply import StepReplyConfig
from openrun.steps.triggers.webhook import TriggerWebhookConfig

flow = Flow("Made").add(
    TriggerWebhook(id="hook", config=TriggerWebhookConfig(path="/made", mode="respond"))
    >> StepReply(id="say", config=StepReplyConfig(body="first"))
)
"""


def greets(server: Served, status: int) -> bool:
    return server.call("POST", "/hooks/greet/ada", {}).status == status


def test_a_json_file_that_changes_is_served_as_it_is_now_and_a_broken_one_as_it_was(folder: Path) -> None:
    place = put("flows", hook(status=201))
    with served("flows", "--reload") as server:
        assert greets(server, 201)
        swap(place / "hello.json", json.dumps(hook(status=202)))
        assert "flows/hello.json: flow 'hello' is version " in server.lines_until("from now on")
        assert greets(server, 202)

        swap(place / "hello.json", json.dumps(hook(status=203))[:-5])
        write(place / "new.json", hook("/new", "new"))
        server.lines_until("flows/new.json: flow 'new' is version")
        assert greets(server, 202)
        assert server.call("POST", "/hooks/new", {}).status == 201

        write(place / "notes.json", {"no": "flow"})
        (place / "new.json").unlink()
        assert "its flow 'new' stays" in server.lines_until("flows/new.json is gone")
        assert server.call("POST", "/hooks/new", {}).status == 201
        assert server.stop() == 0
    told = (folder / "errors.txt").read_text()
    assert "flows/hello.json cannot run" in told
    assert "notes" not in told


def test_a_file_that_takes_the_id_of_another_is_refused(folder: Path) -> None:
    place = put("flows", hook(), hook("/other", "other"))
    with served("flows", "--reload") as server:
        swap(place / "other.json", json.dumps(hook("/stolen", "hello")))
        swap(place / "hello.json", json.dumps(hook(status=202)))
        server.lines_until("flows/hello.json: flow 'hello' is version")
        assert greets(server, 202)
        assert server.call("POST", "/hooks/stolen", {}).status == 404
        assert server.stop() == 0
    assert "two flows have the id 'hello'" in (folder / "errors.txt").read_text()


def test_python_that_changes_starts_the_process_anew_at_the_same_address_with_nothing_lost(
    folder: Path, invoke: Invoke
) -> None:
    place = put("flows")
    (place / "made.py").write_text(PYTHON)
    (place / "_used.py").write_text("")
    write(
        folder / "nap.json",
        {
            "id": "nap",
            "name": "Nap",
            "steps": [
                {"id": "hook", "type": "trigger_webhook", "config": {"path": "/nap"}},
                {"id": "nap", "type": "delay", "config": {"seconds": 600}},
                keep("after"),
            ],
            "edges": [{"source": "hook", "target": "nap"}, {"source": "nap", "target": "after"}],
        },
    )
    with served("flows", "nap.json", "--reload") as server:
        run_id = server.call("POST", "/hooks/nap", {}).json["run_id"]
        assert server.call("POST", "/hooks/made", {}).text == "first"

        swap(place / "made.py", PYTHON.replace("first", "second"))
        again = server.lines_until("Ctrl-C")
        assert "flows/made.py changed: starting anew" in again
        assert f" at {server.url}\n" in again
        assert "admin key" not in again
        assert server.call("POST", "/hooks/made", {}).text == "second"

        swap(place / "made.py", "flow = (\n")
        server.lines_until("Ctrl-C")
        assert server.call("POST", "/hooks/made", {}).text == "second"

        swap(place / "made.py", PYTHON.replace("first", "third"))
        server.lines_until("Ctrl-C")
        assert server.call("POST", "/hooks/made", {}).text == "third"

        swap(place / "_used.py", "1")
        assert "flows/_used.py changed" in server.lines_until("Ctrl-C")
        assert server.stop() == 0
    (nap,) = [row for row in json.loads(invoke("ps", "--json").stdout)["runs"] if row["flow_id"] == "nap"]
    assert (nap["run_id"], nap["status"], nap["worker"]) == (run_id, "waiting", None)
    assert "flows/made.py:1: SyntaxError" in (folder / "errors.txt").read_text()


@pytest.mark.parametrize("name", ["made:flow", "made.py"])
def test_a_python_file_that_is_named_is_looked_at_again_too(folder: Path, name: str) -> None:
    (folder / "made.py").write_text(PYTHON)
    with served(name, "--reload") as server:
        (folder / "beside.py").write_text("")
        swap(folder / "made.py", PYTHON.replace("first", "second"))
        assert "beside" not in server.lines_until("Ctrl-C")
        assert server.call("POST", "/hooks/made", {}).text == "second"


def test_the_command_is_the_same_but_for_the_port() -> None:
    assert same_command(["-m", "openrun", "serve", "a", "--port", "0"], 81)[-4:] == [
        "--port",
        "0",
        "--port",
        "81",
    ]
    assert same_command(["serve", "--", "a"], 81) == ["serve", "--port", "81", "--", "a"]
