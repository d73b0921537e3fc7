"""What the pages about durable runs claim is tested, and they say where: by footnotes that name tests."""

import ast
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from openrun.cli import application
from tests.docs.blocks import ROOT, blocks_of

PAGES = [
    ROOT / "docs" / f"{name}.md"
    for name in (
        "durability",
        "effects",
        "event-bus",
        "flow-control",
        "forks",
        "notifications",
        "operating",
        "people",
        "sagas",
        "schedules",
        "security",
        "server",
        "webhooks",
    )
]
PROMISE = ROOT / "docs" / "durability.md"
UNTESTED = "by-construction"
"""The footnote of what no test is named for, since it follows from the code that does it."""
MOST_UNTESTED = 0.25
WITHOUT_CLAIMS = {"In Python", "Operating"}
"""Headings of tables that say what there is, not what it promises."""

_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_CALL = re.compile(r"\[\^([\w-]+)\](?!:)")
_NOTE = re.compile(r"^\[\^([\w-]+)\]: (.+)$", re.MULTILINE)
_FILE = re.compile(r"\[(tests/[^\]]+)\]\(\.\./(tests/[^)]+)\)((?: `::\w+`)*)")
_TEST = re.compile(r"`::(\w+)`")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text())


def notes(page: Path) -> dict[str, str]:
    return dict(_NOTE.findall(prose(page)))


def claims(page: Path) -> list[tuple[str, str]]:
    """The rows of a page's tables below their heads, each with the heading that it stands under."""
    found, heading, below = [], "", False
    for line in prose(page).splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if not line.startswith("|"):
            below = False
        elif set(line) <= set("|- "):
            below = True
        elif below:
            found.append((heading, line))
    return found


@cache
def named_in(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    functions = (each for each in nodes if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return {each.name for each in functions if each.name.startswith("test_")}


@each_page
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    for name, text in notes(page).items():
        if name == UNTESTED:
            continue
        assert not _FILE.sub("", text).replace("; ", ""), f"{name}: {text}"
        for shown, path, tests in _FILE.findall(text):
            assert shown == path
            assert (ROOT / path).is_file(), f"{page.name} names {path}, which is not there"
            there = named_in(ROOT / path)
            assert there, f"{page.name} names {path}, which has no tests"
            for test in _TEST.findall(tests):
                assert test in there, f"{page.name} names {path}::{test}, which is not there"


@each_page
def test_every_footnote_is_there_and_called_for(page: Path) -> None:
    assert set(_CALL.findall(prose(page))) == notes(page).keys()


@each_page
def test_every_row_that_claims_something_names_a_test(page: Path) -> None:
    for heading, row in claims(page):
        if heading not in WITHOUT_CLAIMS:
            assert _CALL.search(row), f"{page.name}: {row}"


def test_every_clause_of_the_promise_names_a_test_that_names_one() -> None:
    promise = prose(PROMISE).partition("## The promise")[2].partition("\n## ")[0]
    clauses = re.findall(r"^\d\. .+?(?=^\d\. |\n\n)", promise, re.DOTALL | re.MULTILINE)
    known = notes(PROMISE)
    assert len(clauses) == 4
    for clause in clauses:
        named = _CALL.findall(clause)
        assert named
        assert UNTESTED not in named, clause
        assert all("`::" in known[name] for name in named), clause


def test_nearly_all_claims_name_a_test() -> None:
    calls = [name for page in PAGES for name in _CALL.findall(prose(page))]
    assert calls.count(UNTESTED) <= MOST_UNTESTED * len(calls)


def commands_shown() -> list[list[str]]:
    """What the pages say to type, be it in a block or in a line of text."""
    blocks = [block for page in PAGES for block in blocks_of(page) if block.language == "bash"]
    whole = [line for block in blocks for line in block.text.replace("\\\n", " ").splitlines()]
    lines = [line for line in whole if line.startswith("openrun ")]
    spans = [span for page in PAGES for span in re.findall(r"`(openrun [^`]+)`", prose(page))]
    return [shlex.split(line, comments=True) for line in (*lines, *spans)]


def test_the_commands_that_the_pages_name_are_there_and_so_are_their_options() -> None:
    group = typer.main.get_command(application())
    shown = [words[1:] for words in commands_shown() if words[0] == "openrun"]
    assert len(shown) > len({words[0] for words in shown}) > 10
    for words in shown:
        command, names = group, words
        while isinstance(command, TyperGroup) and names and not names[0].startswith("-"):
            assert names[0] in command.commands, words
            command, names = command.commands[names[0]], names[1:]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in names if word.startswith("-")} <= known, words
