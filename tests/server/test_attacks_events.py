"""Events from callers that mean harm."""

from typing import Any

import pytest

from tests.server.site import site

BATCH = "application/cloudevents-batch+json"


@pytest.mark.parametrize("content_type", ["application/json", BATCH])
async def test_what_is_wrong_with_a_batch_is_told_up_to_a_bound(content_type: str) -> None:
    faulty: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/", "type": "t"}
    several = {**faulty, **{f"A{number}": [] for number in range(50)}}
    crowded = {**faulty, **{f"x{number}": "" for number in range(101)}}
    async with site() as it:
        for batch in ([several] * 200, [crowded] * 200):
            got = await it.call("POST", "/v1/events", body=batch, headers={"Content-Type": content_type})
            assert got.status == 422
            assert len(got.json["errors"]) == 100
            assert len(got.text) < 50_000
    assert "has 101 extensions: 100 is the most" in got.text


@pytest.mark.parametrize(
    "event",
    [
        {"data": {"a": ["x sesame-open y"]}},
        {"data": {"sesame-open": 1}},
        {"subject": "sesame-open"},
        {"more": "sesame-open"},
    ],
)
async def test_the_values_of_secrets_are_masked_in_what_others_publish(event: dict[str, Any]) -> None:
    async with site(secrets={"key": "sesame-open"}) as it:
        got = await it.call("POST", "/v1/events", body={"type": "t", **event})
        assert got.status == 202
        (row,) = await it.app.events.list()
        assert "sesame" not in row.body
        assert "***" in row.body


@pytest.mark.parametrize("name", ["id", "source", "type"])
async def test_a_secret_in_what_names_an_event_is_refused_and_not_repeated(name: str) -> None:
    async with site(secrets={"key": "sesame-open"}) as it:
        got = await it.call("POST", "/v1/events", body=[{"type": "t"}, {"type": "t", name: "sesame-open"}])
        assert got.status == 422
        assert [each["pointer"] for each in got.json["errors"]] == [f"#/1/{name}"]
        assert "sesame" not in got.text
        assert await it.app.events.list() == []
