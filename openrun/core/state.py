"""The state of a run as steps and templates see it."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from openrun.core.errors import PermanentError
from openrun.core.frame import Frame
from openrun.core.interpolation import MISSING
from openrun.core.strict_json import copy, plain
from openrun.core.types import RESERVED_ROOTS, Json, StateType

_PYTHON_TYPES: Mapping[StateType, tuple[type, ...]] = {
    StateType.STRING: (str,),
    StateType.INTEGER: (int,),
    StateType.NUMBER: (int, float),
    StateType.BOOLEAN: (bool,),
    StateType.OBJECT: (dict,),
    StateType.ARRAY: (list,),
}


class StateView:
    """The state as one activation reads it: as of its start, its own scope first, then outward.

    Values are shared, not copied; whoever hands them to an author copies them.
    """

    __slots__ = ("_at", "_frame", "_globals")

    def __init__(self, frame: Frame, at: int, global_roots: Mapping[str, Json]) -> None:
        self._frame = frame
        self._at = at
        self._globals = global_roots

    def read(self, root: str) -> Json:
        """The value under a root name, or MISSING."""
        value = self._frame.layer.read(root, self._at)
        if value is not MISSING:
            return value
        if root == "steps":
            return self._outputs()
        return self._globals.get(root, MISSING)

    def step_output(self, step_id: str) -> Json:
        """The output of a step, looked up in the own scope first, then outward; MISSING if it has none."""
        frame: Frame | None = self._frame
        while frame is not None:
            value = frame.outputs.own(step_id, self._at)
            if value is not MISSING:
                return value
            frame = frame.parent
        return MISSING

    def roots(self) -> Iterable[str]:
        """The names a template may begin with."""
        yield from self._frame.layer.keys(self._at)
        yield "steps"
        yield from self._globals

    def everything(self) -> dict[str, Json]:
        """All roots but secrets, as one object."""
        found = {name: value for name, value in self._globals.items() if name != "secrets"}
        found.update((key, self._frame.layer.read(key, self._at)) for key in self._frame.layer.keys(self._at))
        found["steps"] = self._outputs()
        return found

    def _outputs(self) -> dict[str, Json]:
        frames: list[Frame] = []
        frame: Frame | None = self._frame
        while frame is not None:
            frames.append(frame)
            frame = frame.parent
        found: dict[str, Json] = {}
        for outer in reversed(frames):
            found.update((key, outer.outputs.own(key, self._at)) for key in outer.outputs.keys(self._at))
        return found


class StateContainer:
    """Key-value data that flows between steps; plain JSON only.

    Inside a step it reads the state as of the activation's start; what is set is seen by this step at once
    and by others when the step has succeeded. Containers that `get` returns are copies.
    """

    __slots__ = ("_types", "_view", "_writes")

    def __init__(self, initial: Mapping[str, Any] | None = None, *, view: StateView | None = None) -> None:
        self._view = view
        self._writes: dict[str, Json] = {}
        self._types: dict[str, StateType] | None = None
        if initial:
            self.apply(initial)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a top-level key, or `default`."""
        value = self._read(key)
        return default if value is MISSING else copy(value)

    def set(self, key: str, value: Any) -> None:
        """Set a top-level key.

        Raises `PermanentError` for a reserved key or another type than declared, `JsonError` for what is
        not plain JSON data.
        """
        check_key(key)
        clean = plain(value)
        if self._types is not None:
            _check_type(key, clean, self._types.get(key, StateType.ANY))
        self._writes[key] = clean

    def get_nested(self, path: str, default: Any = None) -> Any:
        """The value at a dotted path such as `user.emails.0`, or `default`."""
        head, *rest = path.split(".")
        if head == "steps" and rest and self._view is not None:
            value = self._view.step_output(rest[0])
            rest = rest[1:]
        else:
            value = self._read(head)
        for part in rest:
            value = _child(value, part)
        return default if value is MISSING else copy(value)

    def declare(self, key: str, kind: StateType | str) -> None:
        """Make `key` a typed slot of this container: `set` refuses values of another type."""
        check_key(key)
        self._types = {**(self._types or {}), key: StateType(kind)}
        if key in self._writes:
            _check_type(key, self._writes[key], self._types[key])

    def apply(self, patch: Mapping[str, Any]) -> None:
        """Set every key of a patch."""
        for key, value in patch.items():
            self.set(key, value)

    @property
    def patch(self) -> dict[str, Json]:
        """What was set through this container."""
        return self._writes

    def to_dict(self) -> dict[str, Any]:
        """All of the state as one object."""
        found = dict(self._view.everything()) if self._view is not None else {}
        found.update(self._writes)
        plain_copy: dict[str, Any] = copy(found)
        return plain_copy

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(data)

    def __contains__(self, key: str) -> bool:
        return self._read(key) is not MISSING

    def __repr__(self) -> str:
        return f"StateContainer({self.to_dict()!r})"

    def _read(self, key: str) -> Json:
        if key in self._writes:
            return self._writes[key]
        if self._view is None or key == "secrets":
            return MISSING
        return self._view.read(key)


def check_key(key: str) -> None:
    """Raises `PermanentError` for a key that state cannot have."""
    if not key:
        raise PermanentError(f"a state key is a non-empty string, not {key!r}", code="INVALID_STATE_KEY")
    if key in RESERVED_ROOTS:
        raise PermanentError(f"state key {key!r} is reserved; choose another name", code="RESERVED_STATE_KEY")


def _check_type(key: str, value: Json, kind: StateType) -> None:
    allowed = _PYTHON_TYPES.get(kind)
    if allowed is None or value is None:
        return
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not StateType.BOOLEAN):
        raise PermanentError(
            f"state key {key!r} holds {kind.value}, not {type(value).__name__}", code="STATE_TYPE"
        )


def _child(value: Json, part: str) -> Json:
    if isinstance(value, dict):
        return value.get(part, MISSING)
    if isinstance(value, list) and part.lstrip("-").isdigit() and -len(value) <= int(part) < len(value):
        return value[int(part)]
    return MISSING
