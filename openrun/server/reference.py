"""The API reference, docs/api.md, generated from the API's document: `python -m openrun.server.reference`."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from openrun.runtime.clock import SystemClock
from openrun.server import health
from openrun.server.api import ROUTES
from openrun.server.curl import curl_line
from openrun.server.listing import Listed, Parameter, listed
from openrun.server.openapi import document
from openrun.server.samples import sample
from openrun.server.shapes import Schema

FILE: Final = Path(__file__).parents[2] / "docs" / "api.md"

_HEAD: Final = """\
# The HTTP API

<!-- Written by `python -m openrun.server.reference`; edit the routes instead. -->

A running server has the same as a page at `/docs`, and for programs at `/openapi.json` (OpenAPI 3.1).
"""
_COMMON: Final = ("OpenRun-Namespace", "Idempotency-Key", "X-Request-ID")
"""Headers that the beginning of the page speaks of."""


def reference() -> str:
    """The whole page, in Markdown."""
    made = document((*health.routes(SystemClock()), *ROUTES))
    operations = listed(made)
    schemas: dict[str, Schema] = made["components"]["schemas"]
    parts = [_HEAD, made["info"]["description"], *_contents(made["tags"], operations)]
    for tag in made["tags"]:
        parts += [f"## {tag['name']}\n", f"{tag.get('description', '')}\n"]
        parts += [_section(each, schemas) for each in operations if each.tag == tag["name"]]
    return "\n".join(parts).rstrip() + "\n"


def _contents(tags: Iterable[Schema], operations: Iterable[Listed]) -> Iterator[str]:
    yield "| Operation | Call | Scope |\n|---|---|---|"
    for tag in tags:
        for each in operations:
            if each.tag == tag["name"]:
                yield f"| [{each.summary}](#{_anchor(each)}) | `{each.method} {each.path}` | {each.scope or '-'} |"
    yield ""


def _anchor(each: Listed) -> str:
    """As GitHub makes it of the heading."""
    return each.operation.replace(".", "").lower()


def _section(each: Listed, schemas: dict[str, Schema]) -> str:
    parts = [
        f"### {each.operation}\n",
        f"`{each.method} {each.path}`\n",
        f"{each.summary}. {each.description}\n",
        *_parameters(each.parameters),
        f"```text\n{curl_line(each)}\n```\n",
        *_body(each, schemas),
        *_answers(each, schemas),
    ]
    return "\n".join(parts)


def _parameters(parameters: Iterable[Parameter]) -> Iterator[str]:
    own = [each for each in parameters if each.name not in _COMMON]
    if own:
        yield "| Parameter | In | |\n|---|---|---|"
        yield from (f"| `{each.name}` | {each.place} | {_words(each)} |" for each in own)
        yield ""


def _words(each: Parameter) -> str:
    default = each.schema.get("default")
    words = [each.description, *([f"Default: `{json.dumps(default)}`."] if default is not None else [])]
    return " ".join(words).replace("|", "\\|").replace("\n", " ")


def _body(each: Listed, schemas: dict[str, Schema]) -> Iterator[str]:
    kinds = ", ".join(f"`{kind}`" for kind in each.bodies)
    for schema in list(each.bodies.values())[:1]:
        yield f"Body ({kinds}):\n"
        yield from _fields(schema, schemas)


def _fields(schema: Schema, schemas: dict[str, Schema]) -> Iterator[str]:
    target = schemas.get(str(schema.get("$ref", "")).rpartition("/")[2], schema)
    required = target.get("required", ())
    properties: dict[str, Schema] = target.get("properties", {})
    if not properties:
        yield f"{target.get('description', 'Any JSON.')}\n"
        return
    yield "| Field | |\n|---|---|"
    for name, each in properties.items():
        about = str(each.get("description", "")).replace("|", "\\|").replace("\n", " ")
        yield f"| `{name}`{' (needed)' if name in required else ''} | {about} |"
    yield ""


def _answers(each: Listed, schemas: dict[str, Schema]) -> Iterator[str]:
    good = [answer for answer in each.answers if answer.status < "4"]
    bad = [answer.status for answer in each.answers if "4" <= answer.status <= "9"]
    for number, answer in enumerate(good):
        kinds = ", ".join(f"`{kind}`" for kind in answer.contents)
        headers = [
            f"`{name}`" for name in answer.headers if name not in ("X-Request-ID", "Idempotency-Replayed")
        ]
        after = f" Headers: {', '.join(headers)}." if headers else ""
        yield f"**{answer.status}**{f' ({kinds})' if kinds else ''} {answer.description}{after}\n"
        schema = answer.contents.get("application/json")
        # Once for those that look the same.
        again = any(each.contents.get("application/json") == schema for each in good[number + 1 :])
        if schema is not None and not again:
            shown = sample(schema, schemas, whole=True)
            yield f"```json\n{json.dumps(shown, indent=2, ensure_ascii=False)}\n```\n"
    yield f"Problems: {', '.join(bad)}.\n"


def main(file: Path = FILE) -> None:
    """Write the page."""
    file.write_text(reference(), encoding="utf-8")
    sys.stdout.write(f"{file}\n")


if __name__ == "__main__":
    main()
