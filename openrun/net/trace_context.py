"""W3C Trace Context: reading what a caller sends, so that it can be passed on."""

import re
from dataclasses import dataclass

MOST_MEMBERS = 32
MOST_CHARACTERS = 512

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[ -~]*)?")
_KEY = r"[a-z0-9][a-z0-9_*/@-]{0,255}"
_VALUE = r"[ -+\--<>-~]{0,255}[!-+\--<>-~]"
_MEMBER = re.compile(rf"{_KEY}={_VALUE}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """Where in a trace a call was made; the header texts that are sent on."""

    traceparent: str
    tracestate: str | None = None


def parse(traceparent: str | None, tracestate: str | None = None) -> TraceContext | None:
    """The context of two headers, or None where `traceparent` is missing or not well-formed.

    `tracestate`, repeated ones joined by commas, is kept as it is: without members at its end where it has more
    than 512 characters, and not at all where it is not well-formed or has more than 32 members.
    """
    match = _TRACEPARENT.fullmatch((traceparent or "").strip(" \t"))
    if match is None:
        return None
    version, trace, span, flags, further = match.groups()
    if version == "ff" or (version == "00" and further is not None):
        return None
    if not trace.strip("0") or not span.strip("0"):
        return None
    if version != "00":
        # Of a later version only the first four fields are known, and of its flags only "sampled".
        flags = f"{int(flags, 16) & 1:02x}"
    return TraceContext(traceparent=f"00-{trace}-{span}-{flags}", tracestate=_state(tracestate))


def _state(given: str | None) -> str | None:
    members = (given or "").split(",", MOST_MEMBERS)
    if len(members) > MOST_MEMBERS:
        return None
    trimmed = [member.strip(" \t") for member in members]
    if not any(trimmed) or not all(_MEMBER.fullmatch(member) for member in trimmed if member):
        return None
    while members and len(",".join(members)) > MOST_CHARACTERS:
        members.pop()
    return ",".join(members).strip(" \t") or None
