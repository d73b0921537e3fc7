"""Functions as steps: the `step` decorator.

@step
async def add(a: int, b: int = 1) -> int:
    return a + b

flow.add_step(add(id="sum", a="<<body.a>>", b=3, retry=3))

@add.compensation
async def subtract(b: int, output: int) -> None: ...
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from copy import copy as copy_field
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, ParamSpec, TypeVar, overload

from pydantic import Field, create_model
from pydantic.errors import PydanticUserError

from openrun.core.errors import PermanentError
from openrun.core.near import did_you_mean
from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.strict_json import copy
from openrun.core.types import DEFAULT_PORT, EffectClass
from openrun.net.threads import DaemonThreads
from openrun.steps.base import Step, StepConfig, StepInfo, snake_case
from openrun.steps.context import StepContext
from openrun.steps.parameters import STEP_ARGUMENTS, Parameters, read_parameters
from openrun.steps.spelling import AnyEffect, Duration

P = ParamSpec("P")
R = TypeVar("R")
CallableT = TypeVar("CallableT", bound=Callable[..., Any])

_OUTPUT = "output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What calling the function of a step, or of its compensation, takes; `threads` if it blocks."""

    function: Callable[..., Any]
    names: tuple[str, ...]
    state: str | None
    context: str | None
    threads: DaemonThreads | None
    info: StepInfo
    output: bool = False
    """It asks for what the step put out."""


class FunctionStep(Step):
    """A function as a step; `step` makes a subclass for each."""

    call: ClassVar[Call]
    undo: ClassVar[Call | None] = None

    async def compensate(
        self, state: StateContainer, config: StepConfig, context: StepContext
    ) -> StepRunResult | None:
        """Calls the function that `compensation` was put on."""
        if self.undo is None:
            return await super().compensate(state, config, context)
        result = await _call(self.undo, state, config, context)
        return result if isinstance(result, StepRunResult) else None

    @classmethod
    def compensates(cls) -> bool:
        return cls.undo is not None or cls.compensate is not FunctionStep.compensate

    @classmethod
    def info(cls) -> StepInfo:
        return cls.call.info


class ContextStep(FunctionStep):
    """One that is told of its surroundings, or runs in a thread."""

    async def run(self, state: StateContainer, config: StepConfig, context: StepContext) -> StepRunResult:
        """A result that the function returns is kept; anything else is the output."""
        result = await _call(self.call, state, config, context)
        return result if isinstance(result, StepRunResult) else StepRunResult.success(self.id, result)


class PlainStep(FunctionStep):
    """One that takes nothing but its config, and perhaps the state: no context is made for it."""

    async def run(self, state: StateContainer, config: StepConfig, *_context: StepContext) -> StepRunResult:
        """A result that the function returns is kept; anything else is the output."""
        call = self.call
        # Copied as in `_call`.
        arguments = {name: copy(getattr(config, name)) for name in call.names}
        if call.state is not None:
            arguments[call.state] = state
        result = await call.function(**arguments)
        return result if isinstance(result, StepRunResult) else StepRunResult.success(self.id, result)


def _call(call: Call, state: StateContainer, config: StepConfig, context: StepContext) -> Awaitable[Any]:
    # Containers are copied, for a config is shared by all runs and a function may change what it is given.
    arguments = {name: copy(getattr(config, name)) for name in call.names}
    if call.output:
        arguments[_OUTPUT] = copy(context.output)
    if call.state is not None:
        arguments[call.state] = state
    if call.context is not None:
        arguments[call.context] = context
    if call.threads is None:
        called: Awaitable[Any] = call.function(**arguments)
        return called
    return _in_thread(call, arguments, context)


async def _in_thread(call: Call, arguments: dict[str, Any], context: StepContext) -> Any:
    def abandoned() -> None:
        context.abandoned = True

    assert call.threads is not None
    try:
        return await call.threads.run(functools.partial(call.function, **arguments), abandoned)
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        # Raised in a thread they mean that function alone, not the process.
        raise PermanentError(
            f"{call.info.name}: the function raised {type(error).__name__}", code="STEP_RAISED"
        ) from error


class StepFunction(Generic[P, R]):
    """A decorated function. Call it with arguments of the function and of any step to build a step.

    `function` is the function itself, `step_class` the class of its steps, `config_class` that of their configs.
    """

    __name__: str

    def __init__(
        self, function: Callable[P, R], step_class: type[FunctionStep], config_class: type[StepConfig]
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.step_class = step_class
        self.config_class = config_class

    def __call__(self, **given: Any) -> FunctionStep:
        """A step: `add(id="sum", a="<<body.a>>", b=3, retry=3)`; each argument may be a template."""
        common = {name: given.pop(name) for name in STEP_ARGUMENTS & given.keys()}
        if given or "config" not in common:
            common["config"] = self.config_class(**given)
        return self.step_class(**common)

    def compensation(self, function: CallableT, /) -> CallableT:
        """Put `@charge.compensation` on a function, async or not, that undoes what the step has done.

        It takes those of the step's parameters that it names, and, if it names them, `output` (what the step
        put out), the state and the context.
        """
        undone = self.step_class.undo
        if undone is not None:
            raise TypeError(f"{self.__name__} has a compensation: {undone.function.__qualname__}()")
        self.step_class.undo = _undo(function, self.step_class.call)
        return function


@overload
def step(function: Callable[P, R], /) -> StepFunction[P, R]: ...


@overload
def step(
    *,
    name: str | None = None,
    type: str | None = None,
    ports: Sequence[str] = ...,
    effect: AnyEffect = ...,
    timeout: float | str | None = None,
) -> Callable[[Callable[P, R]], StepFunction[P, R]]: ...


def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    type: str | None = None,  # noqa: A002
    ports: Sequence[str] = (DEFAULT_PORT,),
    effect: AnyEffect = EffectClass.EXTERNAL,
    timeout: float | str | None = None,
) -> Any:
    """Make a function a step: its typed parameters are the config, what it returns is the output.

    Parameters of type `StateContainer` and `StepContext` are handed to it. A function that is not async
    runs in a thread. `name` is for people, `type` the key in a catalogue (the function's name when left
    out), `timeout` the default of its steps.
    """
    settings = _Settings(
        name=name,
        type=type,
        ports=tuple(ports),
        effect=EffectClass(effect),
        timeout=Step(timeout=timeout).timeout,
    )
    if function is None:
        return lambda given: _step_function(given, settings)
    return _step_function(function, settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    name: str | None
    type: str | None
    ports: tuple[str, ...]
    effect: EffectClass
    timeout: float | str | None


def _undo(function: Callable[..., Any], call: Call) -> Call:
    _check_function(function, "compensation")
    parameters = read_parameters(function, "compensation")
    place, wanted = f"compensation {function.__qualname__}()", parameters.fields.keys()
    for name in sorted(wanted - {_OUTPUT} - set(call.names)):
        hint = did_you_mean(name, [*call.names, _OUTPUT])
        raise TypeError(f"{place}: the step has no parameter {name!r}" + (f"; {hint}" if hint else ""))
    if _OUTPUT in wanted and _OUTPUT in call.names:
        raise TypeError(f"{place}: `output` is a parameter of the step too; rename that")
    return Call(
        function=function,
        names=tuple(name for name in parameters.fields if name != _OUTPUT),
        state=parameters.state,
        context=parameters.context,
        threads=_threads(function, snake_case(function.__name__)),
        info=call.info,
        output=_OUTPUT in wanted,
    )


def _threads(function: Callable[..., Any], name: str) -> DaemonThreads | None:
    return None if inspect.iscoroutinefunction(function) else DaemonThreads(f"openrun-{name}")


def _check_function(function: object, what: str) -> None:
    if not inspect.isfunction(function):
        raise TypeError(f"@{what} goes on a function, not {function!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        kind = "step function" if what == "step" else what
        raise TypeError(f"{kind} {function.__qualname__}() yields; a step returns once")


def _step_function(function: Callable[P, R], settings: _Settings) -> StepFunction[P, R]:
    _check_function(function, "step")
    parameters = read_parameters(function)
    config_class = _config_class(function, parameters)
    step_class = _step_class(function, settings, parameters, config_class)
    return StepFunction(function, step_class, config_class)


def _config_class(function: Callable[..., Any], parameters: Parameters) -> type[StepConfig]:
    fields: dict[str, Any] = dict(parameters.fields)
    try:
        return create_model(
            f"{_class_name(function)}Config", __base__=StepConfig, __module__=function.__module__, **fields
        )
    except PydanticUserError as error:
        raise TypeError(
            f"step function {function.__qualname__}(): no config can be made of its parameters: {error.message}"
        ) from None


def _step_class(
    function: Callable[..., Any],
    settings: _Settings,
    parameters: Parameters,
    config_class: type[StepConfig],
) -> type[FunctionStep]:
    key = settings.type or snake_case(function.__name__)
    threads = _threads(function, key)
    base: type[FunctionStep] = PlainStep if threads is None and parameters.context is None else ContextStep
    about = f"Arguments of {function.__name__}()."
    required = any(field.is_required() for field in config_class.model_fields.values())
    config = Field(description=about) if required else Field(default_factory=config_class, description=about)
    timeout = copy_field(Step.model_fields["timeout"])
    timeout.default = settings.timeout
    made: type[FunctionStep] = create_model(
        _class_name(function),
        __base__=base,
        __module__=function.__module__,
        __doc__=inspect.getdoc(function) or f"Calls {function.__name__}().",
        type=(str, Field(default=key, exclude=True, repr=False)),
        ports=(Any, Field(default=settings.ports, exclude=True, repr=False)),
        config=(config_class, config),
        timeout=(Duration | None, timeout),
    )
    made.default_effect = settings.effect
    made.call = Call(
        function=function,
        names=tuple(parameters.fields),
        state=parameters.state,
        context=parameters.context,
        threads=threads,
        info=StepInfo(
            name=settings.name or function.__name__.replace("_", " ").capitalize(),
            description=(inspect.getdoc(function) or "").partition("\n")[0],
        ),
    )
    return made


def _class_name(function: Callable[..., Any]) -> str:
    return "".join(part.capitalize() for part in function.__name__.split("_")) or "Step"
