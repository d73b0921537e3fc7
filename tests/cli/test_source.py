"""FLOW on the command line: files, stdin, module:name, and what is said when there is nothing there."""

from pathlib import Path

import pytest

from tests.cli.conftest import Invoke

MODULE = """
import asyncio
from openrun import Flow, StepSetState, TriggerManual
from openrun.steps.execution.set_state import StepSetStateConfig

flow = Flow("Plain").add(
    TriggerManual(id="t") >> StepSetState(id="s", config=StepSetStateConfig(key="k", value=1))
)

def build():
    return flow

class Shop:
    flow = flow

def needs(argument):
    return flow

async def late():
    return flow

def breaks():
    raise RuntimeError("no stock")

six = 6
"""


@pytest.fixture(autouse=True)
def module(folder: Path) -> None:
    (folder / "shop.py").write_text(MODULE)
    (folder / "typo.py").write_text("def broken(:\n")
    (folder / "needy.py").write_text("import not_installed_anywhere\n")
    (folder / "quits.py").write_text("raise SystemExit(5)\n")


@pytest.mark.parametrize("name", ["shop:flow", "shop:build", "shop:Shop.flow"])
def test_a_flow_in_python_is_named_by_module_and_name(invoke: Invoke, name: str) -> None:
    assert invoke("run", name).exit_code == 0


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("nowhere.json", 3, "there is no file 'nowhere.json'"),
        ("gret.json", 3, "did you mean 'greet.json'?"),
        ("greet", 3, "did you mean 'greet.json'?"),
        ("nowhere:flow", 3, "there is no module 'nowhere'"),
        ("shop.deeper:flow", 3, "there is no module 'shop.deeper'"),
        ("shop:flwo", 3, "did you mean 'flow'?"),
        ("shop:six", 2, "is of type int, not a Flow"),
        ("shop:needs", 2, "missing a required argument: 'argument'"),
        ("shop:late", 2, "is an async function"),
        ("shop:breaks", 2, "RuntimeError: no stock"),
        ("typo:flow", 2, "SyntaxError"),
        ("needy:flow", 2, "No module named 'not_installed_anywhere'"),
        ("quits:flow", 2, "SystemExit: 5"),
        ("shop.py", 2, "such as shop:flow"),
        (".", 2, "is a folder"),
        ("", 2, "is a folder"),
        ("a\x00b", 2, "cannot be read"),
    ],
)
def test_a_flow_that_is_not_there_or_no_flow_is_refused_in_words(
    invoke: Invoke, name: str, code: int, words: str
) -> None:
    result = invoke("run", name)
    assert words in result.stderr
    assert (result.exit_code, result.stdout) == (code, "")


def test_what_breaks_in_an_authors_module_is_told_with_its_place(invoke: Invoke) -> None:
    assert "shop.py:23, in breaks" in invoke("run", "shop:breaks").stderr
    assert "typo.py:1" in invoke("run", "typo:flow").stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"name": "x",\n "steps": }', "line 2, column 11"),
        (b"", "line 1, column 1"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "not list"),
        (b'{"name": "a", "name": "b"}', "duplicate key 'name'"),
        (b"[" * 100_000, "nested deeper"),
    ],
)
def test_text_that_is_no_document_is_refused_with_its_place(
    invoke: Invoke, folder: Path, text: bytes, words: str
) -> None:
    (folder / "bad.json").write_bytes(text)
    result = invoke("run", "bad.json")
    assert words in result.stderr
    assert result.exit_code == 2


def test_steps_of_a_module_are_known_to_documents_once_the_module_is_named(
    invoke: Invoke, folder: Path
) -> None:
    (folder / "own.py").write_text(
        "from openrun import step\n@step\ndef twice(n: int) -> int:\n    return 2 * n\n"
    )
    (folder / "own.json").write_text(
        '{"name": "Own", "steps": [{"id": "t", "type": "trigger_manual"},'
        ' {"id": "x", "type": "twice", "config": {"n": 21}}], "edges": [{"source": "t", "target": "x"}]}'
    )
    unknown = invoke("run", "own.json")
    assert (unknown.exit_code, "--module names a module" in unknown.stderr) == (2, True)
    assert "output\n42\n" in invoke("run", "own.json", "--module", "own").stdout
    assert invoke("run", "own.json", "--module", "owm").exit_code == 3
