import pytest

from openrun.core.errors import PermanentError
from openrun.net.url import parse_url, shown


def refused(text: str) -> PermanentError:
    with pytest.raises(PermanentError) as caught:
        parse_url(text, place="GET x")
    assert caught.value.error.code == "INVALID_URL"
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/path",
        "/path",
        "//example.com/",
        "http:",
        "http://",
        "http:///path",
        "https:/path",
        "http://:80/",
        "http://exa mple.com/",
        "http://exa;mple.com/",
        "http://*/",
        "http://%6cocalhost/",
        "http://-x/",
        "http://[::1",
        "http://[zz]/",
        "http://a.example\\b/",
        "http://a\nb.example/",
        "http://a.example/\r\nHost: b",
        "http://a.example/\x00",
        "http://a.example\t/",
        "http://a.example/\ud800",
    ],
)
def test_a_text_that_is_no_absolute_url_is_refused(text: str) -> None:
    refused(text)


@pytest.mark.parametrize("scheme", ["file", "ftp", "gopher", "ws", "data", "javascript", "unix", "httpx"])
def test_only_http_and_https_are_spoken(scheme: str) -> None:
    assert f"not {scheme!r}" in str(refused(f"{scheme}://a.example/"))


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "1.5"])
def test_a_port_that_no_server_can_have_is_refused(port: str) -> None:
    refused(f"http://a.example:{port}/")


@pytest.mark.parametrize(
    "text",
    [
        "http://joe:hunter2@a.example/",
        "http://hunter2@a.example/",
        "http://:hunter2@a.example/",
        "http://joe:hunter2\\@a.example/",
        "http://joe:hunter2@a.example:99999/",
        "http://joe:hunter2@[::1/",
        "http://joe:hunter2@a℀b.example/",
        "ftp://joe:hunter2@a.example/",
        "/path?hunter2",
        "http://a.example:x/?hunter2",
    ],
)
def test_a_refused_url_does_not_show_its_secrets(text: str) -> None:
    assert "hunter2" not in str(refused(text))
    assert "hunter2" not in shown(text)


def test_query_parameters_are_added_to_those_of_the_url() -> None:
    url = parse_url("http://a.example/?x=1", {"x": ["2", 3], "y": "a b&c", "z": 1.5}, place="GET x")
    assert str(url) == "http://a.example/?x=1&x=2&x=3&y=a+b%26c&z=1.5"


@pytest.mark.parametrize("value", [True, None, float("nan"), {"a": 1}, [None]])
def test_a_query_value_that_has_no_text_is_refused(value: object) -> None:
    with pytest.raises(PermanentError, match="query values"):
        parse_url("http://a.example/", {"x": value}, place="GET x")  # type: ignore[dict-item]


def test_a_fragment_is_dropped() -> None:
    assert str(parse_url("http://a.example/x#frag", place="GET x")) == "http://a.example/x"


def test_a_url_is_shown_without_user_query_and_fragment() -> None:
    assert shown("https://joe:pw@a.example:8443/p/q?token=t#f") == "https://a.example:8443/p/q"


def test_a_foreign_host_is_requested_by_its_ascii_name() -> None:
    assert parse_url("https://münchen.example/", place="GET x").raw_host == "xn--mnchen-3ya.example"
