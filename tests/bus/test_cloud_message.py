"""CloudEvents in messages, as we and others write and read them."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from cloudevents.conversion import to_binary as their_binary
from cloudevents.conversion import to_structured as their_structured
from cloudevents.http import CloudEvent as TheirEvent
from cloudevents.http import from_http as they_read
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from openrun.bus.cloud_event import CloudEvent, InvalidEvent
from openrun.bus.cloud_message import (
    BATCH,
    STRUCTURED,
    CloudMessage,
    NoEvent,
    batch,
    from_binary,
    read_request,
    structured,
    to_binary,
)

from .test_cloud_event import LEAST, events

WHOLE = CloudEvent(
    **LEAST,
    data={"total": 40, "items": ["ä", None]},
    datacontenttype="application/json",
    dataschema="https://shop.example/order.json",
    subject='order 7, 100% "paid" ✓',
    time="2026-03-01T12:00:00Z",
    extensions={"openrunhops": 2, "traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "flag": True},
)
PLAIN_TEXT = CloudEvent(**LEAST, data="hello", datacontenttype="text/plain")
TIMED = CloudEvent(**LEAST, time="2026-03-01T12:00:00Z")
BYTES = CloudEvent(**LEAST, data="iVBORw==", datacontenttype="image/png", encoded=True)
NOTHING = CloudEvent(**LEAST)


def read(message: CloudMessage) -> list[CloudEvent]:
    return read_request(message.headers.get("content-type", ""), message.headers, message.body)


def as_texts(event: CloudEvent) -> dict[str, Any]:
    """As binary mode knows an event: extensions are text, data without a type is JSON."""
    whole = event.plain()
    for name, value in event.extensions.items():
        whole[name] = json.dumps(value) if isinstance(value, bool | int) else value
    if event.data is not None:
        whole.setdefault("datacontenttype", "application/json")
    return whole


class TestModes:
    @given(events())
    def test_a_structured_message_says_all(self, event: CloudEvent) -> None:
        assert read(structured(event)) == [event]

    @given(st.lists(events(), max_size=3))
    @settings(max_examples=30)
    def test_a_batch_says_all_of_each(self, several: list[CloudEvent]) -> None:
        assert read(batch(several)) == several

    @given(events())
    def test_a_binary_message_says_all_as_text(self, event: CloudEvent) -> None:
        (again,) = read(to_binary(event))
        assert again.plain() == as_texts(event)

    @pytest.mark.parametrize("event", [WHOLE, PLAIN_TEXT, BYTES, NOTHING])
    def test_headers_are_plain_ascii(self, event: CloudEvent) -> None:
        for name, value in to_binary(event).headers.items():
            assert name == name.lower()
            assert name == "content-type" or all("!" <= each <= "~" for each in value)

    def test_the_body_of_a_binary_message_is_the_data(self) -> None:
        assert to_binary(PLAIN_TEXT).body == b"hello"
        assert to_binary(BYTES).body == b"\x89PNG"
        assert to_binary(NOTHING) == CloudMessage(
            headers={"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/orders", "ce-type": LEAST["type"]},
            body=b"",
        )


class TestTheOtherImplementation:
    """The package `cloudevents`, of the people who wrote the specification."""

    @pytest.mark.parametrize("event", [WHOLE, replace(PLAIN_TEXT, time=TIMED.time), TIMED])
    def test_it_reads_our_structured_messages(self, event: CloudEvent) -> None:
        message = structured(event)
        theirs = they_read(dict(message.headers), message.body)
        assert _as_they_have_it(theirs) == event.plain()

    @pytest.mark.parametrize("event", [WHOLE, TIMED])
    def test_it_reads_our_binary_messages(self, event: CloudEvent) -> None:
        message = to_binary(event)
        theirs = they_read(dict(message.headers), message.body)
        expected = as_texts(event)
        # It leaves the %-encoding of headers to its callers.
        expected.update({name[3:]: value for name, value in message.headers.items() if "%" in value})
        assert _as_they_have_it(theirs) == expected

    def test_it_reads_each_event_of_our_batches(self) -> None:
        several = [WHOLE, replace(PLAIN_TEXT, time=TIMED.time), TIMED]
        read_by_them = [
            they_read({"content-type": STRUCTURED}, json.dumps(each).encode())
            for each in json.loads(batch(several).body)
        ]
        assert [_as_they_have_it(each) for each in read_by_them] == [each.plain() for each in several]

    @pytest.mark.parametrize("data", [{"total": 40, "items": ["ä", None]}, None, [1, 2], "text"])
    @pytest.mark.parametrize("write", [their_structured, their_binary])
    def test_we_read_its_messages(self, data: Any, write: Any) -> None:
        attributes = {
            **LEAST, "subject": "order-7", "time": "2026-03-01T12:00:00+00:00",
            "datacontenttype": "application/json", "traceparent": "00-1-2-01",
        }  # fmt: skip
        headers, body = write(TheirEvent(attributes, data))
        (event,) = read_request(headers["content-type"], headers, body)
        assert event.plain() == {
            "specversion": "1.0",
            **attributes,
            **({} if data is None else {"data": data}),
        }

    def test_we_read_its_bytes(self) -> None:
        theirs = TheirEvent({**LEAST, "datacontenttype": "image/png"}, b"\x89PNG")
        headers, body = their_structured(theirs)
        (event,) = read_request(headers["content-type"], headers, body)
        assert replace(event, time=None) == BYTES

    @settings(max_examples=50)
    # It says when it was made of an event that does not, and takes empty data for none.
    @given(events().filter(lambda event: event.data not in (None, "") and event.time is not None))
    def test_what_we_write_and_it_writes_again_is_the_same_event(self, event: CloudEvent) -> None:
        message = structured(event)
        headers, body = their_structured(they_read(dict(message.headers), message.body))
        (again,) = read_request(headers["content-type"], headers, body)
        assert again.plain() == event.plain()


def _as_they_have_it(theirs: Any) -> dict[str, Any]:
    whole = {name: value for name, value in theirs.get_attributes().items() if value is not None}
    data = theirs.get_data()
    if isinstance(data, bytes):
        data = data.decode()
    return whole if data in (None, "") else {**whole, "data": data}


class TestDetection:
    @pytest.mark.parametrize(
        "content_type",
        [
            "application/cloudevents+json",
            "Application/CloudEvents+JSON; charset=UTF-8",
            "application/cloudevents",
        ],
    )
    def test_the_content_type_goes_before_the_headers(self, content_type: str) -> None:
        headers = {"ce-specversion": "1.0", "content-type": content_type}
        assert read_request(content_type, headers, WHOLE.to_json().encode()) == [WHOLE]

    def test_batches_are_told_from_single_events(self) -> None:
        assert read_request(BATCH + "; charset=utf-8", {}, b"[]") == []

    def test_names_of_headers_have_any_case(self) -> None:
        headers = {name.upper(): value for name, value in to_binary(WHOLE).headers.items()}
        assert read_request("application/json", headers, to_binary(WHOLE).body)[0].subject == WHOLE.subject

    @pytest.mark.parametrize(
        ("header", "value"),
        [("plain%20text", "plain text"), ('"in quotes"', "in quotes"), (r'"a \"b\" \\"', 'a "b" \\'), ("100%", "100%"),
         ("%E2%82%AC", "€"), ("%e2%82%ac", "€")],
    )  # fmt: skip
    def test_headers_mean_what_they_encode(self, header: str, value: str) -> None:
        headers = {**to_binary(NOTHING).headers, "ce-subject": header}
        assert from_binary(headers, b"").subject == value

    @pytest.mark.parametrize(
        ("content_type", "said"),
        [
            ("application/json", "(Content-Type application/json): send it as application/cloudevents+json"),
            ("", "(Content-Type is missing)"),
            (
                "application/cloudevents+avro",
                "'application/cloudevents+avro' is not read: send application/cloudevents+json",
            ),
            ("application/cloudevents-batch+xml", "send application/cloudevents-batch+json"),
            ("application/cloudevents+json; charset=latin-1", "charset 'latin-1' is not read: send UTF-8"),
        ],
    )
    def test_what_is_not_said_to_be_an_event_is_refused_with_the_way_to_say_it(
        self, content_type: str, said: str
    ) -> None:
        with pytest.raises(NoEvent) as refused:
            read_request(content_type, {"content-type": content_type}, b'{"id":"1"}')
        assert said in str(refused.value)
        assert [each.pointer for each in refused.value.faults] == [""]


class TestRefusals:
    def test_faults_of_a_batch_say_which_event(self) -> None:
        body = json.dumps([WHOLE.plain(), {**WHOLE.plain(), "id": ""}, 7]).encode()
        with pytest.raises(InvalidEvent) as refused:
            read_request(BATCH, {}, body)
        assert [each.pointer for each in refused.value.faults] == ["/1/id", "/2"]
        assert str(refused.value).startswith("event 2 of the batch: 'id' is missing")
        assert "event 3 of the batch: the event is no JSON object" in str(refused.value)

    def test_a_batch_is_a_list_of_a_thousand_at_most(self) -> None:
        with pytest.raises(InvalidEvent, match="no JSON list"):
            read_request(BATCH, {}, b"{}")
        with pytest.raises(InvalidEvent, match="1,001 events: 1,000 is the most"):
            read_request(BATCH, {}, json.dumps([1] * 1_001).encode())

    def test_all_faults_of_a_binary_message_are_said_at_once(self) -> None:
        headers = CIMultiDict(
            [("ce-specversion", "2.0"), ("ce-id", "1"), ("CE-ID", "2"), ("ce-bad_name", "x"), ("ce-data", "x"),
             ("ce-datacontenttype", "text/plain"), ("content-type", "application/json"), ("ce-source", "a%20b")]
        )  # fmt: skip
        with pytest.raises(InvalidEvent) as refused:
            read_request("application/json", headers, b"{")
        assert {each.attribute for each in refused.value.faults} == {
            "specversion", "id", "bad_name", "data", "datacontenttype", "source", "type",
        }  # fmt: skip

    @given(
        st.binary(max_size=200), st.sampled_from([STRUCTURED, BATCH, "application/json", "text/plain", ""])
    )
    def test_whatever_comes_is_an_event_or_is_refused(self, body: bytes, content_type: str) -> None:
        headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/", "ce-type": "t"}
        with suppress(InvalidEvent):
            assert all(isinstance(each, CloudEvent) for each in read_request(content_type, headers, body))
