"""`openrun run`: what is printed, and the exit codes."""

import json
from pathlib import Path

import pytest

from openrun import StepSkipped
from openrun.core.events import decode_event
from tests.cli.conftest import Invoke
from tests.cli.given import START, edge, flow, keep, reply, write


def test_a_run_that_succeeds_is_told_line_by_line_and_exits_with_0(invoke: Invoke) -> None:
    result = invoke("run", "greet.json", "--input", '{"body": {"name": "Ada"}}')
    assert result.exit_code == 0
    lines = [
        line.split(maxsplit=2)[1:] for line in result.stdout.splitlines() if line.lstrip().startswith("+")
    ]
    assert ["start", "started"] in lines
    assert ["known", "completed → true"] in lines
    assert ["stranger", "skipped: branch not taken"] in lines or [
        "stranger",
        "skipped: no branch led here",
    ] in lines
    assert "✓ succeeded in" in result.stdout
    assert '"Hello Ada"' in result.stdout


def test_a_run_that_fails_names_its_failures_and_exits_with_1(invoke: Invoke) -> None:
    result = invoke("run", "broken.json")
    assert result.exit_code == 1
    assert "boom   failed NO_LUCK: no luck" in result.stdout
    assert "✗ failed in" in result.stdout
    assert "boom  unhandled  NO_LUCK: no luck" in result.stdout
    assert "why: openrun explain broken.json boom" in result.stdout
    assert "tidy   completed → default" in result.stdout


def test_the_way_to_ask_why_repeats_the_options_of_the_run(invoke: Invoke) -> None:
    result = invoke("run", "broken.json", "--set", "note=two words", "--input", '{"body": 1}')
    hint = "openrun explain --input '{\"body\": 1}' --set 'note=two words' broken.json boom"
    assert hint in result.stdout


def test_json_is_one_event_a_line_and_nothing_else(invoke: Invoke) -> None:
    result = invoke("run", "greet.json", "--json")
    events = [decode_event(line) for line in result.stdout.splitlines()]
    assert events[0].seq == 1
    assert any(isinstance(event, StepSkipped) for event in events)
    assert json.loads(result.stdout.splitlines()[-1])["status"] == "succeeded"
    assert result.stderr == ""


def test_json_of_a_failed_run_exits_with_1(invoke: Invoke) -> None:
    result = invoke("run", "broken.json", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout.splitlines()[-1])["failures"][0]["error"]["code"] == "NO_LUCK"


def test_what_a_python_step_prints_stays_out_of_the_json(invoke: Invoke, folder: Path) -> None:
    (folder / "chatty.py").write_text(
        "from openrun import Flow, TriggerManual, step\n"
        "print('imported')\n"
        "@step\n"
        "def talk():\n"
        "    print('spoken')\n"
        "flow = Flow('Chatty').add(TriggerManual(id='t') >> talk(id='talk'))\n"
    )
    result = invoke("run", "chatty:flow", "--json")
    assert result.exit_code == 0
    assert [decode_event(line).flow_id for line in result.stdout.splitlines()] == ["chatty"] * 6
    assert result.stderr.splitlines() == ["imported", "spoken"]


def test_set_values_are_json_where_they_parse_and_else_text(invoke: Invoke, folder: Path) -> None:
    write(folder / "f.json", flow("F", [reply("r", ["<<a>>", "<<b>>", "<<c>>"])], [edge("start", "r")]))
    result = invoke("run", "f.json", "--set", "a=3", "--set", "b=plain text", "--set", "c==x", "--json")
    assert json.loads(result.stdout.splitlines()[-1])["output"]["body"] == [3, "plain text", "=x"]


@pytest.mark.parametrize("source", ["@payload.json", "-"])
def test_the_input_comes_from_a_file_or_from_stdin(invoke: Invoke, folder: Path, source: str) -> None:
    (folder / "payload.json").write_text('{"body": {"name": "Grace"}}')
    result = invoke("run", "greet.json", "--input", source, stdin='{"body": {"name": "Grace"}}')
    assert '"Hello Grace"' in result.stdout


def test_a_flow_comes_from_stdin(invoke: Invoke, folder: Path) -> None:
    result = invoke("run", "-", stdin=(folder / "broken.json").read_text())
    assert result.exit_code == 1
    assert "why:" not in result.stdout


def test_a_flow_and_its_input_cannot_both_come_from_stdin(invoke: Invoke) -> None:
    assert invoke("run", "-", "--input", "-").exit_code == 2


def test_the_trigger_is_chosen_by_its_id(invoke: Invoke, folder: Path) -> None:
    other = {"id": "other", "type": "trigger_manual"}
    write(folder / "two.json", flow("Two", [other, keep("a")], [edge("start", "a")]))
    undecided = invoke("run", "two.json")
    assert (undecided.exit_code, "'start', 'other'" in undecided.stderr) == (2, True)
    assert "started by other" in invoke("run", "two.json", "--trigger", "other").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--input", "{"], "--input: invalid JSON at line 1, column 2"),
        (["--input", "[1]"], "the payload is a JSON object, not list"),
        (["--input", '{"bdy": 1}'], "has no key 'bdy'; did you mean 'body'?"),
        (["--set", "novalue"], "must read key=value"),
        (["--set", "steps=1"], "'steps' is reserved"),
        (["--trigger", "strat"], "did you mean 'start'?"),
        (["--allow", "localhost"], "must read host:port"),
    ],
)
def test_wrong_options_say_what_is_wrong_and_exit_with_2(
    invoke: Invoke, arguments: list[str], words: str
) -> None:
    result = invoke("run", "greet.json", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_an_input_file_that_is_not_there_exits_with_3(invoke: Invoke) -> None:
    assert invoke("run", "greet.json", "--input", "@nowhere.json").exit_code == 3


def test_a_flow_that_is_not_valid_is_not_run_and_exits_with_2(invoke: Invoke, folder: Path) -> None:
    write(folder / "bad.json", flow("Bad", [keep("a")], [edge("start", "b"), edge("start", "a", "yes")]))
    result = invoke("run", "bad.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "UNKNOWN_STEP  /edges/0/target" in result.stderr
    assert "UNKNOWN_PORT  /edges/1/source_port" in result.stderr


def test_a_long_output_is_cut_and_says_so(invoke: Invoke, folder: Path) -> None:
    write(folder / "f.json", flow("F", [reply("r", list(range(100)))], [edge("start", "r")]))
    result = invoke("run", "f.json")
    assert "more lines; --json prints all of it" in result.stdout
    assert len(result.stdout.splitlines()) < 60


def test_text_from_flows_cannot_reach_the_terminal_raw(invoke: Invoke, folder: Path) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07[red]x[/red]\u202egnp.\x9b31m\nforged line"
    steps = [
        {"id": "boom", "type": "fail", "config": {"message": evil}, "allow_failure": True},
        reply("r", {"evil": evil, evil: 1}),
    ]
    write(folder / "f.json", flow(evil, steps, [edge("start", "boom"), edge("boom", "r")]))
    for arguments in (["run"], ["run", "--json"], ["graph"], ["graph", "--format", "mermaid"]):
        shown = invoke(*arguments, "f.json").stdout
        assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e", "\r"}
        assert not any(line.startswith("forged") for line in shown.splitlines())
    assert "[red]x[/red]" in invoke("run", "f.json").stdout


def test_a_subflow_is_found_in_the_folder_of_flows(invoke: Invoke) -> None:
    result = invoke("run", "parent.json", "--flows", ".", "--set", "name=Lin")
    assert result.exit_code == 0
    assert "call   waiting for 1 run of greet" in result.stdout
    assert '"Hello Lin"' in result.stdout


def test_a_subflow_that_no_option_names_keeps_the_flow_from_running(invoke: Invoke) -> None:
    result = invoke("run", "parent.json")
    assert result.exit_code == 2
    assert "--flows names a file or folder" in result.stderr


def test_only_flows_that_are_referred_to_must_be_valid(invoke: Invoke, folder: Path) -> None:
    write(folder / "unrelated.json", flow("Unrelated", [{"id": "x", "type": "no_such"}], []))
    write(folder / "payload.json", {"some": "data"})
    (folder / "notes.json").write_text("not json")
    assert invoke("run", "parent.json", "--flows", ".", "--set", "name=1").exit_code == 0


def test_a_subflow_that_is_not_valid_is_named_with_its_faults(invoke: Invoke, folder: Path) -> None:
    write(folder / "greet.json", flow("Greet", [], [edge("start", "gone")]))
    result = invoke("run", "parent.json", "--flows", "greet.json")
    assert result.exit_code == 2
    assert "greet.json" in result.stderr
    assert "UNKNOWN_STEP" in result.stderr


def test_two_flows_with_one_id_are_refused(invoke: Invoke, folder: Path) -> None:
    write(folder / "copy.json", flow("Greet", [], []))
    result = invoke("run", "parent.json", "--flows", ".")
    assert result.exit_code == 2
    assert "two flows have the id 'greet': copy.json and greet.json" in result.stderr


def test_a_private_target_is_reached_only_with_allow(invoke: Invoke, folder: Path) -> None:
    get = {"id": "get", "type": "request", "config": {"url": "http://127.0.0.1:9/"}}
    write(folder / "f.json", flow("F", [get], [edge("start", "get")]))
    refused = invoke("run", "f.json").stdout
    tried = invoke("run", "f.json", "--allow", "127.0.0.1:9").stdout
    assert "CONNECT_FAILED" not in refused
    assert "CONNECT_FAILED" in tried


def test_a_retry_says_when_the_next_attempt_is_due(invoke: Invoke, folder: Path) -> None:
    retry = {"max_attempts": 2, "base_ms": 1, "retry_on": ["*"]}
    fails = {"id": "boom", "type": "fail", "config": {"message": "no"}, "retry": retry}
    write(folder / "f.json", {"name": "F", "steps": [START, fails], "edges": [edge("start", "boom")]})
    shown = invoke("run", "f.json").stdout
    assert "; attempt 2 in 0.0s" in shown
    assert "started, attempt 2" in shown
