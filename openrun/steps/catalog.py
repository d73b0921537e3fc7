"""Which step types a process knows. A document names types by key and never causes an import."""

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, Self

from openrun.core.errors import OpenRunError
from openrun.core.near import did_you_mean
from openrun.core.types import StepType
from openrun.steps.base import Step
from openrun.steps.execution.abort import StepAbort
from openrun.steps.execution.approval import StepApproval
from openrun.steps.execution.conditional import StepConditional
from openrun.steps.execution.delay import StepDelay
from openrun.steps.execution.emit import StepEmit
from openrun.steps.execution.fail import StepFail
from openrun.steps.execution.foreach import StepForeach
from openrun.steps.execution.reply import StepReply
from openrun.steps.execution.request import StepRequest
from openrun.steps.execution.set_state import StepSetState
from openrun.steps.execution.subflow import StepSubflow
from openrun.steps.execution.switch import StepSwitch
from openrun.steps.execution.transform import StepTransform
from openrun.steps.execution.wait import StepWait
from openrun.steps.function import StepFunction
from openrun.steps.triggers.event import TriggerEvent
from openrun.steps.triggers.manual import TriggerManual
from openrun.steps.triggers.schedule import TriggerSchedule
from openrun.steps.triggers.webhook import TriggerWebhook

ENTRY_POINTS = "openrun.steps"

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


class UnknownStepType(OpenRunError, KeyError):
    """There is no step type of this key."""

    def __init__(self, key: str, known: Iterable[str]) -> None:
        super().__init__(key)
        self.key = key
        self.hint = did_you_mean(key, known)

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"there is no step type {self.key!r}{hint}"


class StepTypeConflict(OpenRunError, ValueError):
    """Two classes claim one key."""

    def __init__(self, key: str, one: type[Step], other: type[Step]) -> None:
        super().__init__(
            f"step type {key!r} is claimed by {_name(one)} and by {_name(other)}; give one another `type`"
        )
        self.key = key


def builtin_steps() -> dict[str, type[Step]]:
    """The steps that come with OpenRun."""
    return {
        StepType.TRIGGER_WEBHOOK.value: TriggerWebhook,
        StepType.TRIGGER_SCHEDULE.value: TriggerSchedule,
        StepType.TRIGGER_EVENT.value: TriggerEvent,
        StepType.TRIGGER_MANUAL.value: TriggerManual,
        StepType.REQUEST.value: StepRequest,
        StepType.SET_STATE.value: StepSetState,
        StepType.CONDITIONAL.value: StepConditional,
        StepType.SWITCH.value: StepSwitch,
        StepType.DELAY.value: StepDelay,
        StepType.TRANSFORM.value: StepTransform,
        StepType.REPLY.value: StepReply,
        StepType.FOREACH.value: StepForeach,
        StepType.SUBFLOW.value: StepSubflow,
        StepType.FAIL.value: StepFail,
        StepType.WAIT.value: StepWait,
        StepType.APPROVAL.value: StepApproval,
        StepType.ABORT.value: StepAbort,
        StepType.EMIT.value: StepEmit,
    }


class StepCatalog:
    """Step classes by key. `StepCatalog.builtin().with_modules(["shop.steps"])` knows a shop's steps too."""

    def __init__(self, steps: Mapping[str, type[Step]] | None = None) -> None:
        self._steps: dict[str, type[Step]] = {}
        self._keys: dict[type[Step], str] = {}
        for key, cls in (steps or {}).items():
            self.add(key, cls)

    @classmethod
    def builtin(cls) -> Self:
        return cls(builtin_steps())

    def add(self, key: str, step: type[Step] | StepFunction[..., Any]) -> None:
        """Know a class, or a function with `@step`, under a key. Raises `StepTypeConflict` if it is taken."""
        cls = step.step_class if isinstance(step, StepFunction) else step
        if _KEY.fullmatch(key) is None:
            raise ValueError(
                f"step type {key!r} has other characters than letters, digits and _.-, or over 64"
            )
        taken = self._steps.setdefault(key, cls)
        if taken is not cls:
            raise StepTypeConflict(key, taken, cls)
        self._keys.setdefault(cls, key)

    def get(self, key: str) -> type[Step]:
        """The class of a key. Raises `UnknownStepType`, with a near name if there is one."""
        try:
            return self._steps[key]
        except KeyError:
            raise UnknownStepType(key, self._steps) from None

    def key_of(self, cls: type[Step]) -> str:
        """The key of a class; for a class that is not in the catalogue, the one it would have.

        Raises `StepTypeConflict` if that is another's, for a document could not tell them apart.
        """
        key = self._keys.get(cls)
        if key is not None:
            return key
        key = cls.type_key()
        if key in self._steps:
            raise StepTypeConflict(key, self._steps[key], cls)
        return key

    def keys(self) -> list[str]:
        return list(self._steps)

    def items(self) -> list[tuple[str, type[Step]]]:
        return list(self._steps.items())

    def __contains__(self, key: object) -> bool:
        return key in self._steps

    def with_modules(self, names: Iterable[str]) -> Self:
        """This catalogue and the steps that these modules define. The modules are imported."""
        found = type(self)(self._steps)
        for name in names:
            try:
                module = importlib.import_module(name)
            except ImportError as error:
                raise ImportError(f"step module {name!r} cannot be imported: {error}", name=name) from error
            for cls in _steps_of(module):
                found.add(cls.type_key(), cls)
        return found

    def with_entry_points(self) -> Self:
        """This catalogue and the steps that installed packages offer in the group `openrun.steps`.

        An entry point's name is the key, its object a step class or a function with `@step`.
        """
        found = type(self)(self._steps)
        for point in entry_points(group=ENTRY_POINTS):
            step = point.load()
            if not _is_step(step) and not isinstance(step, StepFunction):
                raise TypeError(
                    f"entry point {point.name!r} ({point.value}) is neither a step class nor a @step"
                )
            found.add(point.name, step)
        return found


def _steps_of(module: ModuleType) -> Iterator[type[Step]]:
    """What is defined in this very module, can run, and has no private name."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if isinstance(value, StepFunction):
            yield value.step_class
        elif _is_step(value) and value.run is not Step.run:
            yield value


def _is_step(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Step)


def _name(cls: type[Step]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
