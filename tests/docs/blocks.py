"""The fenced blocks of a Markdown page, and running those of them that are Python."""

import ast
import asyncio
import io
import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).parents[2]
SECONDS = 60
"""What waits longer waits for ever, and says so."""

_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: ```` ```language words ````; `title="name"` among the words is a file to keep it in."""

    page: str
    line: int
    heading: str
    language: str
    words: str
    text: str

    @property
    def title(self) -> str | None:
        match = _TITLE.search(self.words)
        return match[1] if match else None

    @property
    def runs(self) -> bool:
        return "no-run" not in self.words.split()

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(path: Path) -> list[Block]:
    """All blocks of a page, in order."""
    text = path.read_text()
    outside = _prose(path)
    headings = [(outside.count("\n", 0, match.start()) + 1, match[1]) for match in _HEADING.finditer(outside)]
    return [_block(path, text, match, headings) for match in _FENCE.finditer(text)]


def _block(path: Path, text: str, match: re.Match[str], headings: list[tuple[int, str]]) -> Block:
    line = text.count("\n", 0, match.start()) + 2
    above = [heading for at, heading in headings if at < line]
    return Block(
        page=path.name,
        line=line,
        heading=above[-1] if above else "",
        language=match[1],
        words=match[2].strip(),
        text=match[3],
    )


def links_of(path: Path) -> list[str]:
    """The targets of a page's links, those to other sites left out."""
    return [target for target in _LINK.findall(_prose(path)) if "://" not in target]


def anchors_of(path: Path) -> set[str]:
    """What a link may name after `#`: the headings, as GitHub spells them."""
    headings = _HEADING.findall(_prose(path))
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def _prose(path: Path) -> str:
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), path.read_text())


def run_python(block: Block, names: dict[str, Any]) -> str:
    """Execute a block among these names, `await` at the top level included; what it printed."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        waiting = eval(_compiled(block), names)  # noqa: S307 (our own pages)
        if asyncio.iscoroutine(waiting):
            asyncio.run(asyncio.wait_for(waiting, SECONDS))
    return printed.getvalue()


def _compiled(block: Block) -> CodeType:
    # Empty lines before it make the lines of a traceback those of the page.
    source = "\n" * (block.line - 1) + block.text
    code: CodeType = compile(
        source, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    return code
