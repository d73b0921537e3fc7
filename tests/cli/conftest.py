"""A folder with flows, and the command in this process or in one of its own."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from openrun.cli import application
from tests.cli.given import FLOWS, write

Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, with the flows of `given.py`; what is imported from it is forgotten again."""
    for name, document in FLOWS.items():
        write(tmp_path / f"{name}.json", document)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def invoke() -> Invoke:
    """The command in this process: `invoke("run", "greet.json")`."""

    def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(application(), arguments, input=stdin, catch_exceptions=False)

    return run
