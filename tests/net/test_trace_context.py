import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.net.trace_context import TraceContext, parse

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    "given", [GOOD, f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-ff", f"00-{TRACE}-{SPAN}-03"]
)
def test_a_well_formed_traceparent_is_kept_as_it_is(given: str) -> None:
    assert parse(given) == TraceContext(traceparent=given)
    assert parse(f" {given}\t") == TraceContext(traceparent=given)


@pytest.mark.parametrize(
    "given",
    [
        None, "", "00", f"ff-{TRACE}-{SPAN}-01", f"ff-{TRACE}-{SPAN}-01-x", f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01", f"{GOOD}-", f"{GOOD}-00", f"{GOOD}0", f"{GOOD}.", GOOD.upper(), f"0-{TRACE}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01", f"00-{TRACE}-{SPAN}0-01", f"00-{TRACE}-{SPAN}-1", f"00_{TRACE}_{SPAN}_01",
        f"00-{TRACE[:-1]}g-{SPAN}-01", f"00-{TRACE}-{SPAN}", f"{GOOD},{GOOD}", f"{GOOD}\n", f"0x-{TRACE}-{SPAN}-01",
        f"01-{'0' * 32}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01x", f"cc-{TRACE}-{SPAN}-01-ä", f"\u0660\u0660-{TRACE}-{SPAN}-01",
    ],
)  # fmt: skip
def test_a_traceparent_that_is_not_well_formed_is_ignored(given: str | None) -> None:
    assert parse(given, "a=1") is None


@pytest.mark.parametrize(
    ("flags", "kept"),
    [("01", "01"), ("00", "00"), ("ff", "01"), ("fe", "00"), ("01-what-comes-next", "01"), ("01-", "01")],
)
def test_of_a_later_version_the_known_fields_are_passed_on_as_ours(flags: str, kept: str) -> None:
    assert parse(f"cc-{TRACE}-{SPAN}-{flags}") == TraceContext(traceparent=f"00-{TRACE}-{SPAN}-{kept}")


def state(given: str | None) -> str | None:
    context = parse(GOOD, given)
    assert context is not None
    assert context.traceparent == GOOD
    return context.tracestate


@pytest.mark.parametrize(
    "given",
    [
        "a=1",
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "a=1 , b=2",
        "a@b=x",
        "t-1_*/x=!",
        "1a=~",
        ",a=1,,b=2,",
        "a=b c",
    ],
)
def test_a_tracestate_is_kept_as_it_is(given: str) -> None:
    assert state(given) == given


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        " ",
        ",",
        "a",
        "a=",
        "=1",
        "A=1",
        "a=1=2",
        "a=ä",
        "a=\x00",
        "a=1,b",
        "a=1;b=2,ü=3",
        f"a={'x' * 257}",
        f"{'a' * 257}=1",
    ],
)
def test_a_tracestate_that_is_not_well_formed_is_left_out(given: str | None) -> None:
    assert state(given) is None


def test_a_tracestate_has_32_members_at_most() -> None:
    members = [f"k{at}={at}" for at in range(33)]
    assert state(",".join(members[:32])) == ",".join(members[:32])
    assert state(",".join(members)) is None


def test_a_tracestate_longer_than_512_characters_loses_members_at_its_end() -> None:
    first, second, third = (f"{name}={'x' * 250}" for name in "abc")
    assert state(f"{first},{second}") == f"{first},{second}"
    assert state(f"{first},{second},{third},d=1") == f"{first},{second}"
    assert state(f"{'a' * 256}={'x' * 256}") is None


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_comes_does_not_fail(traceparent: str, tracestate: str) -> None:
    assert parse(traceparent, tracestate) is None
    state(tracestate)
