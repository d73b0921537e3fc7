"""`openrun fork` and `retry`: what is kept, what runs again and why, and what is not done twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Invoke
from tests.cli.given import edge, flow, keep, reply, write

CHARGES = """
import pathlib
from openrun import Flow, StepContext, TriggerManual, step

async def _charge(amount):
    with pathlib.Path("charged").open("a") as file:
        file.write("charge\\n")
    return {"id": "ch_1"}

@step
async def charge(context: StepContext, amount: int = 3):
    return await context.effect("charge", _charge, amount, effect="external")

@step
async def ship():
    if not pathlib.Path("stock").exists():
        raise LookupError("out of \\x1bstock")
    return "shipped"

flow = Flow("Charges").add(TriggerManual(id="t") >> charge(id="charge") >> ship(id="ship"))
"""
LOWER = '[{"op": "replace", "path": "/amount", "value": 7}]'


@pytest.fixture(autouse=True)
def flows(folder: Path) -> None:
    """A flow that fails for a large amount, and one that charges before it fails."""
    small = {"left": "<<amount>>", "operator": "less_than", "right": 50}
    steps = [
        keep("amount", 70),
        {"id": "small", "type": "conditional", "config": small},
        reply("paid", "<<amount>>"),
        {"id": "refused", "type": "fail", "config": {"message": "too much"}},
    ]
    edges = [
        edge("start", "amount"),
        edge("amount", "small"),
        edge("small", "paid", "true"),
        edge("small", "refused", "false"),
    ]
    write(folder / "order.json", flow("Order", steps, edges))
    (folder / "charges.py").write_text(CHARGES)


def told(invoke: Invoke, *arguments: str) -> Any:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def ended(invoke: Invoke, flow: str) -> str:
    """The id of a run of this flow, once it has ended."""
    run_id = invoke("start", flow).stdout.strip()
    work(invoke)
    return run_id


def work(invoke: Invoke) -> None:
    assert invoke("worker", "--once", "--module", "charges").exit_code == 0


def fates(report: Any) -> dict[str, bool]:
    return {each["step_id"]: each["kept"] for each in report["steps"]}


def test_a_fork_goes_another_way_from_a_step_on_and_says_what_it_keeps(invoke: Invoke) -> None:
    run_id = ended(invoke, "order.json")
    result = invoke("fork", run_id, "small", "--patch", LOWER, "--comment", "a discount", "--by", "ada")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[1:5] == [
        ["start", "kept"],
        ["amount", "kept"],
        ["small", "again", "the", "fork", "begins", "here"],
        ["refused", "again", *["it", "comes", "after", "'small',", "which", "runs", "again"]],
    ]
    assert lines[5][2:] == ["is", "forked", "from", run_id]
    assert result.stderr == "it goes on with: openrun worker\n"
    work(invoke)
    shown = told(invoke, "inspect", lines[5][1])
    assert (shown["run"]["status"], shown["output"]["body"]) == ("succeeded", 7)
    assert told(invoke, "inspect", run_id)["run"]["status"] == "failed"
    assert f"forked from {run_id}" in invoke("events", lines[5][1]).stdout


def test_a_dry_run_says_the_same_and_makes_nothing(invoke: Invoke, folder: Path) -> None:
    run_id = ended(invoke, "order.json")
    (folder / "patch.json").write_text(LOWER)
    plan = told(invoke, "fork", run_id, "small", "--patch", "@patch.json", "--dry-run")
    assert fates(plan) == {"start": True, "amount": True, "small": False, "refused": False}
    assert (plan["run_id"], plan["forked_from"], plan["repeats"]) == (None, run_id, [])
    assert fates(told(invoke, "retry", run_id, "--dry-run"))["small"] is True
    assert len(told(invoke, "ps")["runs"]) == 1


def test_a_retry_repeats_what_failed_and_no_charge(invoke: Invoke, folder: Path) -> None:
    run_id = ended(invoke, "charges:flow")
    assert told(invoke, "inspect", run_id)["run"]["status"] == "failed"
    (folder / "stock").touch()
    retried = told(invoke, "retry", run_id, "--module", "charges", "--key", "once")
    assert fates(retried) == {"t": True, "charge": True, "ship": False}
    again = invoke("retry", run_id, "--module", "charges", "--key", "once")
    assert again.stdout == f"run {retried['run_id']} was forked from {run_id} under this key before\n"
    work(invoke)
    assert told(invoke, "inspect", retried["run_id"])["output"] == "shipped"
    assert (folder / "charged").read_text().split() == ["charge"]
    assert told(invoke, "dlq", "ls") == []


def test_what_was_done_outside_is_done_again_only_when_told_to(invoke: Invoke, folder: Path) -> None:
    run_id = ended(invoke, "charges:flow")
    refused = invoke("fork", run_id, "charge", "--module", "charges")
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert "  charge: charge (committed)\n" in refused.stderr
    assert "--repeat-effects" in refused.stderr
    assert (
        "charge: charge (committed)"
        in invoke("fork", run_id, "charge", "--module", "charges", "--dry-run").stdout
    )
    assert len(told(invoke, "ps")["runs"]) == 1
    forked = told(invoke, "fork", run_id, "charge", "--module", "charges", "--repeat-effects")
    assert [each["effect"] for each in forked["repeats"]] == ["charge"]
    work(invoke)
    assert (folder / "charged").read_text().split() == ["charge", "charge"]


def test_a_retry_may_take_the_latest_version_of_the_flow(invoke: Invoke, folder: Path) -> None:
    run_id = ended(invoke, "order.json")
    document = json.loads((folder / "order.json").read_text())
    document["steps"][-1] = reply("refused", "never mind")
    write(folder / "order.json", document)
    invoke("start", "order.json")
    retried = told(invoke, "retry", run_id, "--version", "latest")
    work(invoke)
    shown = told(invoke, "inspect", retried["run_id"])
    assert (shown["run"]["status"], shown["output"]["body"]) == ("succeeded", "never mind")
    assert shown["run"]["version"] != told(invoke, "inspect", run_id)["run"]["version"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["fork", "RUN", "smal"], 3),
        (["fork", "RUN", "small", "--version", "0123456789"], 3),
        (["fork", "nobody", "small"], 3),
        (["fork", "RUN", "small", "--patch", "{}"], 2),
        (["fork", "RUN", "small", "--patch", '[{"op": "remove", "path": "/nothing"}]'], 2),
        (["fork", "RUN", "small", "--patch", '[{"op": "test", "path": "/amount", "value": 1}]'], 4),
        (["retry", "nobody"], 3),
    ],
)
def test_what_cannot_be_forked_is_refused(invoke: Invoke, arguments: list[str], code: int) -> None:
    run_id = ended(invoke, "order.json")
    result = invoke(*(run_id if each == "RUN" else each for each in arguments))
    assert (result.exit_code, result.stdout) == (code, "")
    assert len(told(invoke, "ps")["runs"]) == 1


def test_a_run_that_goes_on_or_that_ended_well_is_not_retried(invoke: Invoke) -> None:
    well = ended(invoke, "greet.json")
    assert invoke("retry", well).exit_code == 4
    assert invoke("retry", invoke("start", "order.json").stdout.strip()).exit_code == 4
