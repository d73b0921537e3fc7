"""A line for the shell that calls an operation, for people to copy."""

import json
import shlex
from urllib.parse import quote

from openrun.server.listing import Listed

_URL = "http://localhost:8600"
_NEEDED_ONLY = "query"


def curl_line(operation: Listed) -> str:
    """A call with all that has to be there; `$KEY` is the caller's."""
    words = ["curl"]
    streams = any("text/event-stream" in answer.contents for answer in operation.answers)
    if streams:
        words.append("-N")
    if operation.method != "GET":
        words += ["-X", operation.method]
    words.append(shlex.quote(_URL + _path(operation)))
    if operation.scope:
        words.append('-H "Authorization: Bearer $KEY"')
    if operation.example is not None:
        kind = next(iter(operation.bodies))
        words.append(shlex.quote(f"Content-Type: {kind}").join(("-H ", "")))
        words += ["-d", shlex.quote(json.dumps(operation.example, ensure_ascii=False))]
    return " ".join(words)


def _path(operation: Listed) -> str:
    path, query = operation.path, []
    for each in operation.parameters:
        example = str(each.example or each.name)
        if each.place == "path":
            path = path.replace(f"{{{each.name}}}", quote(example, safe=""))
        elif each.place == _NEEDED_ONLY and each.required:
            query.append(f"{each.name}={quote(example, safe='')}")
    return path + (f"?{'&'.join(query)}" if query else "")
