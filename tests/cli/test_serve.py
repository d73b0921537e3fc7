"""`openrun serve`: as a process, over HTTP."""

import json
import re
import shutil
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from tests.cli.given import environment, process, write
from tests.cli.serving import SECONDS, Served, hook, put, served

SLOW = """
import asyncio
from openrun import Flow, StepReply, TriggerWebhook, step
from openrun.steps.execution.reply import StepReplyConfig
from openrun.steps.triggers.webhook import TriggerWebhookConfig

@step
async def work(seconds: float) -> str:
    print("working", flush=True)
    await asyncio.sleep(seconds)
    return "done"

flow = Flow("Slow").add(
    TriggerWebhook(id="hook", config=TriggerWebhookConfig(path="/slow", mode="respond"))
    >> work(id="work", seconds="<<body.seconds>>")
    >> StepReply(id="say", config=StepReplyConfig(body="<<steps.work>>"))
)
"""


def runs_in(invoke: Invoke) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(invoke("ps", "--all", "--json").stdout)["runs"]
    return found


def test_a_folder_with_one_flow_is_served_and_its_run_is_in_the_store(invoke: Invoke) -> None:
    put("flows", hook())
    with served("flows") as server:
        got = server.call("POST", "/hooks/greet/ada", {})
        assert (got.status, got.json) == (201, {"hello": "ada"})
        assert "POST /hooks/greet/{name}  flow hello, answers with the flow's reply" in server.said
        assert server.stop() == 0
    (run,) = runs_in(invoke)
    assert (run["flow_id"], run["status"]) == ("hello", "succeeded")


def test_the_first_key_opens_the_api_and_is_shown_once_and_in_no_log(folder: Path) -> None:
    with served("--log-level", "debug") as server:
        assert server.key is not None
        assert server.call("GET", "/v1/runs").status == 401
        assert server.call("GET", "/v1/runs", key=server.key).status == 200
        key = server.key
        assert server.stop() == 0
    assert key not in (folder / "errors.txt").read_text()
    with served() as again:
        assert again.key is None
        assert again.call("GET", "/v1/runs", key=key).status == 200


def test_the_docs_it_names_are_there() -> None:
    with served() as server:
        for place in re.findall(r"(/docs|/openapi\.json)$|(/docs|/openapi\.json) and", server.said):
            assert server.call("GET", "".join(place)).status == 200
        assert server.call("GET", "/readyz").status == 200


SIGNED = {
    "standard": {"scheme": "standard", "secret": "std"},
    "github": {"scheme": "github", "secret": "plain"},
    "stripe": {"scheme": "stripe", "secret": "plain"},
    "slack": {"scheme": "slack", "secret": "plain"},
    "header": {"scheme": "header", "secret": "plain", "name": "X-Api-Key", "prefix": "it's "},
    "basic": {"scheme": "basic", "secret": "plain", "username": "shop"},
    "hex": {"scheme": "hmac", "secret": "plain", "header": "X-Sign", "algorithm": "sha512"},
    "timed": {
        "scheme": "hmac",
        "secret": "filed",
        "header": "X-Sign",
        "encoding": "base64",
        "prefix": "v1=",
        "signed": "a'{timestamp}:{id}.{body}",
        "timestamp_header": "X-Time",
        "id_header": "X-Id",
    },
}


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="needs curl and openssl")
def test_every_curl_line_that_is_printed_works_when_it_is_pasted(folder: Path) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    signed = (hook(f"/{name}", name, signature=proof) for name, proof in SIGNED.items())
    put("flows", hook(), hook("/get", "get", method="GET"), hook("/n", "n", input_schema=schema), *signed)
    (folder / "its secret").write_text("kept in a file\n")
    secrets = {"STD": "whsec_" + "c2VjcmV0" * 5, "PLAIN": "it's $hush"}
    given = ("std=env:STD", "plain=env:PLAIN", "filed=file:its secret")
    with served("flows", *(word for each in given for word in ("--secret", each)), env=secrets) as server:
        lines = server.curl_lines()
        assert len(lines) == len(SIGNED) + 3
        for line in lines:
            assert run_in_bash(f"{line} -s -w ' %{{http_code}}'", **secrets).endswith(" 201"), line
        assert all(secret not in server.said for secret in secrets.values())


def test_a_webhook_whose_secret_is_missing_says_so() -> None:
    put("flows", hook("/signed", signature={"scheme": "github", "secret": "gh"}))
    with served("flows") as server:
        assert "takes nothing until its secret is given: --secret gh=env:VARIABLE" in server.said
        assert '-hmac "$GH"' in server.said
        signature = "sha256=" + "0" * 64
        assert server.call("POST", "/hooks/signed", {}, X_Hub_Signature_256=signature).status == 503


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_line_that_asks_for_runs_works_with_the_key_that_is_shown() -> None:
    with served() as server:
        line = next(each for each in server.said.splitlines() if each.startswith("API")).removeprefix("API")
        assert json.loads(run_in_bash(f"{line} -s", KEY=server.key or ""))["items"] == []


def run_in_bash(line: str, **variables: str) -> str:
    done = subprocess.run(  # noqa: S603
        ["bash", "-c", line],  # noqa: S607
        capture_output=True,
        text=True,
        env={**environment(), **variables},
        timeout=SECONDS,
        check=True,
    )
    return done.stdout


# -- secrets and keys -----------------------------------------------------------------------------


def test_secrets_are_read_from_a_folder_and_an_admin_key_from_the_environment(folder: Path) -> None:
    (folder / "secrets" / "shop").mkdir(parents=True)
    (folder / "secrets" / "api").write_text("one-secret\n")
    (folder / "secrets" / "shop" / "api").write_text("another one")
    (folder / "secrets" / ".hidden").mkdir()
    put("flows", hook("/signed", signature={"scheme": "header", "name": "X-Key", "secret": "api"}))
    key = "k" * 32
    options = ("--secrets-dir", "secrets", "--admin-key", "env:CHIEF")
    with served("flows", *options, env={"CHIEF": key}) as server:
        assert server.call("POST", "/hooks/signed", {}, X_Key="one-secret").status == 201
        assert server.call("POST", "/hooks/signed", {}, X_Key="another one").status == 401
        assert server.key is None
        assert server.call("GET", "/v1/runs", key=key).status == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--admin-key", "env:SHORT"), "32 to 200 characters"),
        (("--admin-key", "hunter2"), "where a value is found, not the value"),
        (("--secrets-dir", "nowhere"), "cannot be read"),
        (("--allow", "everywhere"), "--allow"),
        (("--reload",), "nothing to look at"),
        (("--host", "host.invalid"), "cannot listen at host.invalid"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_touched(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.setenv("SHORT", "hunter2")
    result = invoke("serve", "--port", "0", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "hunter2" not in result.stderr
    assert not (folder / "openrun.db").exists()


def test_a_port_in_use_is_one_clear_line(invoke: Invoke, folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = invoke("serve", "--port", str(port))
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == f"error: port {port} of 127.0.0.1 is in use"
    assert not (folder / "openrun.db").exists()


# -- flows that cannot be served ------------------------------------------------------------------


def test_a_broken_file_in_a_folder_does_not_keep_the_others_from_being_served(folder: Path) -> None:
    place = put("flows", hook(), hook("/bad", "bad"))
    write(place / "bad.json", hook("/bad", "bad") | {"edges": [{"source": "hook", "target": "nobody"}]})
    (place / "broken.json").write_text("{")
    (place / "payload.json").write_text('{"an": "example"}')
    (place / "wrong.py").write_text("from openrun import Flow\n\nflow = Flow('W')\nflow.nonsense()\n")
    (place / "_shared.py").write_text("raise SystemExit\n")
    with served("flows") as server:
        assert server.call("POST", "/hooks/greet/ada", {}).status == 201
        assert server.call("POST", "/hooks/bad", {}).status == 404
        assert server.stop() == 0
    told = (folder / "errors.txt").read_text()
    assert "flows/bad.json cannot run" in told
    assert "there is no step 'nobody'" in told
    assert "flows/broken.json cannot run" in told
    assert "flows/wrong.py:4: AttributeError" in told
    assert "payload" not in told
    assert "_shared" not in told


def test_a_folder_with_nothing_that_can_be_served_is_refused(invoke: Invoke) -> None:
    place = put("flows")
    (place / "wrong.py").write_text("flow = (\n")
    result = invoke("serve", "flows", "--port", "0")
    assert result.exit_code == 2
    assert "flows/wrong.py:1: SyntaxError" in result.stderr


def test_a_file_that_is_named_has_to_be_right(invoke: Invoke) -> None:
    put("flows", hook())
    write(Path("bad.json"), hook("/bad", "bad") | {"edges": [{"source": "hook", "target": "nobody"}]})
    result = invoke("serve", "flows", "bad.json", "--port", "0")
    assert result.exit_code == 2
    assert "bad.json cannot run" in result.stderr
    assert invoke("serve", "flows", "absent.json", "--port", "0").exit_code == 3


def test_two_flows_of_one_id_are_told() -> None:
    place = put("flows", hook())
    write(place / "other.json", hook("/other"))
    with served("flows", errors=subprocess.STDOUT) as server:
        assert "two flows have the id 'hello': flows/hello.json and flows/other.json" in server.said
        assert server.call("POST", "/hooks/other", {}).status == 404


def test_steps_of_python_files_stand_in_documents_and_in_flows(folder: Path) -> None:
    place = put("flows")
    (place / "_words.py").write_text("GREETING = 'good day'\n")
    (place / "steps.py").write_text(
        "from __future__ import annotations\n"
        "from _words import GREETING\n"
        "from openrun import step\n"
        "@step\n"
        "async def greet(who: str) -> str:\n"
        "    return f'{GREETING} {who}'\n"
    )
    document = hook()
    document["steps"][1] = {"id": "say", "type": "greet", "config": {"who": "<<path.name>>"}}
    document["steps"][0]["config"]["mode"] = "last_step"
    write(place / "hello.json", document)
    with served("flows") as server:
        assert server.call("POST", "/hooks/greet/ada", {}).json == "good day ada"


# -- what strangers could use ---------------------------------------------------------------------


def test_beyond_loopback_it_says_what_strangers_could_use() -> None:
    put("flows", hook())
    with served("flows", "--host", "0.0.0.0") as server:
        assert "warning: anyone may call the webhook /greet/{name} of flow 'hello'" in server.said
        assert "warning: the API answers for any host name" in server.said
        assert server.call("POST", "/hooks/greet/ada", {}).status == 201
    with served("flows") as local:
        assert "warning" not in local.said


def test_strict_refuses_to_start_with_that(invoke: Invoke) -> None:
    put("flows", hook())
    result = invoke("serve", "flows", "--port", "0", "--strict", "--host", "0.0.0.0")
    assert result.exit_code == 2
    assert "anyone may call the webhook /greet/{name} of flow 'hello'" in result.stderr
    assert "--allow-host" in result.stderr
    assert "or_" not in result.stdout


def test_strict_serves_what_is_fit() -> None:
    put("flows", hook(signature={"scheme": "github", "secret": "gh"}))
    options = ("--strict", "--host", "0.0.0.0", "--allow-host", "flows.example")
    with served("flows", "--secret", "gh=env:GH", *options, env={"GH": "hush"}) as server:
        assert server.call("GET", "/v1/runs", key=server.key, Host="flows.example").status == 200
        assert server.call("GET", "/v1/runs", key=server.key, Host="other.example").status == 403


# -- stopping -------------------------------------------------------------------------------------


def test_sigterm_under_load_answers_what_is_under_way_and_hands_back_the_rest(
    invoke: Invoke, folder: Path
) -> None:
    (folder / "slow.py").write_text(SLOW)
    with (
        served("slow.py", "--grace", "3", errors=subprocess.PIPE) as server,
        ThreadPoolExecutor(30) as pool,
    ):
        quick = [pool.submit(server.call, "POST", "/hooks/slow", {"seconds": 1}) for _ in range(20)]
        slow = [pool.submit(server.call, "POST", "/hooks/slow", {"seconds": 600}) for _ in range(5)]
        await_working(server, 25)
        assert server.stop() == 0
        assert {each.result().status for each in quick} == {200}
        answers = [each.exception() or each.result() for each in slow]
        assert len(answers) == 5
    found = runs_in(invoke)
    assert sorted(str(run["status"]) for run in found) == ["running"] * 5 + ["succeeded"] * 20
    assert all(run["worker"] is None for run in found)


def test_a_second_signal_stops_at_once(folder: Path) -> None:
    (folder / "slow.py").write_text(SLOW)
    with served("slow.py", errors=subprocess.PIPE) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.call, "POST", "/hooks/slow", {"seconds": 600})
        await_working(server, 1)
        server.running.send_signal(signal.SIGINT)
        server.running.send_signal(signal.SIGTERM)
        assert server.running.wait(SECONDS) == 1
        assert server.running.stderr is not None
        assert "stopped at once" in server.running.stderr.read()


def await_working(server: Served, many: int) -> None:
    assert server.running.stderr is not None
    for line in server.running.stderr:
        many -= line == "working\n"
        if not many:
            return
    raise AssertionError("not all of them have begun")


def test_what_carries_events_is_named_and_its_password_is_not(folder: Path) -> None:
    errors = folder / "errors.txt"
    # Nobody listens at port 1: the store has the events, and webhooks are answered.
    put("flows", hook())
    place = "redis://someone:hunter2@127.0.0.1:1/0?group=shop&password=hunter3"
    with served("flows", "--log-level", "debug", errors=errors, env={"OPENRUN_BUS": place}) as server:
        assert server.call("POST", "/hooks/greet/ada", {}).status == 201
        assert "events    carried by redis://someone@127.0.0.1:1/0, kept in the store" in server.said
        assert server.stop() == 0
        said = server.said + errors.read_text()
    assert "hunter" not in said


def test_without_a_worker_here_runs_are_left_to_others(invoke: Invoke) -> None:
    put("flows", hook(mode="accepted"))
    with served("flows", "--no-worker") as server:
        assert "runs are left to workers elsewhere" in server.said
        assert server.call("POST", "/hooks/greet/ada", {}).status == 202
        assert [run["status"] for run in runs_in(invoke)] == ["pending"]
        with process("worker", "--once") as worker:
            worker.communicate(timeout=SECONDS)
        assert [run["status"] for run in runs_in(invoke)] == ["succeeded"]


def test_a_worker_takes_the_same_files_and_folders(invoke: Invoke, folder: Path) -> None:
    place = put("flows", hook())
    (place / "slow.py").write_text(SLOW)
    with process("worker", "flows", "--once") as worker:
        _out, errors = worker.communicate(timeout=SECONDS)
    assert (worker.returncode, errors) == (0, "")
    (folder / "slow.py").write_text(SLOW)
    assert invoke("start", "slow", "--module", "slow", "--input", '{"body": {"seconds": 0}}').exit_code == 0
    with process("worker", "flows", "--once") as worker:
        worker.communicate(timeout=SECONDS)
    assert [run["status"] for run in runs_in(invoke)] == ["succeeded"]
    (place / "wrong.py").write_text("import nothing_of_this_name\n")
    refused = invoke("worker", "flows", "--once")
    assert refused.exit_code == 2
    assert "flows/wrong.py:1: ModuleNotFoundError" in refused.stderr


def test_logs_are_json_lines_when_asked_for(folder: Path) -> None:
    put("flows", hook())
    with served("flows", "--log-format", "json") as server:
        server.call("POST", "/hooks/greet/ada", {})
        assert server.stop() == 0
    events = [json.loads(line)["event"] for line in (folder / "errors.txt").read_text().splitlines()]
    assert "run started" in events
