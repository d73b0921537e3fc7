import pytest
from yarl import URL

from openrun.core.errors import PermanentError
from openrun.net.redirect import Hop, is_credential, next_hop

SECRETS = {
    "Authorization": "a",
    "COOKIE": "b",
    "Proxy-Authorization": "c",
    "X-Api-Key": "d",
    "X-Auth": "e",
    "X-Session-Id": "f",
    "X-Hub-Signature-256": "g",
    "X-Password": "h",
    "Client-Secret": "i",
    "X-Access-Token": "j",
    "Host": "k",
}
PLAIN = {"Accept": "text/plain", "User-Agent": "me", "X-Request-Id": "1"}


def hop(method: str = "POST", url: str = "https://a.example/one/two?q=1") -> Hop:
    return Hop(
        method=method, url=URL(url), headers=SECRETS | PLAIN | {"Content-Type": "text/plain"}, body=b"body"
    )


def followed(start: Hop, status: int, location: str) -> Hop:
    result = next_hop(start, status, location)
    assert result is not None
    return result


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 306, 404])
def test_only_redirects_are_followed(status: int) -> None:
    assert next_hop(hop(), status, "/x") is None


def test_a_redirect_without_location_is_not_followed() -> None:
    assert next_hop(hop(), 302, None) is None


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "DELETE", "GET"),
        (303, "GET", "GET"),
        (303, "HEAD", "HEAD"),
        (301, "PUT", "PUT"),
        (302, "DELETE", "DELETE"),
        (302, "GET", "GET"),
        (302, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ],
)
def test_methods_change_as_browsers_change_them(status: int, method: str, then: str) -> None:
    assert followed(hop(method), status, "/x").method == then


def test_a_request_that_becomes_a_get_loses_its_body_and_what_describes_it() -> None:
    moved = followed(hop("POST"), 303, "/x")
    assert moved.body is None
    assert moved.headers == SECRETS | PLAIN


def test_a_request_that_keeps_its_method_keeps_its_body() -> None:
    moved = followed(hop("POST"), 307, "/x")
    assert moved.body == b"body"
    assert moved.headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    "location", ["https://b.example/", "https://a.example:8443/", "//b.example/", "https://a.example./"]
)
def test_credentials_are_dropped_on_a_change_of_origin(location: str) -> None:
    assert followed(hop("GET"), 302, location).headers == PLAIN | {"Content-Type": "text/plain"}


@pytest.mark.parametrize(
    "location", ["https://A.example/x", "https://a.example:443/x", "/x", "x", "?x", "#x"]
)
def test_credentials_are_kept_within_an_origin(location: str) -> None:
    assert followed(hop("GET"), 302, location).headers.items() >= SECRETS.items()


def test_credentials_are_dropped_when_http_becomes_https() -> None:
    assert (
        not followed(hop("GET", "http://a.example/"), 302, "https://a.example/").headers.keys()
        & SECRETS.keys()
    )


def test_credentials_once_dropped_do_not_return_with_the_origin() -> None:
    away = followed(hop("GET"), 302, "https://b.example/")
    assert not followed(away, 302, "https://a.example/").headers.keys() & SECRETS.keys()


@pytest.mark.parametrize("name", SECRETS)
def test_a_credential_is_told_by_its_name_in_any_case(name: str) -> None:
    assert is_credential(name)
    assert is_credential(name.upper())
    assert is_credential(name.lower())


def test_a_redirect_from_https_to_http_is_refused() -> None:
    with pytest.raises(PermanentError, match="without encryption") as caught:
        next_hop(hop(), 302, "http://a.example/x?token=t")
    assert caught.value.error.code == "REDIRECT_REFUSED"
    assert "token" not in str(caught.value)


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://a.example/",
        "javascript:alert(1)",
        "data:text/plain,x",
        "https://user:hunter2@a.example/",
        "https://a.example:0/",
        "https://a.example:99999/",
        "https://[::1/",
        "https:///x",
        "/x\r\nX-Injected: 1",
        "https://evil.example\\@a.example/",
    ],
)
def test_a_location_that_cannot_be_requested_fails_without_being_quoted(location: str) -> None:
    with pytest.raises(PermanentError) as caught:
        next_hop(hop(), 302, location)
    assert caught.value.error.code == "INVALID_URL"
    assert "hunter2" not in str(caught.value)


def test_a_relative_location_is_joined_to_the_url_it_came_from() -> None:
    assert str(followed(hop(), 302, "../x?y=1#frag").url) == "https://a.example/x?y=1"
