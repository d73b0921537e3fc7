"""The API's document as a page for people: one file, without scripts, that loads nothing."""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from html import escape
from string import Template
from typing import Any, Final

from openrun.server.curl import curl_line
from openrun.server.listing import Listed, Parameter, listed
from openrun.server.prose import as_html
from openrun.server.shapes import Schema

_STYLE: Final = """\
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--get:#2a7ab8;--post:#2e8540;--put:#a05a00;--delete:#b8322a}
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif}
main,nav{padding:1.5rem;max-width:64rem;overflow-wrap:anywhere}
nav ul{list-style:none;padding:0 0 0 .75rem;margin:.25rem 0;font-size:.9rem}
a{color:inherit}
h2{margin:2.5rem 0 .5rem;border-bottom:2px solid var(--line)}
article{border:1px solid var(--line);border-radius:.5rem;margin:1rem 0;padding:.25rem 1rem 1rem}
h3{font-size:1.05rem;margin:.75rem 0}
h4{margin:1rem 0 .25rem;font-size:.9rem}
code,pre{font:.85rem/1.45 ui-monospace,monospace}
pre{background:var(--soft);border-radius:.35rem;padding:.6rem .8rem;overflow:auto;margin:.35rem 0}
summary{cursor:pointer}
table{border-collapse:collapse;width:100%;font-size:.9rem}
td,th{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-top:1px solid var(--line)}
.method{display:inline-block;min-width:4.2rem;font-weight:700}
.get{color:var(--get)}.post{color:var(--post)}.put,.patch{color:var(--put)}.delete{color:var(--delete)}
.scope{float:right;font-size:.8rem;border:1px solid var(--line);border-radius:1rem;padding:0 .6rem}
@media(min-width:75rem){body{display:grid;grid-template-columns:20rem 1fr}
nav{position:sticky;top:0;height:100vh;overflow:auto;border-right:1px solid var(--line)}}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy that the page is sent with."""

_PAGE: Final = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<nav><strong>$title</strong>$contents</nav>
<main>
<h1>$title <small>$version</small></h1>
$about
<p>The same for programs: <a href="/openapi.json">/openapi.json</a>.</p>
$sections
<h2 id="schemas">Schemas</h2>
$schemas
</main>
</body>
</html>
""")


def page(document: Schema) -> str:
    """The whole page, of an OpenAPI document that `openapi.document` has made."""
    operations = listed(document)
    tags: list[Schema] = document["tags"]
    return _PAGE.substitute(
        title=escape(f"{document['info']['title']} API"),
        version=escape(document["info"]["version"]),
        style=_STYLE,
        about=as_html(document["info"]["description"]),
        contents="".join(_contents(tag["name"], operations) for tag in tags),
        sections="\n".join(_section(tag, operations) for tag in tags),
        schemas="\n".join(_schemas(document["components"]["schemas"])),
    )


def _contents(tag: str, operations: Iterable[Listed]) -> str:
    lines = [
        f'<li><a href="#{escape(each.operation)}">{escape(each.summary)}</a></li>'
        for each in operations
        if each.tag == tag
    ]
    return f"<ul><li><strong>{escape(tag)}</strong></li>{''.join(lines)}</ul>"


def _section(tag: Schema, operations: Iterable[Listed]) -> str:
    own = [_article(each) for each in operations if each.tag == tag["name"]]
    return "\n".join([f"<h2>{escape(tag['name'])}</h2>", as_html(tag.get("description", "")), *own])


def _article(each: Listed) -> str:
    method = each.method.lower()
    scope = f'<span class="scope">{escape(each.scope or "no key")}</span>'
    return "\n".join(
        [
            f'<article id="{escape(each.operation)}">{scope}',
            f'<h3><span class="method {method}">{each.method}</span> <code>{escape(each.path)}</code></h3>',
            f"<p>{escape(each.summary)}. {as_html(each.description, inline=True)}</p>",
            *_parameters(each.parameters),
            *_body(each),
            f"<pre>{escape(curl_line(each))}</pre>",
            *_answers(each),
            "</article>",
        ]
    )


def _parameters(parameters: Iterable[Parameter]) -> Iterator[str]:
    rows = [
        f"<tr><td><code>{escape(each.name)}</code></td><td>{escape(each.place)}{' (needed)' * each.required}</td>"
        f"<td>{as_html(each.description, inline=True)} {_shown(each.schema)}</td></tr>"
        for each in parameters
    ]
    if rows:
        yield "<details><summary>Parameters</summary><table>" + "".join(rows) + "</table></details>"


def _shown(schema: Schema) -> str:
    short = {key: value for key, value in schema.items() if key not in ("description", "title")}
    return f"<br><code>{escape(json.dumps(short, ensure_ascii=False))}</code>" if short else ""


def _body(each: Listed) -> Iterator[str]:
    for kind, schema in each.bodies.items():
        yield f"<details><summary>Body: {escape(kind)}</summary>{_schema(schema)}</details>"


def _answers(each: Listed) -> Iterator[str]:
    yield "<h4>Answers</h4><table>"
    for answer in each.answers:
        kinds = "".join(
            f"<details><summary>{escape(kind)}</summary>{_schema(schema)}</details>"
            for kind, schema in answer.contents.items()
        )
        named = ", ".join(f"<code>{escape(name)}</code>" for name in answer.headers)
        headers = f"<br>Headers: {named}" if named else ""
        about = as_html(answer.description, inline=True)
        yield f"<tr><th>{escape(answer.status)}</th><td>{about}{headers}{kinds}</td></tr>"
    yield "</table>"


def _schema(schema: Schema) -> str:
    """A schema as JSON; what it refers to is at the end of the page."""
    name = _target(schema)
    if name:
        return f'<p><a href="#schema.{escape(name)}">{escape(name)}</a></p>'
    return f"<pre>{_json(schema)}</pre>"


def _schemas(schemas: dict[str, Schema]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield (
            f'<details id="schema.{escape(name)}"><summary><code>{escape(name)}</code> '
            f"{escape(schema.get('description', ''))}</summary><pre>{_json(schema)}</pre></details>"
        )


def _json(value: Any) -> str:
    return escape(json.dumps(value, indent=2, ensure_ascii=False))


def _target(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]
