"""Which addresses somebody may give to be requested later."""

import socket
from typing import Any

import pytest

from openrun.core.errors import PermanentError
from openrun.net.address import AllowList
from openrun.net.target import Targets

NOTHING: list[Any] = []


def found(*addresses: str) -> Any:
    def lookup(_host: str, port: int, **_more: Any) -> list[tuple[Any, ...]]:
        family = socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    return lookup


def missing(*_args: Any, **_more: Any) -> list[tuple[Any, ...]]:
    raise socket.gaierror(socket.EAI_NONAME, "not found")


async def refused(targets: Targets, url: str) -> str:
    with pytest.raises(PermanentError) as error:
        await targets.check(url, place="subscription")
    return error.value.error.code


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/hook",
        "http://[::1]:8080/",
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.7/",
        "http://0x7f000001/",
        "http://[::ffff:127.0.0.1]/",
    ],
)
async def test_a_private_address_is_refused(url: str) -> None:
    targets = Targets(AllowList(), found("127.0.0.1"))
    assert await refused(targets, url) == "ADDRESS_REFUSED"


async def test_a_name_that_leads_to_nothing_but_private_addresses_is_refused() -> None:
    targets = Targets(AllowList(), found("10.0.0.7", "127.0.0.1"))
    assert await refused(targets, "https://inside.example/hook") == "ADDRESS_REFUSED"


async def test_the_operator_opens_a_private_address_by_listing_it() -> None:
    targets = Targets(AllowList.parse(["127.0.0.1:8080"]), found("127.0.0.1"))
    assert str(await targets.check("http://127.0.0.1:8080/a?b=c", place="x")) == "http://127.0.0.1:8080/a?b=c"
    assert await refused(targets, "http://127.0.0.1:8081/a") == "ADDRESS_REFUSED"


async def test_public_addresses_and_names_that_are_not_found_yet_pass() -> None:
    await Targets(AllowList(), found("93.184.216.34")).check("https://example.com/hook", place="x")
    await Targets(AllowList(), found("10.0.0.7", "93.184.216.34")).check("https://example.com/", place="x")
    await Targets(AllowList(), missing).check("https://later.example/hook", place="x")


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com", "https://user:pass@example.com", "file:///etc/passwd", "hook", "https:///x", ""],
)
async def test_what_cannot_be_requested_is_refused(url: str) -> None:
    assert await refused(Targets(AllowList(), missing), url) == "INVALID_URL"
