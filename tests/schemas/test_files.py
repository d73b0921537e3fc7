import runpy
import sys
from pathlib import Path

import pytest

from openrun.schemas.__main__ import HERE, files, main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", files())
def test_the_files_are_what_the_models_say(name: str) -> None:
    stored = (HERE / name).read_text(encoding="utf-8")
    assert stored == files()[name], "run `make schemas`"


def test_there_are_no_other_files() -> None:
    assert {path.name for path in HERE.glob("*.json")} == files().keys()


def test_the_command_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(tmp_path)
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == files()
    assert len(capsys.readouterr().out.splitlines()) == len(files())


def test_the_schemas_are_a_room_of_their_own_at_the_root() -> None:
    link = ROOT / "schemas"
    assert link.is_symlink()
    assert link.readlink() == Path("openrun/schemas")


def test_it_is_run_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    written: dict[str, str] = {}

    def keep(path: Path, text: str, **_options: str) -> None:
        written[path.name] = text

    monkeypatch.setattr(Path, "write_text", keep)
    monkeypatch.delitem(sys.modules, "openrun.schemas.__main__")
    runpy.run_module("openrun.schemas.__main__", run_name="imported")
    assert written == {}
    runpy.run_module("openrun.schemas", run_name="__main__")
    assert written == files()
    assert capsys.readouterr().out
