"""Values that are well-formed and meant badly, in every place that takes one: none of them is our fault."""

import asyncio
import json
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest

from openrun.runtime.clock import SystemClock
from openrun.server import health
from openrun.server.api import ROUTES
from openrun.server.openapi import document
from openrun.server.route import Route
from openrun.server.samples import sample
from tests.server.crowded import HOOKED, Crowded, crowded
from tests.server.hostile import Reply, Wire, request

ALL = (*health.routes(SystemClock()), *ROUTES)
DOCUMENT = document(ALL)
COMPONENTS = DOCUMENT["components"]["schemas"]
FITTING = 4
"""Names of what there is, that a path is tried with."""

TEXTS = (
    b"",
    b"\x00",
    b"a\x00b",
    b"\r\nX: y",
    b"\x7f",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "\u202e\ufeff\u2028".encode(),
    "\U0010ffff".encode(),
    b"..",
    b"%",
    b"%00",
    b"_",
    b"'; DROP TABLE runs; --",
    b"<<secrets.hub>>",
    b"{{ 1/0 }}",
    b"1e999",
    b"NaN",
    b"-1",
    b"0",
    b"9" * 30,
    str(2**63).encode(),
    str(-(2**63) - 1).encode(),
    b"1.5",
    b"true",
    b"null",
    b"[]",
    b"9999-12-31T23:59:59.999999+14:00",
    b"0001-01-01T00:00:00-23:59",
    b"2026-02-30T00:00:00Z",
    b"1" * 5_000,
    b"a" * 5_000,
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, 2**53, 2**63, -(2**63) - 1, 10**40),
    *("", "\x00", "a\x00b", "\x7f", "\r\n", "\ufffe", "\U0010ffff", "'; --", "<<secrets.hub>>", "{{ 1/0 }}"),
    *("a" * 5_000, "9999-12-31T23:59:59.999999+14:00", "0001-01-01T00:00:00-23:59", "1e999", "/", "#/a"),
    *(
        [],
        {},
        [None],
        [[]],
        {"": None},
        {"\x00": "\x00"},
        [0] * 1_000,
        {"a": {"a": {"a": {}}}},
        {"$ref": "#"},
    ),
)
LONE_SURROGATE = b'"\\ud800"'


@pytest.fixture(scope="module")
def place() -> Iterator[Crowded]:
    with crowded() as made:
        yield made


def asked(place: Crowded, data: list[bytes]) -> list[Reply]:
    """The replies to requests, sent one after another."""

    async def ask() -> list[Reply]:
        replies = []
        for each in data:
            async with await Wire.open(place.address) as wire:
                await wire.send(each)
                replies.append(await wire.reply())
        return replies

    return asyncio.run(ask())


def blamed(data: list[bytes], replies: list[Reply]) -> list[tuple[bytes, int, bytes]]:
    """Where it was our fault, and what was sent."""
    return [
        (sent[:2_000], reply.status, reply.body)
        for sent, reply in zip(data, replies, strict=True)
        if reply.status >= 500
        or (reply.status >= 400 and "problem+json" not in reply.headers["content-type"])
    ]


def paths(place: Crowded, route: Route) -> list[str]:
    """The path with names that there are."""
    made = []
    for number in range(FITTING if route.parameters else 1):
        path = route.path
        for name in route.parameters:
            known = place.names.get(f"{route.tag}.{name}") or place.names[name]
            path = path.replace(f"{{{name}}}", known[number % len(known)])
        made.append(path)
    return list(dict.fromkeys(made))


def sent(place: Crowded, route: Route, path: str, body: bytes = b"", **headers: str) -> bytes:
    kinds = {"Content_Type": route.body_types[0]} if route.body else {}
    given = {"Authorization": f"Bearer {place.key}", **kinds, **headers}
    return request(route.method, path, body or (b"{}" if route.body else b""), **given)


@pytest.mark.parametrize("route", ALL, ids=lambda route: route.operation)
def test_no_value_in_a_query_is_our_fault(place: Crowded, route: Route) -> None:
    names = [field.alias or name for name, field in route.query.model_fields.items()] or ["a"]
    needed = "".join(
        f"&{field.alias or name}={(field.examples or [''])[0]}"
        for name, field in route.query.model_fields.items()
        if field.is_required()
    )
    path = paths(place, route)[0]
    data = []
    for name in names:
        others = "".join(each for each in needed.split("&") if not each.startswith(f"{name}="))
        data += [sent(place, route, f"{path}?{name}={quote_from_bytes(text)}&{others}") for text in TEXTS]
    assert blamed(data, asked(place, data)) == []


@pytest.mark.parametrize("route", [each for each in ALL if each.body], ids=lambda route: route.operation)
def test_no_value_in_a_body_is_our_fault(place: Crowded, route: Route) -> None:
    content = DOCUMENT["paths"][route.path][route.method.lower()]["requestBody"]["content"]
    schema = next(iter(content.values()))["schema"]
    whole, least = sample(schema, COMPONENTS, whole=True), sample(schema, COMPONENTS)
    data = []
    for path in paths(place, route):
        for name in whole:
            for base in (least, whole):
                data += [sent(place, route, path, _body({**base, name: value})) for value in VALUES]
            data.append(
                sent(
                    place,
                    route,
                    path,
                    _body({**least, name: "surrogate"}).replace(b'"surrogate"', LONE_SURROGATE),
                )
            )
    random.Random(7).shuffle(data)  # noqa: S311
    data = data[:200]
    assert blamed(data, asked(place, data)) == []


def _body(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


HEADERS = (
    *(
        "OpenRun-Namespace",
        "Idempotency-Key",
        "X-Request-ID",
        "Prefer",
        "Accept",
        "If-Match",
        "If-None-Match",
    ),
    *("Last-Event-ID", "traceparent", "tracestate", "Origin", "Authorization", "X-API-Key", "Content-Type"),
    *("Content-Encoding", "Range", "Expect", "Host", "Cookie", "X-Forwarded-For"),
)


READING_HEADERS = {route.tag: route for route in ALL} | {
    route.operation: route for route in ALL if route.headers
}


@pytest.mark.parametrize("route", READING_HEADERS.values(), ids=lambda route: route.operation)
def test_no_value_in_a_header_is_our_fault(place: Crowded, route: Route) -> None:
    path = paths(place, route)[0]
    texts = [each for each in TEXTS if not set(each) & set(b"\r\n\x00")]
    plain = sent(place, route, path)
    head, _, body = plain.partition(b"\r\n\r\n")
    data = [
        head.replace(b"\r\n" + name.encode() + b": ", b"\r\nX-Old: ") + b"\r\n%b: %b" % (name.encode(), text)
        + b"\r\n\r\n" + body
        for name in HEADERS
        for text in texts[::4]
    ]  # fmt: skip
    found = blamed(data, asked(place, data))
    assert [each for each in found if each[1] >= 500] == []


# -- webhooks -------------------------------------------------------------------------------------

HOOKS = [flow["steps"][0]["config"] for flow in HOOKED]
ALPHABET = (b"/", b"a", b"..", b".", b"%2f", b"%2F", b"%00", b"%ff", b"%", b"%e", b"@", b"{x}", b"\xff", b";", b"?",
            b"//", b"orders", b"echo", b"@shop", b"%40", b"\\", b"=", b"&", b"%0a", b"#", b"*", b":", b"[")  # fmt: skip
BODIES = (
    (b"application/json", b'{"lines": [{"sku": "\x00"}]}'),
    (b"application/json", b'{"lines": [{"sku": "\\ud800"}]}'),
    (b"application/json", b'{"lines": [{"sku": "\\u0000"}], "\\u0000": 1}'),
    (b"application/json", b"[" * 5_000),
    (b"application/json", b"9" * 5_000),
    (b"application/json", b"1e99999"),
    (b"application/json", b'{"a": 1, "a": 2}'),
    (b"application/json; charset=utf-16", b"{}"),
    (b"application/json; charset=\xff", b"{}"),
    (b"application/cloudevents+json", b'{"specversion": "1.0", "id": "\\u0000"}'),
    (b"application/cloudevents-batch+json", b"[]"),
    (b"application/x-www-form-urlencoded", b"a=%00&b=%ff&=&&&a"),
    (b"application/x-www-form-urlencoded", b"&".join([b"a=1"] * 2_000)),
    (b"multipart/form-data; boundary=x", b"--x\r\n\r\n--x--"),
    (b"text/plain; charset=klingon", b"\xff"),
    (b"text/plain", b"\x00\xff"),
    (b"application/octet-stream", bytes(range(256))),
    (b"", b"\xff"),
    (b"a" * 300, b"{}"),
    (b";;;=", b"{}"),
    (b"\xff/\xfe", b"{}"),
)


def hook(method: bytes, target: bytes, kind: bytes = b"", body: bytes = b"", more: bytes = b"") -> bytes:
    head = b"%b %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % (method, target, len(body))
    return head + (b"Content-Type: %b\r\n" % kind if kind else b"") + more + b"\r\n" + body


def test_no_path_below_hooks_is_our_fault(place: Crowded) -> None:
    draw = random.Random(5)  # noqa: S311
    targets = [b"/hooks" + b"".join(draw.choices(ALPHABET, k=draw.randint(1, 7))) for _ in range(600)]
    targets += [b"/hooks/" + b"a/" * 2_000, b"/hooks/" + b"%41" * 1_000, b"/hooks", b"/hooks/", b"/hooks?a=b"]
    data = [hook(draw.choice([b"POST", b"GET", b"PUT", b"HEAD", b"OPTIONS"]), each) for each in targets]
    data = [each for each in data if not each.startswith(b"HEAD")]
    assert blamed(data, asked(place, data)) == []


def test_no_body_of_a_webhook_is_our_fault(place: Crowded) -> None:
    data = []
    for config in HOOKS:
        path = b"/hooks" + config["path"].replace("{shop}", "a%20b").encode()
        data += [hook(b"POST", path, kind, body) for kind, body in BODIES]
        data += [hook(b"POST", path + b"?a=" + quote_from_bytes(text).encode()) for text in TEXTS]
        data += [hook(b"POST", path + b"?" + quote_from_bytes(text).encode() + b"=a") for text in TEXTS]
    found = [each for each in blamed(data, _heads(place, data)) if each[1] >= 500]
    assert found == []


def _heads(place: Crowded, data: list[bytes]) -> list[Reply]:
    """Replies, those that are streams included: each is read to its end."""
    return asked(place, [each.replace(b"\r\n", b"\r\nPrefer: respond-async\r\n", 1) for each in data])


def test_no_header_of_a_webhook_is_our_fault(place: Crowded) -> None:
    names = (b"X-Hub-Signature-256", b"X-GitHub-Delivery", b"Prefer", b"traceparent", b"tracestate", b"ce-id",
             b"ce-specversion", b"Idempotency-Key", b"webhook-id", b"Content-Encoding", b"X-Forwarded-For", b"Date",
             b"Content-Digest", b"Accept")  # fmt: skip
    texts = [each for each in TEXTS if not set(each) & set(b"\r\n\x00")]
    data = [
        hook(b"POST", b"/hooks" + path, b"application/json", b"{}", b"%b: %b\r\n" % (name, text))
        for path in (b"/signed", b"/last", b"/orders/a")
        for name in names
        for text in texts
    ]
    assert [each for each in blamed(data, asked(place, data)) if each[1] >= 500] == []
