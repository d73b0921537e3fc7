"""What is refused before any route: problems, and how they are said with or without a request.

Nothing that a client sent is repeated in them.
"""

import json

from aiohttp import HttpVersion10, hdrs, web

from openrun.server.crowd import ConnectionLimits
from openrun.server.problem import PROBLEM_TYPE, Problem, title

SERVER = "OpenRun"
"""Not which library, in which version."""

NOT_HTTP = Problem(400, "The request is not well-formed HTTP/1.1.")
TUNNEL = Problem(400, "CONNECT asks for a tunnel; this server is no proxy.")
VERSION = Problem(400, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
CODING = Problem(400, "The only transfer coding understood is chunked, in HTTP/1.1.")
NOT_TEXT = Problem(400, "A header field is not UTF-8.")
EXPECTATION = Problem(417, "The only expectation understood is 100-continue.", slug="unknown-expectation")
TOO_LARGE = Problem(
    431, "The request line, a header field, or all of them together are too large.", slug="headers-too-large"
)
TOO_SLOW = Problem(408, "The headers of the request were not complete in time; send it again.")
NO_PLACE = Problem(
    503, "The server has no room for another connection; try again shortly.", headers={"Retry-After": "1"}
)
STOPPING = Problem(503, "The server is stopping; try again shortly.", headers={"Retry-After": "1"})
OUR_FAULT = Problem(500, "The server failed to answer this request; its log says why.")


def _document(problem: Problem) -> bytes:
    document = problem.document(request_id="")
    # Nothing that is said here reached a request with an id.
    del document["request_id"]
    return json.dumps(document).encode()


def response(problem: Problem) -> web.Response:
    """The problem as a response that ends the connection."""
    answer = web.Response(
        status=problem.status,
        body=_document(problem),
        content_type=PROBLEM_TYPE,
        headers={"Server": SERVER, **problem.headers},
    )
    answer.force_close()
    return answer


def wire(problem: Problem) -> bytes:
    """The same as it is sent where there is no request to respond to."""
    body = _document(problem)
    head = (
        f"HTTP/1.1 {problem.status} {title(problem.status)}",
        f"Content-Type: {PROBLEM_TYPE}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in problem.headers.items()),
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def check(request: web.BaseRequest, limits: ConnectionLimits) -> None:
    """Refuse what aiohttp lets through and this server does not speak."""
    if request.method == "CONNECT":
        raise TUNNEL
    size = 0
    for name, value in request.raw_headers:
        size += len(name) + len(value) + len(": \r\n")
        if not (value.isascii() or _is_text(value)):
            raise NOT_TEXT
    if size > limits.header_bytes:
        raise TOO_LARGE
    coding = request.headers.get(hdrs.TRANSFER_ENCODING)
    if coding is not None and (coding.lower() != "chunked" or request.version == HttpVersion10):
        raise CODING
    expected = request.headers.get(hdrs.EXPECT)
    if expected is not None and expected.lower() != "100-continue":
        raise EXPECTATION


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
