"""The README and the pages under docs/ do what they say: every block is run, read or checked.

Python blocks of a page run in order and share their names. A ```text output block is what the block before
it printed. JSON blocks with steps are flows without errors. Blocks with `title="name"` are kept as files for the
commands that follow; those run where these files are. A block with `openrun serve` starts a server, and the ```bash
blocks after it talk to it (see `shell`). In an output block, `…` stands for whatever differs from run to run. A block
that cannot run says `no-run` for all to see.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openrun import Flow
from tests.docs.api import Api
from tests.docs.blocks import ROOT, SECONDS, Block, anchors_of, blocks_of, links_of, run_python
from tests.docs.shell import Shell, starts_server

README = ROOT / "README.md"
PAGES = [
    README,
    *sorted(page for page in ROOT.glob("docs/*.md") if page.name != "cli.md"),
    *sorted(ROOT.glob("docs/decisions/*.md")),
]
LANGUAGES = {"bash", "python", "json", "text"}
MOST_WITHOUT_RUN = 1


class Reader:
    """Works through a page, block by block, in a folder of its own."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "page"}
        self.printed: str | None = None
        self.shell = Shell()

    def read(self, block: Block) -> None:
        if block.title is not None:
            Path(block.title).parent.mkdir(exist_ok=True)
            Path(block.title).write_text(block.text)
        if block.language == "text" and "output" in block.words.split():
            assert self.printed is not None, f"{block}: nothing was printed before it"
            check_output(block, self.printed)
        if not block.runs:
            return
        if block.language == "python":
            self.printed = run_python(block, self.names)
        elif block.language == "json":
            check_json(block)
        elif starts_server(block):
            self.printed = self.shell.serve(block)
        elif block.language == "bash":
            self.printed = self.shell.run(block) if self.shell.serving else run_commands(block)


def check_output(block: Block, printed: str) -> None:
    shown, found = _trimmed(block.text), _trimmed(printed)
    patterns = [re.escape(line).replace("…", ".*") for line in shown]
    fits = len(shown) == len(found) and all(map(re.fullmatch, patterns, found))
    # Compared whole, so that pytest shows what differs.
    assert fits or shown == found, str(block)


def _trimmed(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def check_json(block: Block) -> None:
    document = json.loads(block.text)
    if isinstance(document, dict) and "steps" in document and "name" in document:
        assert Flow.from_dict(document).errors() == [], str(block)


def run_commands(block: Block) -> str:
    """What the commands of a block print; those that install or make something are only checked."""
    printed = ""
    for line in block.text.splitlines():
        match shlex.split(line, comments=True):
            case ["openrun", *words]:
                printed += run_script(block, ["-m", "openrun", *words])
            case ["python", *words]:
                printed += run_script(block, words)
            case ["make", *targets]:
                check_targets(block, targets)
            case [] | ["pip", "install", "openrun"]:
                pass
            case _:
                pytest.fail(f"{block}: {line!r} is not run; mark the block no-run, or leave it out")
    return printed


def run_script(block: Block, words: list[str]) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"}
    done = subprocess.run(  # noqa: S603 (our own pages)
        [sys.executable, *words],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{block}: {words}\n{done.stdout}{done.stderr}"
    return done.stdout


def check_targets(block: Block, targets: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in targets:
        assert f"\n{target}:" in makefile, f"{block}: the Makefile has no target {target!r}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder in which a page is worked through."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "examples").symlink_to(ROOT / "examples")


def read(page: Path) -> None:
    reader = Reader()
    try:
        for block in blocks_of(page):
            reader.read(block)
        reader.shell.stop()
    finally:
        reader.shell.close()


@pytest.mark.usefixtures("folder")
def test_the_readme_does_what_it_says(api: Api) -> None:
    read(README)
    assert api.asked == ["GET /users/7"] * 2


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_page_does_what_it_says(page: Path) -> None:
    read(page)


def test_blocks_have_a_language_and_nearly_all_of_them_run() -> None:
    blocks = [block for page in PAGES for block in blocks_of(page)]
    assert {block.language for block in blocks} <= LANGUAGES
    assert len([str(block) for block in blocks if not block.runs]) <= MOST_WITHOUT_RUN


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    for target in links_of(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), f"{page.name} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors_of(file), f"{page.name} links to {target}, which has no such heading"


def test_the_flow_of_the_readme_is_the_same_in_python_and_in_json() -> None:
    blocks = {block.title: block for block in blocks_of(ROOT / "README.md")}
    names: dict[str, Any] = {}
    run_python(
        replace(blocks["fetch_user.py"], text=blocks["fetch_user.py"].text.partition("async def")[0]), names
    )
    assert names["flow"] == Flow.from_json(blocks["greet_user.json"].text)
