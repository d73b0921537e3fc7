"""`openrun validate`."""

import json
from pathlib import Path

from tests.cli.conftest import Invoke
from tests.cli.given import edge, flow, keep, write


def faulty() -> dict[str, object]:
    return flow("Faulty", [keep("a"), keep("b", "<<steps.c>>")], [edge("start", "a"), edge("a", "bb")])


def test_a_valid_flow_is_called_valid(invoke: Invoke) -> None:
    result = invoke("validate", "greet.json")
    assert (result.exit_code, result.stdout) == (0, "valid\n")


def test_all_errors_are_told_with_place_message_and_hint(invoke: Invoke, folder: Path) -> None:
    write(folder / "f.json", faulty())
    result = invoke("validate", "f.json")
    assert result.exit_code == 2
    assert "error UNKNOWN_REFERENCE  /steps/2/config/value" in result.stdout
    assert (
        "error UNKNOWN_STEP  /edges/1/target\n      there is no step 'bb'\n      hint: did you mean 'b'?"
        in (result.stdout)
    )
    assert result.stdout.endswith("2 errors, 0 warnings\n")


def test_faults_of_structure_are_told_all_at_once(invoke: Invoke, folder: Path) -> None:
    write(
        folder / "f.json", {"nam": "F", "steps": [{"id": "x", "type": "repyl"}], "edges": [{"source": "x"}]}
    )
    result = invoke("validate", "f.json")
    for words in ("UNKNOWN_TYPE", "did you mean 'reply'?", "/edges/0/target", "UNKNOWN_FIELD  /nam"):
        assert words in result.stdout


def test_warnings_are_told_and_are_no_failure(invoke: Invoke, folder: Path) -> None:
    write(folder / "f.json", flow("F", [keep("a"), keep("loose")], [edge("start", "a")]))
    result = invoke("validate", "f.json")
    assert result.exit_code == 0
    assert "warning UNREACHABLE  /steps/2" in result.stdout
    assert result.stdout.endswith("0 errors, 1 warning\n")


def test_several_flows_are_told_apart(invoke: Invoke, folder: Path) -> None:
    write(folder / "f.json", faulty())
    result = invoke("validate", "greet.json", "f.json")
    assert result.exit_code == 2
    assert result.stdout.startswith("greet.json  valid\nf.json\n  error ")


def test_json_holds_every_fault(invoke: Invoke, folder: Path) -> None:
    write(folder / "f.json", faulty())
    result = invoke("validate", "--json", "f.json", "greet.json")
    report = json.loads(result.stdout)
    assert result.exit_code == 2
    assert (report["valid"], report["errors"], report["warnings"]) == (False, 2, 0)
    assert report["faults"][1] == {
        "flow": "f.json",
        "severity": "error",
        "code": "UNKNOWN_STEP",
        "message": "there is no step 'bb'",
        "step_id": None,
        "pointer": "/edges/1/target",
        "hint": "did you mean 'b'?",
    }


def test_references_to_flows_are_checked_once_the_flows_are_named(invoke: Invoke, folder: Path) -> None:
    assert invoke("validate", "parent.json").exit_code == 0
    assert invoke("validate", "parent.json", "--flows", ".").exit_code == 0
    unknown = invoke("validate", "parent.json", "--flows", "each.json")
    assert (unknown.exit_code, "UNKNOWN_FLOW" in unknown.stdout) == (2, True)
    assert invoke("validate", "parent.json", "greet.json", "--flows", "each.json").exit_code == 0


def test_a_flow_comes_from_stdin_once(invoke: Invoke, folder: Path) -> None:
    assert invoke("validate", "-", stdin=(folder / "greet.json").read_text()).stdout == "valid\n"
    assert invoke("validate", "-", "-").exit_code == 2


def test_a_file_that_is_not_there_exits_with_3(invoke: Invoke) -> None:
    assert invoke("validate", "greet.json", "nowhere.json").exit_code == 3
