"""Which webhook a request is for, found by its path as it came: a tree of segments, nothing decoded before the match.

Theory. Two programs that disagree about which path a request has are how checks are passed by: so a literal
segment matches only the very characters of its declaration, and a request whose path could be read in two ways, with
empty segments or dot segments however they are encoded, matches nothing. What a parameter captures is decoded once,
after the match, and is data from then on; a `%2F` in it never was a separator.

At each segment the literal is looked at before the parameter, left to right, and the first match that takes the
method wins. Work is bounded by the declared segments, and by those of the path where no template is like another.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from openrun.steps.triggers.webhook import TriggerWebhookConfig

DEFAULT_NAMESPACE = "default"
NAMESPACE_MARK = "@"

_SEGMENT = re.compile(r"(?:[!\"$&-.0->@-~]|%[0-9A-Fa-f]{2})+")
_NO_NAME = frozenset({".", "..", None})
_ENCODED_MARK = "%40"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A webhook of a flow's version; `config` says what it answers to."""

    namespace: str = DEFAULT_NAMESPACE
    flow_id: str
    version: str
    step_id: str
    config: TriggerWebhookConfig

    @property
    def path(self) -> str:
        """Below /hooks: the declared path, after `/@namespace` unless that is the default one."""
        if self.namespace == DEFAULT_NAMESPACE:
            return self.config.path
        return f"/{NAMESPACE_MARK}{self.namespace}{self.config.path}".removesuffix("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    endpoint: Endpoint
    parameters: Mapping[str, str]
    """What the path's parameters captured, decoded."""


@dataclass(frozen=True, slots=True)
class NoPath:
    """No webhook has this path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoMethod:
    """Webhooks have this path, none of them the method; `allowed` are theirs, sorted."""

    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Two webhooks of flows that answer to the same requests; the first one keeps them."""

    route: str
    """Method and path, parameters without names: `POST /users/{}`."""
    kept: Endpoint
    refused: Endpoint


class _Node:
    """Where the segments of a path so far have led."""

    __slots__ = ("literals", "methods", "parameter")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.methods: dict[str, Endpoint] = {}

    def child(self, segment: str) -> "_Node":
        """The node below for a declared segment, made where there is none."""
        if not segment.startswith("{"):
            return self.literals.setdefault(segment, _Node())
        if self.parameter is None:
            self.parameter = _Node()
        return self.parameter

    def ends(self, segments: list[str], at: int = 0) -> Iterator["_Node"]:
        """Nodes that the rest of the segments lead to, the most literal first."""
        if at == len(segments):
            yield self
            return
        literal = self.literals.get(segments[at])
        if literal is not None:
            yield from literal.ends(segments, at + 1)
        if self.parameter is not None:
            yield from self.parameter.ends(segments, at + 1)


class Routes:
    """The webhooks of all flows by namespace, path and method; it never changes."""

    __slots__ = ("_trees", "endpoints")

    def __init__(self, trees: Mapping[str, _Node], endpoints: tuple[Endpoint, ...]) -> None:
        self._trees = trees
        self.endpoints = endpoints

    @classmethod
    def of(cls, endpoints: Iterable[Endpoint]) -> tuple["Routes", tuple[Conflict, ...]]:
        """The table, and what could not get in: where two answer to the same, the one given first keeps it.

        Give them in the order in which their flows were made. One that has lost all its methods is not in `endpoints`.
        """
        trees: dict[str, _Node] = {}
        kept: list[Endpoint] = []
        conflicts: list[Conflict] = []
        for endpoint in endpoints:
            lost = _plant(trees.setdefault(endpoint.namespace, _Node()), endpoint)
            conflicts += lost
            if len(lost) < len(endpoint.config.methods):
                kept.append(endpoint)
        return cls(trees, tuple(kept)), tuple(conflicts)

    def find(self, method: str, raw_path: str) -> Found | NoPath | NoMethod:
        """What answers to a request; `raw_path` is what came after /hooks, not decoded and without the query.

        HEAD is none of what GET answers to, and OPTIONS only there where it is declared.
        """
        read = _read(raw_path)
        if read is None:
            return NoPath()
        namespace, segments = read
        tree = self._trees.get(namespace)
        allowed: set[str] = set()
        for node in tree.ends(segments) if tree else ():
            endpoint = node.methods.get(method)
            if endpoint is not None:
                return _found(endpoint, segments)
            allowed.update(node.methods)
        return NoMethod(allowed=tuple(sorted(allowed))) if allowed else NoPath()


def _plant(tree: _Node, endpoint: Endpoint) -> list[Conflict]:
    """Put an endpoint into the tree; what others have already stays theirs."""
    node = tree
    for segment in _declared(endpoint):
        node = node.child(segment)
    lost = []
    for method in endpoint.config.methods:
        owner = node.methods.setdefault(method, endpoint)
        if owner is not endpoint:
            route = f"{method} {re.sub('{[^}]*}', '{}', endpoint.path)}"
            lost.append(Conflict(route=route, kept=owner, refused=endpoint))
    return lost


def _declared(endpoint: Endpoint) -> list[str]:
    path = endpoint.config.path
    return [] if path == "/" else path[1:].split("/")


def _read(raw_path: str) -> tuple[str, list[str]] | None:
    """Namespace and segments of a path, or None if it can be read in more ways than one."""
    if not raw_path.startswith("/"):
        return None
    inner = raw_path.removesuffix("/")[1:]
    segments = inner.split("/") if inner else []
    if raw_path == "//" or not all(map(_is_plain, segments)):
        return None
    if not segments or not segments[0].startswith((NAMESPACE_MARK, _ENCODED_MARK)):
        return DEFAULT_NAMESPACE, segments
    namespace = segments[0].removeprefix(NAMESPACE_MARK)
    # Webhooks of the default namespace have one address, and none that only looks like a namespace's.
    known = segments[0].startswith(NAMESPACE_MARK) and namespace != DEFAULT_NAMESPACE
    return (namespace, segments[1:]) if known else None


def _is_plain(segment: str) -> bool:
    """Whether a segment is well-formed, and is neither empty nor a dot segment once it is decoded."""
    return _SEGMENT.fullmatch(segment) is not None and _decoded(segment) not in _NO_NAME


def _decoded(segment: str) -> str | None:
    if "%" not in segment:
        return segment
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        return None


def _found(endpoint: Endpoint, segments: list[str]) -> Found:
    named = zip(_declared(endpoint), segments, strict=True)
    captured = {name[1:-1]: _decoded(given) or "" for name, given in named if name.startswith("{")}
    return Found(endpoint=endpoint, parameters=MappingProxyType(captured))
