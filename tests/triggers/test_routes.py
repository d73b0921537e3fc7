import re
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openrun.triggers.routes import Endpoint, Found, NoMethod, NoPath, Routes

from .given import an_endpoint


def routes(*endpoints: Endpoint) -> Routes:
    table, conflicts = Routes.of(endpoints)
    assert conflicts == ()
    return table


def found(table: Routes, path: str, method: str = "POST") -> tuple[str, dict[str, str]] | None:
    """The declared path that a request comes to, and what its parameters capture."""
    match table.find(method, path):
        case Found(endpoint=endpoint, parameters=parameters):
            return endpoint.path, dict(parameters)
        case _:
            return None


def test_a_path_is_found_with_and_without_a_slash_at_its_end() -> None:
    table = routes(an_endpoint("/"), an_endpoint("/orders"), an_endpoint("/orders/new/"))
    assert found(table, "/") == ("/", {})
    assert found(table, "/orders") == found(table, "/orders/") == ("/orders", {})
    assert found(table, "/orders/new/") == ("/orders/new", {})


@pytest.mark.parametrize(
    "path",
    [
        "", "orders", "//", "//orders", "/orders//", "/orders/new//", "/orders//new", "/orders/x", "/Orders", "/order",
        "/orders/./new", "/orders/../orders", "/orders/%2e/new", "/x/%2E%2e/orders", "/orders/.%2e", "/%6frders",
        "/orders%2Fnew", "/orders%2F", "/orders\\new", "/orders;a=1", "/orders?", "/orders#x", "/orders ", "/orders\0",
        "/orders/new\n", "/ orders", "/örders", "/orders/\udcff", "*", "http://a/orders", "/orders/new/x",
    ],
)  # fmt: skip
def test_a_path_that_is_not_the_declared_one_to_the_letter_leads_nowhere(path: str) -> None:
    table = routes(an_endpoint("/"), an_endpoint("/orders"), an_endpoint("/orders/new"))
    assert table.find("POST", path) == NoPath()


def test_a_parameter_captures_one_segment_decoded_once() -> None:
    table = routes(an_endpoint("/users/{user}/files/{file}"))
    captured = found(table, "/users/ada%20l/files/%2Fetc%2Fpasswd")
    assert captured == ("/users/{user}/files/{file}", {"user": "ada l", "file": "/etc/passwd"})
    assert found(table, "/users/%2525/files/%C3%A4") == (captured[0], {"user": "%25", "file": "ä"})
    assert found(table, "/users/+/files/a%2e%2e") == (captured[0], {"user": "+", "file": "a.."})


@pytest.mark.parametrize(
    "segment",
    [
        "",
        ".",
        "..",
        "%2e",
        "%2E%2E",
        ".%2e",
        "%",
        "%2",
        "%zz",
        "%ff",
        "%C3",
        "%ED%A0%80",
        "ä",
        "\udcff",
        "a b",
        "a\tb",
        "a?b",
        "a#b",
    ],
)
def test_a_parameter_takes_no_segment_that_is_empty_dots_or_not_well_formed(segment: str) -> None:
    table = routes(an_endpoint("/users/{user}/files"), an_endpoint("/{one}"))
    assert table.find("POST", f"/users/{segment}/files") == NoPath()
    assert table.find("POST", f"/{segment}") == NoPath()


def test_a_literal_comes_before_a_parameter_segment_by_segment() -> None:
    table = routes(
        an_endpoint("/{a}/{b}"), an_endpoint("/{a}/new"), an_endpoint("/users/{b}"), an_endpoint("/users/new")
    )
    assert found(table, "/users/new") == ("/users/new", {})
    assert found(table, "/users/7") == ("/users/{b}", {"b": "7"})
    assert found(table, "/shops/new") == ("/{a}/new", {"a": "shops"})
    assert found(table, "/shops/7") == ("/{a}/{b}", {"a": "shops", "b": "7"})


def test_a_literal_that_leads_nowhere_leaves_the_parameter() -> None:
    table = routes(an_endpoint("/a/{x}/c"), an_endpoint("/{y}/b/d"))
    assert found(table, "/a/b/d") == ("/{y}/b/d", {"y": "a"})


def test_names_of_parameters_belong_to_each_webhook() -> None:
    table = routes(an_endpoint("/u/{id}", method="GET"), an_endpoint("/u/{user}", method="POST"))
    assert found(table, "/u/7", "GET") == ("/u/{id}", {"id": "7"})
    assert found(table, "/u/7", "POST") == ("/u/{user}", {"user": "7"})


def test_a_method_that_no_webhook_of_the_path_takes_is_told_from_a_path_that_none_has() -> None:
    table = routes(an_endpoint("/u/me", methods=("PUT", "GET")), an_endpoint("/u/{user}", method="DELETE"))
    assert table.find("POST", "/u/me") == NoMethod(allowed=("DELETE", "GET", "PUT"))
    assert table.find("POST", "/u/7") == NoMethod(allowed=("DELETE",))
    assert found(table, "/u/me", "DELETE") == ("/u/{user}", {"user": "me"})
    assert table.find("POST", "/u") == NoPath()


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "get", "TRACE", ""])
def test_no_method_is_implied(method: str) -> None:
    table = routes(an_endpoint("/", method="GET"))
    assert table.find(method, "/") == NoMethod(allowed=("GET",))
    assert found(routes(an_endpoint("/", methods=("HEAD", "OPTIONS"))), "/", "HEAD") is not None


def test_namespaces_keep_their_webhooks_apart() -> None:
    table = routes(
        an_endpoint("/{any}/{more}"),
        an_endpoint("/orders"),
        an_endpoint("/orders", namespace="acme"),
        an_endpoint("/", namespace="acme"),
    )
    assert found(table, "/orders") == ("/orders", {})
    assert found(table, "/@acme/orders") == ("/@acme/orders", {})
    assert found(table, "/@acme") == found(table, "/@acme/") == ("/@acme", {})
    for path in (
        "/@acme/x",
        "/@beta/orders",
        "/%40acme/orders",
        "/@default/orders",
        "/@/orders",
        "/%40x/y",
        "/@acm%65/orders",
    ):
        assert table.find("POST", path) == NoPath()
    assert found(table, "/x/@acme") == ("/{any}/{more}", {"any": "x", "more": "@acme"})


def test_of_two_flows_with_the_same_route_the_first_one_keeps_it() -> None:
    first = an_endpoint("/u/{id}", flow_id="a", methods=("GET", "POST"))
    second = an_endpoint("/u/{user}/", flow_id="b", methods=("POST", "PUT"))
    third = an_endpoint("/u/{x}", flow_id="c", method="GET")
    elsewhere = an_endpoint("/u/{id}", flow_id="d", namespace="acme")
    table, conflicts = Routes.of([first, second, third, elsewhere])
    assert [(each.route, each.kept, each.refused) for each in conflicts] == [
        ("POST /u/{}", first, second),
        ("GET /u/{}", first, third),
    ]
    assert table.endpoints == (first, second, elsewhere)
    assert table.find("PUT", "/u/7") == Found(endpoint=second, parameters={"user": "7"})
    assert table.find("POST", "/u/7") == Found(endpoint=first, parameters={"id": "7"})


def test_a_conflict_in_a_namespace_names_the_whole_route() -> None:
    one, two = (an_endpoint("/u/{id}", flow_id=name, namespace="acme") for name in "ab")
    _, (conflict,) = Routes.of([one, two])
    assert conflict.route == "POST /@acme/u/{}"


def test_what_was_found_cannot_be_changed() -> None:
    match routes(an_endpoint("/{a}")).find("POST", "/x"):
        case Found(parameters=parameters):
            with pytest.raises(TypeError):
                parameters["a"] = "y"  # type: ignore[index]
        case other:
            pytest.fail(f"{other}")


# -- against an oracle that tries every webhook in turn -----------------------------------------------

WELL_FORMED = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:@\"<>\\^`{|}\[\]/-]|%[0-9A-Fa-f]{2})*", re.ASCII)


def captures(declared: str, path: str) -> dict[str, str] | None:
    """What a declared path captures of a request's, or None; slow and plain."""
    if not path.startswith("/") or WELL_FORMED.fullmatch(path) is None:
        return None
    wanted = [] if declared == "/" else declared.split("/")[1:]
    pieces = path.removesuffix("/").split("/")[1:]
    if len(wanted) != len(pieces):
        return None
    taken: dict[str, str] = {}
    for at, (pattern, piece) in enumerate(zip(wanted, pieces, strict=True)):
        data = unquote(piece, errors="surrogateescape")
        if piece == "" or data in (".", "..") or not data.isprintable():
            return None
        if not pattern.startswith("{"):
            if pattern != piece:
                return None
        elif at == 0 and data.startswith("@"):
            return None
        else:
            taken[pattern[1:-1]] = data
    return taken


def specificity(declared: str) -> list[bool]:
    return [segment.startswith("{") for segment in declared.split("/")]


SEGMENTS = st.sampled_from(["a", "b", "c", "{x}", "{y}"])
DECLARED = (
    st.lists(SEGMENTS, max_size=4)
    .map(lambda parts: "/" + "/".join(parts))
    .filter(lambda path: all(path.count(name) < 2 for name in ("{x}", "{y}")))
)
METHOD = st.sampled_from(["GET", "POST"])
PIECES = st.sampled_from(
    [
        "a",
        "b",
        "c",
        "d",
        "%61",
        "A",
        "",
        ".",
        "..",
        "%2e",
        "%2F",
        "a%2fb",
        "%zz",
        "%ff",
        "ä",
        "@ns",
        "%40ns",
        "{x}",
        "%25",
    ]
)
REQUESTED = st.lists(PIECES, max_size=5).map(lambda parts: "/" + "/".join(parts)) | st.text(max_size=8)


@given(st.lists(st.tuples(METHOD, DECLARED), max_size=8), METHOD, REQUESTED)
@example([("POST", "/a/{x}/c"), ("POST", "/{x}/b/a")], "POST", "/a/b/a")
def test_the_table_finds_what_trying_every_webhook_finds(
    declared: list[tuple[str, str]], method: str, path: str
) -> None:
    table, conflicts = Routes.of([an_endpoint(each, method=its) for its, each in declared])
    matching = [(its, each, taken) for its, each in declared if (taken := captures(each, path)) is not None]
    expected: Any = NoMethod(allowed=tuple(sorted({its for its, _, _ in matching}))) if matching else NoPath()
    taking = [(each, taken) for its, each, taken in matching if its == method]
    answer = table.find(method, path)
    if not taking:
        assert answer == expected
        return
    each, taken = min(taking, key=lambda pair: specificity(pair[0]))
    assert isinstance(answer, Found)
    assert (answer.endpoint.config.path, dict(answer.parameters)) == (each, taken)
    patterns = [(its, re.sub("{.}", "{}", each)) for its, each in declared]
    assert len(conflicts) == len(patterns) - len(set(patterns))


@given(st.text(max_size=40), METHOD)
def test_no_path_whatever_makes_it_fail(path: str, method: str) -> None:
    table = routes(an_endpoint("/"), an_endpoint("/{a}"), an_endpoint("/{a}/{b}", namespace="ns"))
    assert isinstance(table.find(method, "/" + path), Found | NoPath | NoMethod)


def test_work_does_not_grow_with_what_the_path_repeats() -> None:
    """Each node of the tree is entered once: a hundred segments over twin branches would not end otherwise."""
    table = routes(an_endpoint("/" + "a/" * 60 + "b"), an_endpoint("/{x}/" + "a/" * 59 + "c"))
    assert table.find("POST", "/" + "a/" * 60 + "d") == NoPath()
    assert table.find("POST", "/" + "a/" * 100_000) == NoPath()
