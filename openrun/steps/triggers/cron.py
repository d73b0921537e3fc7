"""Cron expressions: five fields or an alias, refused when they cannot be read or never come true.

Whether one comes true is found out from a fixed day on, so that a document that was valid stays valid; the
calendar repeats itself soon enough for that. Grammar and lengths are checked before croniter sees anything.
"""

import re
from datetime import datetime
from functools import lru_cache

from croniter import croniter

CRON_LENGTH = 256
ALIASES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
YEARS_AHEAD = 5

_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_SPANS = ("0 to 59", "0 to 23", "1 to 31", "1 to 12", "0 to 7, 0 and 7 are Sunday")
_START = datetime(2001, 1, 1)  # noqa: DTZ001 (wall time; zones have no part in it)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAME = "|".join((*_MONTHS, *_DAYS))
_NUMBERS = {
    **{name: str(at) for at, name in enumerate(_MONTHS, 1)},
    **{name: str(at) for at, name in enumerate(_DAYS)},
}
_VALUE = rf"(?:\d{{1,2}}|{_NAME})"
_ITEM = re.compile(
    rf"(?:\*|\?|{_VALUE}(?:-{_VALUE})?)(?:/\d{{1,2}})?|{_VALUE}#\d|l\d?|\d{{1,2}}w|w\d{{1,2}}", re.ASCII
)
_RANGE = re.compile(rf"({_VALUE})-({_VALUE})(?:/\d{{1,2}})?", re.ASCII | re.IGNORECASE)


def normal_cron(text: str) -> str:
    """The expression with single spaces. Raises ValueError for one that is wrong or fires never."""
    if len(text) > CRON_LENGTH:
        raise ValueError(f"a cron expression has at most {CRON_LENGTH} characters")
    cron = " ".join(text.split())
    if cron.startswith("@"):
        if cron not in ALIASES:
            raise ValueError(f"{cron!r} is none of {', '.join(ALIASES)}")
        return cron
    _check(cron)
    return cron


@lru_cache(maxsize=4_096)
def _check(cron: str) -> None:
    _check_grammar(cron)
    next_fires(cron, _START)


def for_croniter(cron: str) -> str:
    """The expression with each range of one value, such as `5-5`, as that value: croniter takes it for all values."""
    return _RANGE.sub(_one_value, cron)


def _one_value(found: re.Match[str]) -> str:
    low, high = (_NUMBERS.get(each.lower(), each) for each in found.groups())
    return low if int(low) == int(high) else found[0]


def next_fires(cron: str, after: datetime, count: int = 3) -> list[datetime]:
    """The next wall times, up to `count`; raises ValueError if there is none within five years."""
    try:
        times = croniter(for_croniter(cron), after, ret_type=datetime, max_years_between_matches=YEARS_AHEAD)
    except ValueError as error:
        raise ValueError(f"cron {cron!r} cannot be read: {_wrong_field(cron) or error}") from None
    fires: list[datetime] = []
    try:
        while len(fires) < count:
            fires.append(times.get_next())
    except ValueError:
        if not fires:
            raise ValueError(f"cron {cron!r} does not fire within {YEARS_AHEAD} years") from None
    return fires


def _wrong_field(cron: str) -> str | None:
    """The first field that croniter does not take by itself, and what may stand there."""
    if cron in ALIASES:
        return None
    fields = for_croniter(cron).split(" ")
    for at, (field, name, span) in enumerate(zip(fields, _FIELDS, _SPANS, strict=True)):
        alone = ["*"] * len(_FIELDS)
        alone[at] = field
        try:
            croniter(" ".join(alone))
        except ValueError:
            return f"{field!r} is no {name} ({span})"
    return None


def _check_grammar(cron: str) -> None:
    fields = cron.split(" ")
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f"cron {cron!r} has {len(fields)} fields; write five ({', '.join(_FIELDS)}) or one of "
            f"{', '.join(ALIASES)}"
        )
    for name, field in zip(_FIELDS, fields, strict=True):
        for item in field.lower().split(","):
            if _ITEM.fullmatch(item) is None:
                raise ValueError(f"cron {cron!r}: {item!r} is no {name}")
