"""`openrun signal`, `approvals`, `approve`, `reject` and `answer`, and how a run that waits for people is shown."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Invoke
from tests.cli.given import await_line, edge, flow, process, reply, write
from tests.cli.test_process import Terminal

SECONDS = 60
FORM = {
    "type": "object",
    "properties": {"amount": {"type": "number", "maximum": 500}, "to": {"type": "string"}},
}
ASKED = {"title": "Pay?", "payload": {"amount": 70}, "form": FORM}
INTERRUPTS = """
from openrun import Flow, StepContext, TriggerManual, step

@step
async def ask(context: StepContext):
    context.emit({"percent": 10})
    return await context.interrupt({"name": "\\x1b[31mred"}, form={"type": "string"}, approvers=["role:legal"])

flow = Flow("Interrupts").add(TriggerManual(id="t") >> ask(id="ask"))
"""


def approval(step_id: str = "ask", **config: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "approval", "config": ASKED | config}


def asking(name: str, **config: Any) -> dict[str, Any]:
    steps = [approval(**config), reply("paid", "<<steps.ask.value>>"), reply("not", "no")]
    edges = [edge("start", "ask"), edge("ask", "paid", "approved"), edge("ask", "not", "rejected")]
    return flow(name, steps, edges)


@pytest.fixture(autouse=True)
def flows(folder: Path) -> None:
    """Flows that wait for people, and one for a signal."""
    write(folder / "asks.json", asking("Asks"))
    write(folder / "finance.json", asking("Finance", approvers=["role:finance", "user:ada"], quorum=2))
    wait = {"id": "hear", "type": "wait", "config": {"signal": "paid", "timeout": "1h"}}
    said = reply("end", "<<steps.hear>>")
    write(
        folder / "hears.json",
        flow("Hears", [wait, said], [edge("start", "hear"), edge("hear", "end", "received")]),
    )
    (folder / "interrupts.py").write_text(INTERRUPTS)


def told(invoke: Invoke, *arguments: str) -> Any:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def rests(invoke: Invoke, flow: str) -> str:
    """The id of a run of this flow that has come to its wait."""
    run_id = invoke("start", flow).stdout.strip()
    work(invoke, flow)
    return run_id


def work(invoke: Invoke, flow: str) -> None:
    modules = ["--module", flow.partition(":")[0]] if ":" in flow else []
    assert invoke("worker", "--once", *modules).exit_code == 0


def only_wait(invoke: Invoke, *arguments: str) -> Any:
    (found,) = told(invoke, "approvals", *arguments)
    return found


def output(invoke: Invoke, run_id: str) -> Any:
    shown = told(invoke, "inspect", run_id)
    assert shown["run"]["status"] == "succeeded"
    return shown["output"]["body"]


# -- approvals ------------------------------------------------------------------------------------


def test_an_approval_is_listed_shown_and_given_by_a_short_id(invoke: Invoke) -> None:
    run_id = rests(invoke, "asks.json")
    wait = only_wait(invoke)
    assert (wait["run_id"], wait["title"], wait["payload"], wait["quorum"]) == (
        run_id,
        "Pay?",
        {"amount": 70},
        1,
    )
    listed = invoke("approvals").stdout
    short = wait["wait_id"][:12]
    assert short in listed
    assert wait["wait_id"] not in listed
    assert "Pay?" in listed
    assert "anyone" in listed
    shown = invoke("approvals", "show", short).stdout
    assert f"openrun approve {short}\n" in shown
    assert f"{run_id} of asks" in shown
    assert '"maximum": 500' in shown
    given = invoke("approve", short, "--by", "ada")
    assert (given.exit_code, given.stdout) == (0, f"run {run_id}: told that ada approves\n")
    work(invoke, "asks.json")
    assert output(invoke, run_id) == {"amount": 70}
    assert told(invoke, "approvals") == []
    over = invoke("approvals", "show", short).stdout
    assert over.startswith("Pay?  approved\n")
    assert "approved by ada" in over
    assert "to answer" not in over


def test_an_edited_value_is_what_is_approved(invoke: Invoke, folder: Path) -> None:
    run_id = rests(invoke, "asks.json")
    (folder / "value.json").write_text('{"amount": 30}')
    assert invoke("approve", only_wait(invoke)["wait_id"], "@value.json").exit_code == 0
    work(invoke, "asks.json")
    assert output(invoke, run_id) == {"amount": 30}


def test_a_value_that_does_not_fit_is_refused_with_all_its_faults(invoke: Invoke) -> None:
    rests(invoke, "asks.json")
    result = invoke("approve", only_wait(invoke)["wait_id"], '{"amount": 900, "to": 7}')
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert "does not fit its form" in lines[0]
    assert [line.split(":")[0] for line in lines[1:]] == ["  /amount", "  /to"]


def test_a_rejection_takes_its_reason_along(invoke: Invoke) -> None:
    run_id = rests(invoke, "asks.json")
    wait = only_wait(invoke)["wait_id"]
    assert invoke("reject", wait, "--reason", "too \x1bmuch", "--by", "bob").exit_code == 0
    work(invoke, "asks.json")
    assert output(invoke, run_id) == "no"
    assert "rejected by bob: too \\x1bmuch" in invoke("approvals", "show", wait).stdout


def test_the_same_said_again_is_no_act_and_anything_else_comes_too_late(invoke: Invoke) -> None:
    run_id = rests(invoke, "asks.json")
    wait = only_wait(invoke)["wait_id"]
    first = told(invoke, "approve", wait, "--by", "ada")
    assert first == {"run_id": run_id, "wait_id": wait, "repeated": False}
    assert told(invoke, "approve", wait, "--by", "ada")["repeated"] is True
    assert invoke("reject", wait, "--by", "ada").exit_code == 4
    work(invoke, "asks.json")
    again = invoke("approve", wait, "--by", "ada")
    assert (again.exit_code, again.stdout) == (0, f"run {run_id}: told before: that ada approves\n")
    late = invoke("approve", wait, "--by", "bob")
    assert late.exit_code == 4
    assert "is over: approved" in late.stderr


def test_only_those_who_are_asked_may_answer_and_as_many_as_are_wanted_must(invoke: Invoke) -> None:
    run_id = rests(invoke, "finance.json")
    wait = only_wait(invoke)["wait_id"]
    assert "2 of role:finance, user:ada" in invoke("approvals").stdout
    assert f"openrun approve {wait[:12]} --role finance" in invoke("approvals", "show", wait).stdout
    refused = invoke("approve", wait, "--by", "eve", "--role", "sales")
    assert refused.exit_code == 4
    assert "eve with roles ['sales'] may not answer it" in refused.stderr
    assert invoke("approve", wait, "--by", "bob", "--role", "finance").exit_code == 0
    work(invoke, "finance.json")
    assert told(invoke, "inspect", run_id)["run"]["status"] == "waiting"
    assert "approved by bob" in invoke("approvals", "show", wait).stdout
    assert invoke("approve", wait, "--by", "ada").exit_code == 0
    work(invoke, "finance.json")
    assert output(invoke, run_id) == {"amount": 70}


def test_who_says_so_is_the_login_name_when_nobody_is_named(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    rests(invoke, "asks.json")
    assert "told that grace approves" in invoke("approve", only_wait(invoke)["wait_id"]).stdout


@pytest.mark.parametrize("command", [("approve",), ("reject",), ("answer", "1"), ("approvals", "show")])
def test_a_wait_that_is_not_there_exits_with_3_and_an_empty_id_names_none(
    invoke: Invoke, command: tuple[str, ...]
) -> None:
    rests(invoke, "asks.json")
    name, *rest = command
    words = [name, "show"] if rest == ["show"] else [name]
    more = [] if rest == ["show"] else rest
    assert invoke(*words, "nobody", *more).exit_code == 3
    empty = invoke(*words, "", *more)
    assert (empty.exit_code, empty.stderr) == (2, "error: WAIT is empty\n")


def test_waits_are_listed_by_run_and_kind_and_the_oldest_first(invoke: Invoke) -> None:
    runs = [rests(invoke, name) for name in ("asks.json", "finance.json", "hears.json")]
    assert [each["run_id"] for each in told(invoke, "approvals")] == runs[:2]
    assert only_wait(invoke, "--run", runs[1])["run_id"] == runs[1]
    assert only_wait(invoke, "--kind", "signal")["name"] == "paid"
    limited = invoke("approvals", "--limit", "1").stdout
    assert "there are more; --limit N lists more" in limited


def test_options_before_a_subcommand_are_refused_and_not_forgotten(invoke: Invoke) -> None:
    result = invoke("approvals", "--store", "other.db", "show", "a")
    assert result.exit_code == 2
    assert "options go behind 'show'" in result.stderr


# -- signals and answers --------------------------------------------------------------------------


def test_a_signal_is_heard_by_the_run_whenever_it_comes(invoke: Invoke) -> None:
    early, late = invoke("start", "hears.json").stdout.strip(), rests(invoke, "hears.json")
    assert (
        invoke("signal", early, "paid", "by card", "--text", "--by", "bank").stdout
        == f"run {early}: told signal paid\n"
    )
    assert told(invoke, "signal", late, "paid", '{"receipt": 7}', "--by", "bank", "--key", "7") == {
        "run_id": late,
        "wait_id": None,
        "repeated": False,
    }
    assert (
        "told before" in invoke("signal", late, "paid", '{"receipt": 7}', "--by", "bank", "--key", "7").stdout
    )
    assert invoke("signal", late, "paid", "8", "--by", "bank", "--key", "7").exit_code == 4
    work(invoke, "hears.json")
    assert output(invoke, early) == {"signal": "paid", "value": "by card", "by": "bank"}
    assert output(invoke, late)["value"] == {"receipt": 7}
    assert invoke("signal", late, "paid").exit_code == 4
    assert invoke("signal", "nobody", "paid").exit_code == 3


def test_a_value_that_is_no_json_is_refused(invoke: Invoke) -> None:
    run_id = rests(invoke, "hears.json")
    result = invoke("signal", run_id, "paid", "by card")
    assert result.exit_code == 2
    assert "VALUE" in result.stderr


def test_an_interrupt_is_listed_with_what_it_asks_and_answered(invoke: Invoke) -> None:
    run_id = rests(invoke, "interrupts:flow")
    wait = only_wait(invoke)["wait_id"]
    listed = invoke("approvals").stdout
    assert "red" in listed
    assert "\x1b" not in listed
    assert f"openrun answer {wait[:12]} --role legal VALUE" in invoke("inspect", run_id).stdout
    assert invoke("approve", wait).exit_code == 2
    assert invoke("answer", wait, "7", "--role", "legal").exit_code == 2
    assert invoke("answer", wait, "agreed", "--text", "--role", "legal").exit_code == 0
    work(invoke, "interrupts:flow")
    shown = told(invoke, "inspect", run_id)
    assert (shown["run"]["status"], shown["waits"]) == ("succeeded", [])


def test_secrets_are_masked_in_what_is_asked(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "leaks.json", asking("Leaks", title="Use sesame?", payload={"code": "sesame"}))
    monkeypatch.setenv("CODE", "sesame")
    run_id = rests(invoke, "leaks.json")
    wait = only_wait(invoke)["wait_id"]
    secret = ["--secret", "code=env:CODE"]
    for command in (["approvals"], ["approvals", "show", wait], ["inspect", run_id]):
        for form in ([], ["--json"]):
            shown = invoke(*command, *secret, *form).stdout
            assert "sesame" not in shown
            assert "***" in shown


# -- watching -------------------------------------------------------------------------------------


def test_a_durable_run_that_waits_says_how_to_answer_and_goes_on_once_answered(
    folder: Path, invoke: Invoke
) -> None:
    with process("run", "asks.json", "--durable") as running:
        await_line(running, "waiting for Pay?")
        assert running.stderr is not None
        lines = [running.stderr.readline() for _ in range(4)]
        assert lines[1] == "waits for Pay?; to answer:\n"
        assert lines[2] == f"  openrun approve {only_wait(invoke)['wait_id'][:12]}\n"
        assert invoke(*lines[2].split()[1:]).exit_code == 0
        rest, _errors = running.communicate(timeout=SECONDS)
    assert running.returncode == 0
    assert "✓ succeeded" in rest


def test_a_run_that_was_started_before_gives_no_hints_for_waits_that_are_over(invoke: Invoke) -> None:
    invoke("start", "asks.json", "--key", "k")
    work(invoke, "asks.json")
    invoke("approve", only_wait(invoke)["wait_id"])
    work(invoke, "asks.json")
    again = invoke("run", "asks.json", "--durable", "--key", "k")
    assert again.exit_code == 0
    assert "to answer" not in again.stderr


def test_a_run_in_memory_that_waits_says_that_nobody_can_answer_it() -> None:
    with process("run", "asks.json") as running:
        assert running.stderr is not None
        said = running.stderr.readline()
        running.send_signal(signal.SIGINT)
        rest, _errors = running.communicate(timeout=SECONDS)
    assert "waits for Pay?: nobody can answer a run in memory" in said
    assert "openrun run --durable" in said
    assert running.returncode == 1
    assert "■ cancelled" in rest


def test_on_a_terminal_the_hint_stands_above_the_picture(folder: Path, invoke: Invoke) -> None:
    terminal = Terminal("run", "asks.json", "--durable")
    shown = terminal.until("openrun reject")
    assert "to answer:" in shown
    assert invoke("approve", only_wait(invoke)["wait_id"]).exit_code == 0
    terminal.until("succeeded")
    assert terminal.exit_code() == 0
