from typing import Any

import pytest

from openrun.triggers.base import Arrival
from openrun.triggers.headers import shown_headers

from .given import ALL_PARTS, a_request, an_endpoint, proving

PLAIN = an_endpoint().config


def test_names_are_in_lower_case_and_repeated_values_joined() -> None:
    headers = (("X-One", "1"), ("Accept", "a/b"), ("x-one", "2"), ("X-ONE", ""))
    arrival = Arrival(method="POST", raw_path="/", headers=headers, received_at=0)
    assert shown_headers(arrival, PLAIN) == {"x-one": "1, 2, ", "accept": "a/b"}


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "Proxy-Authorization", "X-Forwarded-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "ApiKey",
        "x_api_key", "X-Amz-Security-Token", "X-Gitlab-Token", "X-Token", "Client-Secret", "X-Password", "X-Passwd",
        "X-Credentials", "X-Goog-IAP-JWT-Assertion", "JWT", "Ocp-Apim-Access-Key", "X-Auth-Key",
    ],
)  # fmt: skip
def test_what_could_be_a_secret_is_masked(name: str) -> None:
    twice = Arrival(
        method="POST", raw_path="/", headers=((name, "s3cret"), (name.upper(), "x")), received_at=0
    )
    assert shown_headers(twice, PLAIN) == {name.lower(): "***"}


@pytest.mark.parametrize(
    ("proof", "name"),
    [
        ({**proving("header"), "name": "X-Shop"}, "X-Shop"),
        (proving("basic"), "Authorization"),
        ({**ALL_PARTS, "secret": "new"}, "X-Signature"),
    ],
)
def test_the_header_that_callers_prove_themselves_with_is_masked(proof: dict[str, Any], name: str) -> None:
    config = an_endpoint(signature=proof).config
    assert shown_headers(a_request(headers={name.upper(): "s3cret", "X-Id": "7"}), config) == {
        name.lower(): "***",
        "x-id": "7",
    }


@pytest.mark.parametrize(
    "name", ["Host", "User-Agent", "X-GitHub-Event", "webhook-signature", "X-Author", "Accept", "ETag"]
)
def test_other_headers_are_shown(name: str) -> None:
    assert shown_headers(a_request(headers={name: "x"}), an_endpoint(signature=proving("github")).config) == {
        name.lower(): "x"
    }


def test_bytes_that_are_no_utf8_are_shown_as_a_sign() -> None:
    assert shown_headers(a_request(headers={"X-A": "a\udcffb", "X-B": "ä"}), PLAIN) == {
        "x-a": "a\N{REPLACEMENT CHARACTER}b",
        "x-b": "ä",
    }
