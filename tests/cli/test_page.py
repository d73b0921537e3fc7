"""docs/cli.md does what it says: its commands are run by a shell, its outputs compared."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from openrun.cli import application
from tests.cli.given import ROOT, environment
from tests.docs.blocks import Block, blocks_of

PAGE = ROOT / "docs" / "cli.md"


def run(block: Block) -> str:
    """What the commands of a block print. A block that fails on purpose says so: `exits-2`."""
    bin_folder = Path(sys.executable).parent
    done = subprocess.run(  # noqa: S603 (our own page)
        ["/bin/bash", "-e", "-o", "pipefail", "-c", block.text],
        capture_output=True,
        encoding="utf-8",
        env={**environment(), "PATH": f"{bin_folder}:/usr/bin:/bin"},
        check=False,
    )
    wanted = next((int(word[6:]) for word in block.words.split() if word.startswith("exits-")), 0)
    assert done.returncode == wanted, f"{block}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_every_command_of_the_page_works_and_prints_what_it_says(folder: Path) -> None:
    (folder / "examples").symlink_to(ROOT / "examples")
    blocks = blocks_of(PAGE)
    for block in blocks:
        if block.title is not None:
            (folder / block.title).write_text(block.text)
    printed = ""
    for block in blocks:
        if block.language == "bash":
            printed = run(block)
        elif "output" in block.words.split():
            assert printed.split() == block.text.split(), str(block)


@pytest.mark.parametrize("command", [each.callback for each in application().registered_commands])
def test_every_command_and_every_option_is_on_the_page(command: object) -> None:
    name = getattr(command, "__name__", "")
    assert f"## {name}\n" in PAGE.read_text()
    if name in {"run", "explain"}:
        for option in (
            "--trigger",
            "--input",
            "--set",
            "--flows",
            "--allow",
            "--secret",
            "--module",
            "--json",
            "--events",
        ):
            assert option in PAGE.read_text()


@pytest.mark.parametrize("group", [each.typer_instance for each in application().registered_groups])
def test_every_group_of_commands_is_on_the_page(group: typer.Typer | None) -> None:
    assert group is not None
    assert f"## {group.info.name}\n" in PAGE.read_text()
