"""The same call under the same key: made once, answered alike."""

import asyncio

from openrun.server.access import Role
from tests.server.site import Site

KEY = {"Idempotency-Key": '"8e03978e"'}


async def start(it: Site, body: object, headers: dict[str, str], key: str = "") -> tuple[int, str, bool]:
    """Status, run and whether the answer was given before."""
    got = await it.call("POST", "/v1/runs", body=body, headers=headers, key=key)
    return got.status, got.json.get("run_id", ""), "Idempotency-Replayed" in got.headers


async def test_a_key_gives_the_first_answer_again(greeting: Site) -> None:
    body = {"flow": "greet", "input": {"path": {"name": "ada"}}}
    first = await start(greeting, body, KEY)
    again = await start(greeting, body, KEY)
    assert (first[0], first[2]) == (202, False)
    assert again == (202, first[1], True)


async def test_calls_under_one_key_at_once_are_one_call(greeting: Site) -> None:
    body = {"flow": "greet", "input": {"path": {"name": "ada"}}}
    answers = await asyncio.gather(*(start(greeting, body, KEY) for _ in range(20)))
    assert {status for status, _, _ in answers} == {202}
    assert len({run_id for _, run_id, _ in answers}) == 1


async def test_a_key_that_said_something_else_is_refused(greeting: Site) -> None:
    await start(greeting, {"flow": "greet", "input": {"path": {"name": "ada"}}}, KEY)
    got = await greeting.call(
        "POST", "/v1/runs", body={"flow": "greet", "input": {"path": {"name": "eve"}}}, headers=KEY
    )
    assert (got.status, got.json["code"]) == (422, "key_reused")


async def test_a_key_counts_for_whoever_sent_it_alone(greeting: Site) -> None:
    other = await greeting.key_for(Role.OPERATOR, "default")
    body = {"flow": "greet", "input": {"path": {"name": "ada"}}}
    first = await start(greeting, body, KEY)
    theirs = await start(greeting, body, KEY, key=other)
    assert (theirs[0], theirs[2]) == (202, False)
    assert theirs[1] != first[1]


async def test_quoted_and_bare_keys_are_the_same_and_nonsense_is_refused(greeting: Site) -> None:
    body = {"flow": "greet", "input": {"path": {"name": "ada"}}}
    first = await start(greeting, body, KEY)
    bare = await start(greeting, body, {"Idempotency-Key": "8e03978e"})
    assert bare == (202, first[1], True)
    for nonsense in ('"a', "a b", '""', "x" * 300):
        got = await greeting.call("POST", "/v1/runs", body=body, headers={"Idempotency-Key": nonsense})
        assert got.status == 400, nonsense


async def test_a_call_that_was_refused_may_be_mended_and_made_under_its_key(greeting: Site) -> None:
    refused = await greeting.call("POST", "/v1/runs", body={"flow": "nobody"}, headers=KEY)
    assert refused.status == 404
    body = {"flow": "greet", "input": {"path": {"name": "ada"}}}
    assert (await start(greeting, body, KEY))[::2] == (202, False)
