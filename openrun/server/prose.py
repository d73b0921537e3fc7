"""The little Markdown that descriptions are written in, as HTML: paragraphs, `code` and **bold**."""

import re
from html import escape

_CODE = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")


def as_html(text: str, *, inline: bool = False) -> str:
    """Paragraphs, or all of it as one line of text if `inline`; nothing in it is taken for HTML."""
    paragraphs = [_marked(each) for each in text.split("\n\n") if each.strip()]
    return "<br>".join(paragraphs) if inline else "".join(f"<p>{each}</p>" for each in paragraphs)


def _marked(text: str) -> str:
    escaped = escape(" ".join(text.split()))
    return _BOLD.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escaped))
