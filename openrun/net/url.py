"""URLs of requests: parsed once, refused when doubtful, and shown without what may be secret."""

import re
from collections.abc import Mapping, Sequence

from yarl import URL

from openrun.core.errors import PermanentError
from openrun.net.address import is_host

Query = Mapping[str, str | int | float | Sequence[str | int | float]]
"""Query parameters to add to a URL; a sequence repeats its parameter."""

LONGEST = 32_768
"""Characters of a URL; a host of a million takes seconds to encode."""

# yarl drops newlines, tabs and lone surrogates, so that what is sent is not what was checked by eye.
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def parse_url(text: str, query: Query | None = None, *, place: str) -> URL:
    """The absolute http(s) URL to request, with the query added to its own.

    `place` begins the message of the PermanentError (code INVALID_URL) raised for any other text.
    """
    url = checked_url(_parsed(text, place), place=place)
    return _extended(url, query, place) if query else url


def joined_url(base: URL, reference: str, *, place: str) -> URL:
    """The URL that a Location header refers to; raises like parse_url."""
    parsed = _parsed(reference, place)
    # yarl's join would lend the host of the base to `https:///path`.
    return checked_url(parsed if parsed.scheme else base.join(parsed), place=place)


def checked_url(url: URL, *, place: str) -> URL:
    """The URL without its fragment, if it can be requested; raises like parse_url."""
    if url.scheme not in ("http", "https"):
        raise _invalid(place, f"its scheme must be http or https, not {url.scheme!r}")
    if url.user is not None or url.password is not None:
        raise _invalid(place, "it must not carry a user or password; send an Authorization header")
    if url.raw_host is None or not is_host(url.raw_host):
        raise _invalid(place, "it has no valid host")
    if not url.port:
        raise _invalid(place, "its port must be from 1 to 65535")
    return url.with_fragment(None)


def same_origin(one: URL, other: URL) -> bool:
    """Whether two URLs have the same scheme, host and port; a port may be written out or implied."""
    return (one.scheme, one.raw_host, one.port) == (other.scheme, other.raw_host, other.port)


def shown(url: URL | str) -> str:
    """The URL for messages and logs: without user, password, query and fragment, where secrets may be."""
    try:
        parsed = URL(url)
        return str(parsed.with_user(None).with_query(None).with_fragment(None))
    except ValueError:
        return "(invalid URL)"


def _parsed(text: str, place: str) -> URL:
    if len(text) > LONGEST:
        raise _invalid(place, f"it is longer than {LONGEST:,} characters")
    if _UNFIT.search(text):
        raise _invalid(place, "it contains a character that URLs cannot carry")
    try:
        return URL(text)
    except ValueError:
        # What yarl says may quote the user and the password.
        raise _invalid(place, "it does not read http(s)://host[:port]/path") from None


def _extended(url: URL, query: Query, place: str) -> URL:
    try:
        return url.extend_query(query)
    except (TypeError, ValueError):
        raise _invalid(place, "its query values must be text, finite numbers, or lists of those") from None


def _invalid(place: str, reason: str) -> PermanentError:
    return PermanentError(f"{place}: the URL cannot be used: {reason}", code="INVALID_URL")
