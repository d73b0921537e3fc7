"""A CloudEvent is what the specification says, or is refused with all that is wrong with it."""

import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.bus.cloud_event import MOST_BYTES, CloudEvent, InvalidEvent

LEAST: dict[str, Any] = {"id": "1", "source": "/orders", "type": "com.example.order.paid"}


def text(most: int) -> st.SearchStrategy[str]:
    """Text that the specification allows."""
    return st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=most)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(
    lambda name: (
        name
        not in {
            "id",
            "source",
            "type",
            "datacontenttype",
            "dataschema",
            "subject",
            "time",
            "specversion",
            "data",
        }
    )
)
EXTENSIONS = st.dictionaries(NAMES, text(20) | st.booleans() | st.integers(-(2**31), 2**31 - 1), max_size=4)


@st.composite
def events(draw: st.DrawFn) -> CloudEvent:
    return CloudEvent(
        id=draw(text(40)),
        source=draw(
            st.sampled_from(
                ["/orders", "https://shop.example/a?b=c#d", "urn:x:1", "mailto:a@b.example", "a%20b"]
            )
        ),
        type=draw(text(40)),
        data=draw(JSON),
        datacontenttype=draw(
            st.sampled_from([None, "application/json", "application/vnd.x+json; charset=utf-8"])
        ),
        dataschema=draw(st.sampled_from([None, "https://shop.example/order.json"])),
        subject=draw(st.none() | text(40)),
        time=draw(st.sampled_from([None, "2026-03-01T12:00:00Z", "2026-03-01t12:00:60.123456789+05:30"])),
        extensions=draw(EXTENSIONS),
    )


class TestJson:
    @given(events())
    def test_what_is_written_is_read_again(self, event: CloudEvent) -> None:
        again = CloudEvent.from_json(event.to_json())
        assert again == event
        assert again.to_json() == event.to_json()
        assert CloudEvent.from_json(event.to_json().encode()) == event
        assert CloudEvent.from_plain(json.loads(event.to_json())) == event

    def test_the_least_event_has_four_attributes(self) -> None:
        assert json.loads(CloudEvent(**LEAST).to_json()) == {"specversion": "1.0", **LEAST}

    def test_an_attribute_that_is_null_is_absent(self) -> None:
        whole = {"specversion": "1.0", **LEAST, "subject": None, "data": None, "more": None}
        assert CloudEvent.from_plain(whole) == CloudEvent(**LEAST)

    @pytest.mark.parametrize(
        ("kind", "body", "data", "encoded"),
        [
            ("application/json", "eyJhIjoxfQ==", {"a": 1}, False),
            (None, "eyJhIjoxfQ==", {"a": 1}, False),
            ("text/plain", "aGVsbG8=", "hello", False),
            ("image/png", "iVBORw==", "iVBORw==", True),
        ],
    )
    def test_base64_data_is_read_as_what_its_type_says(
        self, kind: str | None, body: str, data: object, encoded: bool
    ) -> None:
        event = CloudEvent.from_plain(
            {"specversion": "1.0", **LEAST, "datacontenttype": kind, "data_base64": body}
        )
        assert (event.data, event.encoded) == (data, encoded)
        assert CloudEvent.from_json(event.to_json()) == event

    def test_bytes_are_written_as_base64(self) -> None:
        event = CloudEvent(**LEAST, data="iVBORw==", datacontenttype="image/png", encoded=True)
        assert event.plain()["data_base64"] == "iVBORw=="
        assert "data" not in event.plain()

    def test_an_event_cannot_be_changed(self) -> None:
        with pytest.raises(FrozenInstanceError):
            CloudEvent(**LEAST).id = "2"  # type: ignore[misc]


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "attribute", "said"),
        [
            ({"id": ""}, "id", "is missing"),
            ({"id": None}, "id", "is missing"),
            ({"id": 5}, "id", "is a number"),
            ({"id": "a\nb"}, "id", "U+000A at 1"),
            ({"id": "x" * 257}, "id", "256 is the most"),
            ({"source": "a b"}, "source", "no URI reference"),
            ({"source": "/ä"}, "source", "%-encode"),
            ({"source": "1a:b"}, "source", "before the first colon"),
            ({"source": "a#b#c"}, "source", "no URI reference"),
            ({"source": "%zz"}, "source", "no URI reference"),
            ({"source": "/" * 1_025}, "source", "1,024 is the most"),
            ({"type": ["x"]}, "type", "is a list"),
            ({"type": "x" * 257}, "type", "256 is the most"),
            ({"subject": ""}, "subject", "leave it out"),
            ({"subject": "\ud800"}, "subject", "U+D800"),
            ({"time": "yesterday"}, "time", "RFC 3339"),
            ({"time": "2026-02-30T00:00:00Z"}, "time", "RFC 3339"),
            ({"time": "2026-02-01T00:00:00"}, "time", "with a zone"),
            ({"time": "2026-02-01T25:00:00Z"}, "time", "RFC 3339"),
            ({"time": "2026-02-01T00:00:00+24:00"}, "time", "RFC 3339"),
            ({"time": 5}, "time", "is a number"),
            ({"dataschema": "/relative"}, "dataschema", "no absolute URI"),
            ({"datacontenttype": "json"}, "datacontenttype", "no media type"),
            ({"datacontenttype": "text/plain", "data": {"a": 1}}, "data", "is no text"),
            ({"data_base64": "no base64!"}, "data_base64", "encode the bytes"),
            ({"data_base64": 7}, "data_base64", "encode the bytes"),
            ({"data_base64": "bm8="}, "data_base64", "holds no JSON"),
            ({"data_base64": "", "data": 1}, "data", "give one of them"),
            ({"specversion": "0.3"}, "specversion", "'0.3' is not known"),
            ({"specversion": None}, "specversion", "is missing"),
            ({"Upper": "x"}, "Upper", "a to z"),
            ({"with_score": "x"}, "with_score", "a to z"),
            ({"x" * 21: "x"}, "x" * 21, "longer than 20"),
            ({"big": 2**31}, "big", "32 bits"),
            ({"part": 1.5}, "part", "is a number"),
            ({"nested": {}}, "nested", "put the rest into data"),
            ({"control": "\x7f"}, "control", "U+007F"),
            ({"nothing": "\uffff"}, "nothing", "U+FFFF"),
        ],
    )
    def test_each_fault_is_named_with_the_way_out(
        self, given: dict[str, Any], attribute: str, said: str
    ) -> None:
        with pytest.raises(InvalidEvent) as refused:
            CloudEvent.from_plain({"specversion": "1.0", **LEAST, **given})
        (fault,) = refused.value.faults
        assert (fault.attribute, fault.pointer) == (attribute, f"/{attribute}")
        assert said in fault.message
        assert str(refused.value) == f"{attribute!r} {fault.message}"

    def test_all_faults_are_said_at_once(self) -> None:
        with pytest.raises(InvalidEvent) as refused:
            CloudEvent.from_plain({"source": "a b", "time": "now", "X": 1})
        assert {each.attribute for each in refused.value.faults} == {
            "specversion", "id", "source", "type", "time", "X",
        }  # fmt: skip

    @pytest.mark.parametrize("name", ["data", "specversion", "id"])
    def test_an_extension_takes_no_name_that_means_something_else(self, name: str) -> None:
        with pytest.raises(InvalidEvent, match="reserved"):
            CloudEvent(**LEAST, extensions={name: "x"})

    @pytest.mark.parametrize("text", ["[]", "1", '"x"', "null"])
    def test_an_event_is_an_object(self, text: str) -> None:
        with pytest.raises(InvalidEvent, match="the event is no JSON object"):
            CloudEvent.from_json(text)

    @pytest.mark.parametrize("text", ["", "{", '{"id":"1","id":"2"}', b"\xff", '{"a":NaN}', "[" * 100_000])
    def test_text_that_is_no_strict_json_is_refused(self, text: str | bytes) -> None:
        with pytest.raises(InvalidEvent, match="cannot be read"):
            CloudEvent.from_json(text)

    def test_an_event_of_64_kib_is_taken_and_a_larger_one_is_not(self) -> None:
        room = MOST_BYTES - len(CloudEvent(**LEAST, data="").to_json().encode())
        assert len(CloudEvent(**LEAST, data="ü" * (room // 2)).to_json().encode()) <= MOST_BYTES
        with pytest.raises(InvalidEvent, match=r"65,5\d\d bytes long: 65,536 is the most.*dataref"):
            CloudEvent(**LEAST, data="x" * (room + 1))

    @pytest.mark.parametrize("data", [float("nan"), {1, 2}, b"bytes", "\ud800", object()])
    def test_data_that_is_no_json_is_refused(self, data: object) -> None:
        with pytest.raises(InvalidEvent, match="'data' is not JSON"):
            CloudEvent(**LEAST, data=data)


class TestHops:
    @pytest.mark.parametrize(
        ("given", "hops"),
        [({}, 0), ({"openrunhops": 3}, 3), ({"openrunhops": "12"}, 12), ({"openrunhops": "x"}, 0),
         ({"openrunhops": -5}, 0), ({"openrunhops": "²"}, 0), ({"openrunhops": "9" * 20}, 0)],
    )  # fmt: skip
    def test_hops_are_counted_where_a_number_is_said(self, given: dict[str, str | int], hops: int) -> None:
        assert CloudEvent(**LEAST, extensions=given).hops == hops
