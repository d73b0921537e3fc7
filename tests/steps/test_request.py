import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from openrun.core.errors import ErrorObject
from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass
from openrun.net.address import AllowList
from openrun.net.http import HttpClient
from openrun.steps.execution import StepRequest, StepRequestConfig
from openrun.steps.execution.incoming import SHOWN_BYTES
from openrun.steps.execution.request import EFFECT

from .given import a_context, error_of, ran, refusal, rendered

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PATIENCE = 10


class Net:
    """Servers on 127.0.0.1, and a client that may reach them."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def serve(self, handler: Handler) -> tuple[str, HttpClient]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None, handler_cancellation=True)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target = f"127.0.0.1:{runner.addresses[0][1]}"
        client = HttpClient(allow=AllowList.parse([target]))
        self._stack.push_async_callback(client.close)
        return f"http://{target}/", client

    async def response(self, handler: Handler, **config: Any) -> dict[str, Any]:
        """The step's output when this server answers, which is its `response` too."""
        origin, client = await self.serve(handler)
        state = StateContainer()
        step = StepRequest(id="fetch", config=rendered(StepRequestConfig, **{"url": origin} | config))
        outcome = await ran(step, state, a_context(http=client))
        assert isinstance(outcome, StepRunResult)
        assert outcome.output == state.patch["response"]
        answer: dict[str, Any] = outcome.output
        return answer

    async def sent(self, **config: Any) -> dict[str, Any]:
        """What the server saw."""
        data: dict[str, Any] = (await self.response(echo, **config))["data"]
        return data

    async def failure(self, handler: Handler, **config: Any) -> ErrorObject:
        origin, client = await self.serve(handler)
        step = StepRequest(config=rendered(StepRequestConfig, **{"url": origin} | config))
        return await error_of(step, a_context(http=client))


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    async with AsyncExitStack() as stack:
        yield Net(stack)


async def echo(request: web.Request) -> web.Response:
    return web.json_response(
        {
            "method": request.method,
            "path": request.raw_path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": (await request.read()).decode(),
        }
    )


def answering(body: bytes, content_type: str | None, status: int = 200, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        if content_type is not None:
            headers["Content-Type"] = content_type
        return web.Response(body=body, status=status, headers=headers)

    return answer


async def test_a_response_of_json_is_parsed(net: Net) -> None:
    answer = await net.response(answering(b'{"a": [1]}', "application/json", 201, **{"X-One": "1"}))
    assert answer["status"] == 201
    assert answer["headers"]["x-one"] == "1"
    assert answer["body"] == answer["data"] == {"a": [1]}


@pytest.mark.parametrize(
    ("body", "content_type", "read", "data"),
    [
        (b"hello", "text/plain", "hello", None),
        (b'{"a": 1}', "text/plain", '{"a": 1}', None),
        (b"[1]", "application/problem+json", [1], [1]),
        (b"[1]", "text/json; charset=UTF-8", [1], [1]),
        (b"null", "application/json", None, None),
        (b"", "application/json", "", None),
        (b"{", "application/json", "{", None),
        (b'{"a": NaN}', "application/json", '{"a": NaN}', None),
        (b'{"a": 1, "a": 2}', "application/json", '{"a": 1, "a": 2}', None),
        (b'"\xff"', "application/json", '"\ufffd"', None),
        ('"é"'.encode("latin-1"), "application/json; charset=iso-8859-1", "é", "é"),
        (b'"\x81"', "application/json; charset=windows-1252", '"\ufffd"', None),
        ("é".encode("latin-1"), "text/plain; charset=ISO-8859-1", "é", None),
        ("é".encode("utf-16"), "text/plain; charset=utf-16", "é", None),
        ("日本".encode("shift_jis"), "text/plain; charset=Shift_JIS", "日本", None),
        ("é".encode(), "text/plain; charset=zlib_codec", "é", None),
        ("é".encode(), "text/plain; charset=unicode_escape", "é", None),
        ("é".encode(), "text/plain; charset=iso-8859-99", "é", None),
        (b"\xff\xfe!", "application/octet-stream", "\ufffd\ufffd!", None),
        (b"plain", None, "plain", None),
    ],
)
async def test_a_body_is_json_or_text(
    net: Net, body: bytes, content_type: str | None, read: Any, data: Any
) -> None:
    answer = await net.response(answering(body, content_type))
    assert answer["body"] == read
    assert answer["data"] == data


@pytest.mark.parametrize(
    ("body", "text", "content_type"),
    [
        ({"b": 1, "a": ["é"]}, '{"b":1,"a":["é"]}', "application/json"),
        ([], "[]", "application/json"),
        (5, "5", "application/json"),
        (False, "false", "application/json"),
        ("as it is", "as it is", "text/plain; charset=utf-8"),
        (None, "", None),
    ],
)
async def test_a_body_is_sent_as_text_or_json(
    net: Net, body: Any, text: str, content_type: str | None
) -> None:
    seen = await net.sent(method="PUT", body=body)
    assert seen["body"] == text
    assert seen["headers"].get("content-type") == content_type


async def test_a_form_is_sent_as_browsers_do(net: Net) -> None:
    seen = await net.sent(method="POST", form={"a b": "c&d", "n": [1, True], "no": None})
    assert seen["body"] == "a+b=c%26d&n=1&n=true"
    assert seen["headers"]["content-type"] == "application/x-www-form-urlencoded"


async def test_the_authors_headers_win(net: Net) -> None:
    seen = await net.sent(
        method="POST", body={}, headers={"content-type": "text/x", "idempotency-key": '"mine"', "X-N": 5}
    )
    assert seen["headers"]["content-type"] == "text/x"
    assert seen["headers"]["idempotency-key"] == '"mine"'
    assert seen["headers"]["x-n"] == "5"


async def test_a_query_is_quoted_and_added(net: Net) -> None:
    origin, client = await net.serve(echo)
    query = {"q": "a&b=c", "n": 1.5, "yes": True, "tag": ["x", "y", None], "none": None, "empty": []}
    step = StepRequest(config=StepRequestConfig(url=f"{origin}p?z=1", query=query))
    outcome = await ran(step, None, a_context(http=client))
    assert isinstance(outcome, StepRunResult)
    assert outcome.output["data"]["path"] == "/p?z=1&q=a%26b%3Dc&n=1.5&yes=true&tag=x&tag=y"


@pytest.mark.parametrize(("field", "kind"), [({"x": {}}, "an object"), ({"x": [[1]]}, "a list")])
async def test_a_query_is_flat(field: dict[str, Any], kind: str) -> None:
    error = await error_of(
        StepRequest(config=StepRequestConfig(url="http://a.example", query=field)), a_context()
    )
    assert error.code == "INVALID_REQUEST"
    assert error.message.startswith(f"query.x is {kind};")


@pytest.mark.parametrize(
    ("body", "reason"),
    [({"a": {1, 2}}, "a value of type set is not JSON data"), ("\ud800", "lone surrogate")],
)
async def test_a_body_that_is_no_json_is_an_error(body: Any, reason: str) -> None:
    config = StepRequestConfig(url="http://a.example", method="POST", body=body)
    error = await error_of(StepRequest(config=config), a_context())
    assert error.code == "INVALID_REQUEST"
    assert reason in error.message


@pytest.mark.parametrize(
    ("auth", "header"),
    [({"bearer": "abc"}, "Bearer abc"), ({"username": "é", "password": "b:c"}, "Basic w6k6Yjpj")],
)
async def test_auth_is_a_header(net: Net, auth: dict[str, str], header: str) -> None:
    assert (await net.sent(auth=auth))["headers"]["authorization"] == header


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_has_an_effect_carries_the_idempotency_key(net: Net, method: str) -> None:
    context = a_context()
    seen = await net.sent(method=method)
    assert seen["method"] == method
    assert seen["headers"]["idempotency-key"] == f'"{context.effect_key(EFFECT)}"'


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PUT", "DELETE"])
async def test_what_may_be_repeated_carries_no_key(net: Net, method: str) -> None:
    seen = await net.sent(method=method)
    assert seen["method"] == method
    assert "idempotency-key" not in seen["headers"]


async def test_head_has_no_body(net: Net) -> None:
    answer = await net.response(answering(b"", "text/plain"), method="HEAD")
    assert answer["body"] == ""


@pytest.mark.parametrize(
    ("method", "effect"),
    [
        ("GET", EffectClass.IDEMPOTENT),
        ("HEAD", EffectClass.IDEMPOTENT),
        ("OPTIONS", EffectClass.IDEMPOTENT),
        ("PUT", EffectClass.IDEMPOTENT),
        ("DELETE", EffectClass.IDEMPOTENT),
        ("POST", EffectClass.EXTERNAL),
        ("PATCH", EffectClass.EXTERNAL),
    ],
)
def test_the_effect_depends_on_the_method(method: str, effect: EffectClass) -> None:
    config = StepRequestConfig(url="http://a.example", method=method)
    assert StepRequest(config=config).effect_class() is effect
    once = StepRequest(config=config, effect=EffectClass.AT_MOST_ONCE)
    assert once.effect_class() is EffectClass.AT_MOST_ONCE


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [(404, "HTTP_404", False), (500, "HTTP_500", True), (429, "RATE_LIMITED", True)],
)
async def test_a_status_that_is_a_failure_fails(net: Net, status: int, code: str, *, retryable: bool) -> None:
    handler = answering(b'{"why": "so"}', "application/json", status, **{"Retry-After": "7"})
    error = await net.failure(handler)
    assert (error.code, error.retryable) == (code, retryable)
    assert error.details == {"status": status, "body": '{"why": "so"}'}
    assert error.retry_after == (7 if status == 429 else None)


async def test_a_failure_keeps_the_beginning_of_the_body_only(net: Net) -> None:
    error = await net.failure(answering(b"x" * 10_000, "text/plain", 400))
    assert error.details is not None
    assert error.details["body"] == "x" * SHOWN_BYTES


async def test_a_failure_shows_nothing_that_was_sent(net: Net) -> None:
    secret = "hunter2"
    origin, client = await net.serve(answering(b"no", "text/plain", 403))
    config = StepRequestConfig(
        url=f"{origin}?key={secret}",
        headers={"X-Key": secret},
        query={"q": secret},
        body={"b": secret},
        auth={"bearer": secret},
    )
    error = await error_of(StepRequest(config=config), a_context(http=client))
    assert secret not in str(error)
    assert secret not in repr(config)


async def test_redirects_are_followed_unless_told_otherwise(net: Net) -> None:
    async def redirecting(request: web.Request) -> web.Response:
        if request.path == "/there":
            return web.Response(text="here")
        return web.Response(status=302, headers={"Location": "/there"})

    assert (await net.response(redirecting))["body"] == "here"
    stayed = await net.response(redirecting, follow_redirects=False)
    assert (stayed["status"], stayed["headers"]["location"]) == (302, "/there")


async def test_a_response_over_the_cap_fails(net: Net) -> None:
    error = await net.failure(answering(b"x" * 100, "text/plain"), max_bytes=99)
    assert error.code == "VALUE_TOO_LARGE"


async def test_a_response_that_state_cannot_hold_fails(net: Net) -> None:
    error = await net.failure(answering(b"x" * 2_000_001, "text/plain"))
    assert error.code == "VALUE_TOO_LARGE"
    assert "GET http://127.0.0.1" in error.message
    assert "the response cannot be kept: the value is larger than 2,000,000 bytes" in error.message


async def test_a_request_gives_up_in_time(net: Net) -> None:
    async def stuck(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    error = await net.failure(stuck, timeout=0.05)
    assert (error.code, error.retryable) == ("TIMEOUT", True)


def test_a_request_without_a_timeout_has_that_of_its_step() -> None:
    def timeout_of(**given: Any) -> float:
        config = StepRequestConfig(url="http://a.example", timeout=given.pop("own", None))
        step = StepRequest(config=config, **given)
        return step._request(config, a_context()).timeout

    assert timeout_of() == 300
    assert timeout_of(timeout="2m") == 120
    assert timeout_of(timeout="2m", own=5) == 5
    assert StepRequestConfig(url="http://a.example").timeout == 30


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"url": "ftp://a.example"}, "scheme must be http or https"),
        ({"url": "/path"}, "scheme must be http or https"),
        ({"url": "http://u:p@a.example"}, "must not carry a user or password"),
        ({"method": "TRACE"}, "Input should be 'GET'"),
        ({"method": "{{method}}"}, "Input should be 'GET'"),
        ({"body": 1, "form": {}}, "either `body` or `form`"),
        ({"auth": {"bearer": "x"}, "headers": {"AUTHORIZATION": "y"}}, "either `auth` or an Authorization"),
        (
            {"auth": {"bearer": "<<secrets.x>>"}, "headers": {"authorization": "<<a>>"}},
            "either `auth` or an Authorization",
        ),
        ({"auth": {"bearr": "<<secrets.x>>"}}, "`auth` has `bearer`, or `username` and `password`"),
        ({"auth": {"username": "a:b", "password": "c"}}, "match pattern"),
        ({"auth": {"bearer": ""}}, "at least 1 character"),
        ({"timeout": 0}, "greater than 0"),
        ({"timeout": "2d"}, "less than or equal to 86400"),
        ({"max_bytes": 11 * 2**20}, "less than or equal to 10485760"),
        ({"headers": {"a": [1]}}, "valid string"),
    ],
)
def test_a_request_that_cannot_be_is_refused(fields: dict[str, Any], reason: str) -> None:
    assert reason in refusal(StepRequestConfig, **({"url": "http://a.example"} | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "<<base>>/x"},
        {"url": "http://a.example/{{id}}"},
        {"headers": {"Authorization": "Bearer {{token}}"}},
        {"headers": "<<headers>>", "auth": {"bearer": "x"}},
        {"auth": "<<secrets.auth>>"},
        {"auth": {"username": "<<secrets.u>>", "password": "<<secrets.p>>"}},
        {"body": "<<body>>", "method": "POST"},
    ],
)
def test_templates_are_checked_once_they_are_rendered(fields: dict[str, Any]) -> None:
    given = {"url": "http://a.example"} | fields
    assert StepRequestConfig.model_validate(given).model_fields_set == given.keys()


async def test_a_rendered_url_is_checked_when_it_is_sent() -> None:
    config = rendered(StepRequestConfig, url="file:///etc/passwd")
    assert (await error_of(StepRequest(config=config), a_context())).code == "INVALID_URL"


async def test_a_private_address_is_refused() -> None:
    config = StepRequestConfig(url="http://127.0.0.1:1/")
    async with HttpClient() as client:
        assert (await error_of(StepRequest(config=config), a_context(http=client))).code == "ADDRESS_REFUSED"


def test_a_document_of_a_request_has_only_what_was_given() -> None:
    given = {"url": "http://a.example/{{id}}", "method": "POST", "auth": {"bearer": "<<secrets.t>>"}}
    config = StepRequestConfig.model_validate(given)
    dumped = config.model_dump(mode="json", exclude_defaults=True, warnings=False)
    assert json.loads(json.dumps(dumped)) == given
