"""Flow control compiled: the ticket that a run gets at its birth, made of what its trigger brought."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from openrun.core.errors import JsonError, PermanentError, TemplateError
from openrun.core.interpolation import MISSING, Compiled, compile_value, has_template
from openrun.core.limits import Limits
from openrun.core.near import did_you_mean, quoted
from openrun.core.strict_json import canonical
from openrun.core.types import RESERVED_ROOTS, Json
from openrun.definition.flow_control import MOST_PRIORITY, FlowControl, contradictions
from openrun.steps.base import Step
from openrun.steps.spelling import seconds_in
from openrun.steps.triggers.event import EVENT_KEYS, TriggerEvent
from openrun.steps.triggers.manual import TriggerManual
from openrun.steps.triggers.payload import REQUEST_KEYS
from openrun.steps.triggers.schedule import SCHEDULE_KEYS, TriggerSchedule
from openrun.steps.triggers.webhook import TriggerWebhook
from openrun.store.tickets import AtLimit, LaneRules, Ticket

KEY_LENGTH = 200
"""A key is shown with so many characters; one that is longer is cut and ends with a part of its hash."""

_HASH_SHOWN = 16
_NUMBER = re.compile(r"\d{1,3}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KEYS = (
    ((TriggerWebhook, TriggerManual), REQUEST_KEYS),
    ((TriggerEvent,), EVENT_KEYS),
    ((TriggerSchedule,), SCHEDULE_KEYS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowControlPlan:
    """What the runs of a flow get tickets by."""

    flow_id: str
    rules: LaneRules
    key: Compiled | None
    priority: Compiled | int

    def ticket(self, namespace: str, payload: Mapping[str, Json]) -> Ticket:
        """The ticket of a run with this payload of its trigger.

        Raises PermanentError (FLOW_CONTROL_KEY, FLOW_CONTROL_PRIORITY) where the payload gives no key or no priority.
        """
        brought = _Brought(payload)
        key = self._key(brought)
        return Ticket(
            lane=_hash([namespace, self.flow_id, key]),
            pool=_hash([namespace, self.flow_id]),
            key=shown_key(key),
            rules=self.rules,
            priority=self._priority(brought),
        )

    def _key(self, brought: "_Brought") -> str:
        if self.key is None:
            return ""
        value = self._rendered(self.key, brought, "key", "write <<path?>> where it may be missing")
        return "" if value is None else value if isinstance(value, str) else canonical(value)

    def _priority(self, brought: "_Brought") -> int:
        if isinstance(self.priority, int):
            return self.priority
        value = self._rendered(
            self.priority, brought, "priority", "write <<path ?? 0>> where it may be missing"
        )
        number = _whole(value)
        if number is None or not 0 <= number <= MOST_PRIORITY:
            said = quoted(value if isinstance(value, str) else canonical(value))
            raise self._refusal(
                "priority", f"a priority is a whole number from 0 to {MOST_PRIORITY}, not {said}"
            )
        return number

    def _rendered(self, template: Compiled, brought: "_Brought", field: str, hint: str) -> Json:
        try:
            return template.render(brought)
        except (TemplateError, JsonError) as error:
            raise self._refusal(field, f"{error}; {hint}") from None

    def _refusal(self, field: str, message: str) -> PermanentError:
        return PermanentError(
            f"flow {self.flow_id!r}: flow_control.{field}: {message}",
            code=f"FLOW_CONTROL_{field.upper()}",
            details={"field": f"flow_control.{field}"},
        )


class _Brought:
    """What a trigger brought, as templates read it."""

    def __init__(self, payload: Mapping[str, Json]) -> None:
        self._payload = payload

    def read(self, root: str) -> Json:
        return self._payload.get(root, MISSING)

    def step_output(self, step_id: str) -> Json:
        del step_id
        return MISSING

    def roots(self) -> Iterable[str]:
        return self._payload

    def everything(self) -> dict[str, Json]:
        return dict(self._payload)


def plan_flow_control(control: FlowControl, flow_id: str, limits: Limits) -> FlowControlPlan:
    """Compile what `flow_control_faults` finds no fault with."""
    priority = control.priority
    return FlowControlPlan(
        flow_id=flow_id,
        rules=_rules(control),
        key=None if control.key is None else compile_value(control.key, limits=limits),
        priority=priority if isinstance(priority, int) else compile_value(priority, limits=limits),
    )


def _rules(control: FlowControl) -> LaneRules:
    rate, wait = control.rate, control.debounce
    alone = control.singleton is not None
    return LaneRules(
        limit=1 if alone else control.concurrency,
        total=control.total,
        at_limit=AtLimit(control.singleton or control.at_limit),
        rate=None if rate is None else rate.limit,
        period_ms=0 if rate is None else _ms(rate.period),
        cancel_over_rate=rate is not None and rate.over == "cancel",
        quiet_ms=0 if wait is None else _ms(wait.period),
        quiet_max_ms=None if wait is None or wait.at_most is None else _ms(wait.at_most),
    )


def flow_control_faults(
    control: FlowControl, triggers: Iterable[Step], limits: Limits
) -> Iterator[tuple[str, str, str, str | None]]:
    """All that is wrong with it: (code, JSON Pointer inside it, message, hint)."""
    for pointer, message in contradictions(control):
        yield "FLOW_CONTROL", pointer, message, None
    for name, template in (("key", control.key), ("priority", control.priority)):
        if not isinstance(template, str):
            continue
        if not has_template(template):
            wanted = "a template" if name == "key" else f"0 to {MOST_PRIORITY}, or a template"
            hint = f"write <<{template}>>" if template.replace(".", "").isidentifier() else None
            yield "FLOW_CONTROL", f"/{name}", f"`{name}` is {wanted}, not {quoted(template)}", hint
            continue
        try:
            compiled = compile_value(template, limits=limits)
        except TemplateError as error:
            yield "TEMPLATE", f"/{name}", str(error), None
            continue
        yield from _root_faults(name, compiled, triggers)


def _root_faults(
    name: str, compiled: Compiled, triggers: Iterable[Step]
) -> Iterator[tuple[str, str, str, str | None]]:
    """A run that has not begun has no steps yet; and a secret would be told to whoever looks at the lanes."""
    known = _roots(triggers)
    for root in sorted(compiled.roots - {"*"}):
        if root == "secrets":
            yield "SECRET_NOT_ALLOWED", f"/{name}", f"`{name}` may not name a secret", None
        elif root in RESERVED_ROOTS:
            message = f"`{name}` is read before the run begins, and {root!r} is not there yet"
            yield "UNKNOWN_REFERENCE", f"/{name}", message, "name what the trigger brings, such as body"
        elif known is not None and root not in known:
            message = f"no trigger of the flow brings {quoted(root)}"
            yield "UNKNOWN_REFERENCE", f"/{name}", message, did_you_mean(root, known)


def _roots(triggers: Iterable[Step]) -> frozenset[str] | None:
    """What the triggers bring; None when one of them is not ours and may bring anything."""
    found: set[str] = set()
    for step in triggers:
        keys = next((keys for kinds, keys in _KEYS if isinstance(step, kinds)), None)
        if keys is None:
            return None
        found.update(keys)
    return frozenset(found)


def shown_key(key: str) -> str:
    """The key as it is shown: at most 200 characters, control characters spelled out, two keys never alike."""
    text = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", key)
    if text == key and len(text) <= KEY_LENGTH:
        return text
    digest = hashlib.sha256(key.encode()).hexdigest()[:_HASH_SHOWN]
    return f"{text[: KEY_LENGTH - _HASH_SHOWN - 1]}…{digest}"


def _whole(value: Json) -> int | None:
    """A query brings its numbers as text."""
    if value is None:
        return 0
    if isinstance(value, str):
        return int(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value == int(value) else None


def _hash(parts: list[Json]) -> str:
    return hashlib.sha256(canonical(parts).encode()).hexdigest()


def _ms(duration: float | str) -> int:
    return max(1, round(seconds_in(duration) * 1_000))
