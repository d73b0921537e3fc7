"""Which triggers an event is for: found by its type as it came, then by what each asks of it.

Theory. Types are words with dots between them, and so are patterns, in which `*` stands for any one word and `**`, at
the end, for one word or more. Patterns are kept in a tree by their words, as the webhooks' paths are: an event goes
down by its own words, so that finding its triggers takes as long as it has words and triggers, however many others
there are.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from openrun.bus.cloud_event import CloudEvent
from openrun.core.errors import TemplateError
from openrun.core.interpolation import MISSING, Compiled, compile_value
from openrun.core.kinds import kind_of
from openrun.core.strict_json import canonical
from openrun.core.types import Json
from openrun.steps.triggers.event import EVENT_ROOTS, TriggerEventConfig
from openrun.steps.triggers.event_types import ANY_REST, ANY_WORD

_LONGEST = 200
_A_TURN = 3
"""Filters that are looked at in one go."""


class EventView:
    """An event as templates over it read it."""

    __slots__ = ("_roots", "event")

    def __init__(self, event: CloudEvent) -> None:
        self.event = event
        values = (event.plain(), event.type, event.data, event.time)
        self._roots: dict[str, Json] = dict(zip(EVENT_ROOTS, values, strict=True))

    def read(self, root: str) -> Json:
        return self._roots.get(root, MISSING)

    def step_output(self, step_id: str) -> Json:  # noqa: ARG002
        """No step has run."""
        return MISSING

    def roots(self) -> Iterable[str]:
        return EVENT_ROOTS

    def everything(self) -> dict[str, Json]:
        return self._roots


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventTrigger:
    """An event trigger of a flow's version, its templates parsed."""

    namespace: str
    flow_id: str
    version: str
    step_id: str
    config: TriggerEventConfig
    filters: tuple[Compiled | None, ...] = field(repr=False)
    """Of each of the events that it looks for."""
    correlation: Compiled | None = field(repr=False)

    @classmethod
    def of(
        cls, config: TriggerEventConfig, *, namespace: str, flow_id: str, version: str, step_id: str
    ) -> "EventTrigger":
        """Raises `TemplateError` for a template that cannot be read."""
        return cls(
            namespace=namespace,
            flow_id=flow_id,
            version=version,
            step_id=step_id,
            config=config,
            filters=tuple(
                None if each.filter is None else compile_value(each.filter) for each in config.wanted()
            ),
            correlation=None if config.correlation is None else compile_value(config.correlation),
        )

    @property
    def name(self) -> str:
        """Flow and trigger, for people."""
        return f"{self.flow_id}/{self.step_id}"

    @property
    def is_gathering(self) -> bool:
        """It waits for several events."""
        return self.config.all_of is not None


@dataclass(frozen=True, slots=True)
class Match:
    """A trigger that an event is for; `part` says as which of those that it looks for."""

    trigger: EventTrigger
    part: int = 0


Refuse = Callable[[Match, str], None]
"""Told why a template of a trigger cannot be filled in for an event."""


class _Node:
    """Where the words of a type so far have led."""

    __slots__ = ("here", "rest", "word", "words")

    def __init__(self) -> None:
        self.words: dict[str, _Node] = {}
        self.word: _Node | None = None
        self.here: list[Match] = []
        self.rest: list[Match] = []
        """Of patterns that take whatever follows."""

    def child(self, word: str) -> "_Node":
        if word != ANY_WORD:
            return self.words.setdefault(word, _Node())
        if self.word is None:
            self.word = _Node()
        return self.word

    def found(self, words: list[str], at: int = 0) -> Iterator[Match]:
        if at == len(words):
            yield from self.here
            return
        yield from self.rest
        for node in (self.words.get(words[at]), self.word):
            if node is not None:
                yield from node.found(words, at + 1)


class EventTriggers:
    """The event triggers of all flows by namespace and type; the table never changes."""

    __slots__ = ("_trees", "triggers")

    def __init__(self, triggers: Iterable[EventTrigger] = ()) -> None:
        self.triggers = tuple(triggers)
        self._trees: dict[str, _Node] = {}
        for trigger in self.triggers:
            tree = self._trees.setdefault(trigger.namespace, _Node())
            for part, wanted in enumerate(trigger.config.wanted()):
                _plant(tree, wanted.event_type, Match(trigger, part))

    def of_type(self, namespace: str, event_type: str) -> list[Match]:
        """What looks for events of this type, whatever else it asks of them."""
        tree = self._trees.get(namespace)
        return [] if tree is None else list(tree.found(event_type.split(".")))

    async def find(self, namespace: str, event: CloudEvent, refuse: Refuse) -> list[Match]:
        """What the event is for: each trigger once, as the first of its events that it fits.

        Others have their turn meanwhile, for filters are the authors', and there may be many.
        """
        looked = 0
        found: dict[EventTrigger, Match] = {}
        view: EventView | None = None
        for match in sorted(self.of_type(namespace, event.type), key=lambda each: each.part):
            condition = match.trigger.filters[match.part]
            if match.trigger in found:
                continue
            if condition is not None:
                looked += 1
                if looked % _A_TURN == 0:
                    await asyncio.sleep(0)
                view = view or EventView(event)
                if not _holds(match, condition, view, refuse):
                    continue
            found[match.trigger] = match
        return list(found.values())


def correlation_of(trigger: EventTrigger, event: CloudEvent) -> str:
    """What an event has in common with those that belong to it, as text; "" where nothing is asked.

    Raises `TemplateError`, also for what comes to nothing, to a list or to an object.
    """
    if trigger.correlation is None:
        return ""
    value = trigger.correlation.render(EventView(event))
    if value in (None, "") or isinstance(value, dict | list):
        raise TemplateError("the correlation comes to nothing that events could have in common")
    text = value if isinstance(value, str) else canonical(value)
    return text if len(text) <= _LONGEST else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _holds(match: Match, condition: Compiled, view: EventView, refuse: Refuse) -> bool:
    try:
        value = condition.render(view)
    except TemplateError as error:
        refuse(match, f"the filter fails: {error}")
        return False
    if type(value) is not bool:
        refuse(match, f"the filter comes to {kind_of(value)}, neither to true nor to false")
        return False
    return value


def _plant(tree: _Node, pattern: str, match: Match) -> None:
    node = tree
    *before, last = pattern.split(".")
    for word in before:
        node = node.child(word)
    if last == ANY_REST:
        node.rest.append(match)
    else:
        node.child(last).here.append(match)
