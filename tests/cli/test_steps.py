"""`openrun steps`, `schema`, `version` and the help."""

import json
import platform
from pathlib import Path

import pytest

from openrun import StepCatalog, __version__
from tests.cli.conftest import Invoke
from tests.cli.given import ROOT


def test_every_step_type_of_the_catalogue_is_listed(invoke: Invoke) -> None:
    shown = invoke("steps").stdout
    for key in StepCatalog.builtin().keys():  # noqa: SIM118
        assert f" {key} " in shown


@pytest.mark.parametrize("key", StepCatalog.builtin().keys())
def test_a_step_type_is_shown_with_every_field_and_an_example_that_is_valid(invoke: Invoke, key: str) -> None:
    shown = invoke("steps", key).stdout
    document = json.loads(invoke("steps", key, "--json").stdout)
    cls = StepCatalog.builtin().get(key)
    for name, field in cls.config_model().model_fields.items():
        assert f"  {name}  " in shown
        assert field.description
        assert field.description[:40] in shown
    assert [each["name"] for each in document["config"]] == list(cls.config_model().model_fields)
    assert document["examples"]
    for example in document["examples"]:
        cls.model_validate({"id": example["id"], "config": example["config"]})


def test_ports_that_depend_on_the_config_are_called_so(invoke: Invoke) -> None:
    assert (
        "by its config, such as pending, approved, rejected, default, error"
        in invoke("steps", "switch").stdout
    )
    assert "true, false, error" in invoke("steps", "conditional").stdout


def test_the_catalogue_as_json_describes_every_step(invoke: Invoke) -> None:
    listed = json.loads(invoke("steps", "--json").stdout)
    assert [each["key"] for each in listed] == StepCatalog.builtin().keys()


def test_steps_of_a_module_are_listed_too(invoke: Invoke, folder: Path) -> None:
    (folder / "mine.py").write_text(
        "from openrun import step\n@step\ndef double(n: int = 2) -> int:\n    'Doubles [a] number.'\n    return 2 * n\n"
    )
    assert "Doubles [a] number." in invoke("steps", "--module", "mine").stdout
    assert "n  integer  default 2" in invoke("steps", "double", "--module", "mine").stdout


def test_a_key_that_is_not_there_exits_with_3(invoke: Invoke) -> None:
    result = invoke("steps", "swtich")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "did you mean 'switch'?" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [([], "flow-v1.json"), (["flow"], "flow-v1.json"), (["events"], "event-v1.json")],
)
def test_the_schemas_are_printed_as_they_are_kept(invoke: Invoke, arguments: list[str], kept: str) -> None:
    printed = json.loads(invoke("schema", *arguments).stdout)
    assert printed == json.loads((ROOT / "openrun" / "schemas" / kept).read_text())
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_schema_of_flows_knows_the_steps_of_a_module(invoke: Invoke, folder: Path) -> None:
    (folder / "mine.py").write_text(
        "from openrun import step\n@step\ndef twofold(n: int) -> int:\n    return 2 * n\n"
    )
    assert "twofold" not in invoke("schema").stdout
    assert "twofold" in invoke("schema", "--module", "mine").stdout


def test_the_version_is_printed(invoke: Invoke) -> None:
    assert invoke("version").stdout == f"openrun {__version__} (Python {platform.python_version()})\n"


def test_no_command_shows_the_help_and_an_unknown_one_exits_with_2(invoke: Invoke) -> None:
    shown = invoke("--help").stdout
    for command in ("run", "validate", "graph", "explain", "steps", "schema", "version"):
        assert f" {command} " in shown
        assert invoke(command, "--help").exit_code == 0
    assert "Usage" in invoke().output
    assert invoke("rnu").exit_code == 2
