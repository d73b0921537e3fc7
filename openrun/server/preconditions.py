"""Conditional requests (RFC 9110, section 13): a flow is changed only as long as it is what the caller has seen.

A flow's ETag is its version; that of one that is disabled says so too, for the answer does. Either stands for the
version where a change is conditional.
"""

import re

from aiohttp import web

from openrun.server.problem import Problem
from openrun.store.rows import FlowRow

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
_DISABLED = ";disabled"


def etag(version: str, *, enabled: bool = True) -> str:
    """The ETag of a version of a flow, quoted."""
    return f'"{version}{"" if enabled else _DISABLED}"'


def is_known(request: web.BaseRequest, tag: str) -> bool:
    """Whether the caller has the answer with this ETag already (`If-None-Match`): 304."""
    given = request.headers.getall("If-None-Match", [])
    return any(each.strip() == "*" for each in given) or tag.strip('"') in _tags(given, weak=True)


def expected(request: web.BaseRequest, current: FlowRow | None) -> str | None:
    """The version that has to be the current one still when a change is made: "" for none, None for any.

    Raises `Problem` (412) when it is another already.
    """
    wanted, unwanted = request.headers.getall("If-Match", []), request.headers.getall("If-None-Match", [])
    if wanted:
        if current is None:
            raise precondition_failed(current)
        if any(each.strip() == "*" for each in wanted):
            return None
        if current.version not in _versions(wanted, weak=False):
            raise precondition_failed(current)
        return current.version
    if not unwanted:
        return None
    if any(each.strip() == "*" for each in unwanted):
        if current is not None:
            raise precondition_failed(current)
        return ""
    if current is not None and current.version in _versions(unwanted, weak=True):
        raise precondition_failed(current)
    return None


def precondition_failed(current: FlowRow | None) -> Problem:
    """The flow is not what the caller took it for."""
    if current is None:
        return Problem(412, "there is no such flow yet; leave out `If-Match` to make it")
    return Problem(
        412,
        f"the current version of flow {current.flow_id!r} is {current.version[:12]}: "
        "somebody else has changed it, so read it again before you do",
        headers={"ETag": etag(current.version, enabled=current.enabled)},
        version=current.version,
    )


def _versions(given: list[str], *, weak: bool) -> set[str]:
    return {tag.removesuffix(_DISABLED) for tag in _tags(given, weak=weak)}


def _tags(given: list[str], *, weak: bool) -> set[str]:
    """The entity tags of a header; weak ones only where a weak comparison is asked for."""
    found = (match for each in given for match in _TAG.finditer(each))
    return {match[2] for match in found if weak or not match[1]}
