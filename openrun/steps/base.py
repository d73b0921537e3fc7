"""What a step is: a typed config, output ports, and an async `run`."""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    GetPydanticSchema,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from openrun.core.effects import Verdict
from openrun.core.interpolation import has_template
from openrun.core.results import Outcome, StepRunResult
from openrun.core.retry import RetryPolicy
from openrun.core.types import DEFAULT_PORT, EffectClass, JoinMode, Json, Losers
from openrun.steps.spelling import AnyEffect, AnyJoinMode, AnyLosers, Duration, kept_as

ID_PATTERN = r"^[a-z0-9_-]{1,64}$"
RENDERED = {"rendered": True}
"""Validation context of a config whose templates have been filled in."""


class StepConfig(BaseModel):
    """Base of every step's config.

    Any field may hold a template (`<<path>>`, `{{ expression }}`) in place of a value of its type; it is
    validated once it is rendered. Fields named in `static_fields` are taken literally; only those named in
    `secret_fields` may refer to `secrets`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    static_fields: ClassVar[frozenset[str]] = frozenset()
    secret_fields: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="wrap")
    @classmethod
    def _leave_templates(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        if info.context is RENDERED or info.field_name in cls.static_fields or not has_template(value):
            return handler(value)
        return value


ConfigModel = type[StepConfig]


class StepInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How a step presents itself in the catalogue."""

    name: str
    description: str
    category: str = "custom"
    examples: tuple[dict[str, Any], ...] = ()
    """Configs that are valid as they stand."""


def _retry(value: Any) -> Any:
    """A bare number is the number of attempts."""
    return {"max_attempts": value} if isinstance(value, int) and not isinstance(value, bool) else value


def _retry_schema(schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    attempts = handler.resolve_ref_schema(policy := handler(schema))["properties"]["max_attempts"]
    bounds = {key: attempts[key] for key in ("type", "minimum", "maximum")}
    return {"anyOf": [policy, bounds]}


Retry = Annotated[
    RetryPolicy | int,
    kept_as(RetryPolicy),
    BeforeValidator(_retry),
    GetPydanticSchema(get_pydantic_json_schema=_retry_schema),
]
"""A policy, or its number of attempts; kept as a policy."""


def _undoing(value: Any) -> Any:
    if value is None or isinstance(value, Step):
        return value
    raise ValueError(f"a step, or nothing, not {type(value).__name__}")


class Step(BaseModel):
    """A node of a flow. Subclass it with a `config` model and an async `run(self, state, config)`.

    `run` may take a third parameter, the `StepContext`. It returns a `StepRunResult` (or something to wait
    for); raising fails the step, and `TransientError` says that another attempt can help.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Any, for subclasses narrow it, which checkers allow for no other type of a field.
    type: Any = Field(default="", exclude=True, repr=False)
    ports: Any = Field(default=(DEFAULT_PORT,), exclude=True, repr=False)
    """Output ports; `error` is on every step and never listed."""

    id: str = Field(
        default="",
        pattern=r"^[a-z0-9_-]{0,64}$",
        description="Short name of the step, unique in its flow; named by the flow when left out.",
        examples=["fetch"],
    )
    name: str | None = Field(default=None, description="A title for people.", examples=["Fetch the user"])
    # Subclasses say which; a step without a config of its own is given none, says `init` to type checkers.
    config: Annotated[Any, kept_as(StepConfig)] = Field(
        default_factory=StepConfig, init=False, description="What the step does; see its type."
    )
    join_mode: AnyJoinMode = Field(
        default=JoinMode.NO_WAIT,
        description="When a step with several inbound edges runs.",
        examples=["ALL_SUCCESS"],
    )
    losers: AnyLosers = Field(
        default=Losers.DETACH,
        description="What a FIRST_SUCCESS join does with the branches that lost.",
        examples=["cancel"],
    )
    retry: Retry | None = Field(
        default=None,
        description="How often a failure is tried again; never, when left out.",
        examples=[{"max_attempts": 3}],
    )
    timeout: Duration | None = Field(
        default=None,
        gt=0,
        le=86_400,
        description="Longest time one attempt may run; 300 s when left out.",
        examples=["30s"],
    )
    allow_failure: bool = Field(
        default=False,
        description="A failure counts as handled and fires `default` with the error.",
        examples=[True],
    )
    always: bool = Field(
        default=False,
        description="Runs once everything before it has ended, whatever happened.",
        examples=[True],
    )
    effect: AnyEffect | None = Field(
        default=None,
        description="What may happen when the step is run again after a crash.",
        examples=["at_most_once"],
    )
    max_iterations: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="On a loop's header: how often the loop goes round.",
        examples=[10],
    )
    position: tuple[float, float] | None = Field(
        default=None, description="Where an editor draws the step: x, y.", examples=[[120, 80]]
    )
    # No part of the model's own reading and writing: only a catalogue knows the class of a nested step.
    compensation: Annotated["Step | None", kept_as(Any), AfterValidator(_undoing)] = Field(
        default=None,
        alias="compensate",
        exclude=True,
        repr=False,
        description="A step that undoes this one when its run fails or is cancelled.",
        examples=[
            {"type": "request", "config": {"url": "https://api.example.com/refunds", "method": "POST"}}
        ],
    )
    extensions: dict[str, Any] = Field(default_factory=dict, exclude=True, repr=False)

    is_trigger: ClassVar[bool] = False
    inline: ClassVar[bool] = False
    """Built-in, quick and without any IO: run where the run is driven, not in a task of its own."""
    replies: ClassVar[bool] = False
    """Its output is the run's answer."""
    one_port: ClassVar[bool] = False
    """A success fires exactly one of its ports."""
    default_effect: ClassVar[EffectClass] = EffectClass.EXTERNAL
    guarded: ClassVar[bool] = False
    """It acts outside through `context.effect` only, so that running it again repeats nothing by itself."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not inspect.iscoroutinefunction(cls.run):
            raise TypeError(f"{cls.__name__}.run must be `async def`; for a plain function there is @step")
        if not inspect.iscoroutinefunction(cls.compensate):
            raise TypeError(f"{cls.__name__}.compensate must be `async def`")

    def named(self, step_id: str, extensions: Mapping[str, Json] | None = None) -> Self:
        """This very step, given its id by the flow it is added to."""
        self.__dict__["id"] = step_id
        if extensions:
            self.__dict__["extensions"] = dict(extensions)
        return self

    async def run(self, *_args: Any, **_kwargs: Any) -> Outcome:
        """Do the step's work: `run(self, state, config)` or `run(self, state, config, context)`."""
        raise NotImplementedError(f"{type(self).__name__} has no run()")

    async def resume(self, *_args: Any, **_kwargs: Any) -> Outcome:
        """What the step waited for is there: `resume(self, state, config, wake)`. Succeeds without output."""
        return StepRunResult.success(step_id=self.id)

    async def compensate(self, *_args: Any, **_kwargs: Any) -> StepRunResult | None:
        """Undo the step's work: `compensate(self, state, config, context)`, or without the context.

        Called when the run fails, aborts, or is cancelled with compensation, after this step has succeeded.
        `state` and `config` are what `run` was given, `context.output` is what the step put out. Raising fails
        it, as a failed result does; what is transient is tried again. Else what is returned counts for nothing.
        """
        raise NotImplementedError(f"{type(self).__name__} has no compensate()")

    @classmethod
    def compensates(cls) -> bool:
        """Whether its steps can be undone by `compensate`."""
        return cls.compensate is not Step.compensate

    async def verify_effect(self, _key: str, *_args: Any, **_kwargs: Any) -> Verdict:
        """Look up whether an effect that was started took place: `verify_effect(self, key, context)`."""
        return Verdict.unknown()

    def body(self) -> dict[str, Json] | None:
        """The document of a flow inside this step, run once per item."""
        return None

    def flow_refs(self) -> tuple[str, ...]:
        """Ids of the flows this step runs as children."""
        return ()

    def payload(self, given: Mapping[str, Json]) -> dict[str, Json]:
        """What a trigger of this kind hands to a run. Raises `PermanentError` for keys it does not know."""
        return dict(given)

    def routes(self) -> tuple[str, ...]:
        """What a webhook trigger answers to, as "METHOD /path"; no two in a flow may be equal."""
        return ()

    def conditions(self) -> list[str]:
        """Templates in static fields: looked at where the step is not running, and bounded like all others."""
        return []

    def faults(self) -> list[tuple[str, str]]:
        """What is wrong with the config beyond its types: (JSON Pointer inside the step, message)."""
        return []

    def effect_class(self) -> EffectClass:
        return EffectClass(self.effect or self.default_effect)

    def retry_policy(self) -> RetryPolicy | None:
        """`retry`, whichever way it was written."""
        return RetryPolicy(max_attempts=self.retry) if isinstance(self.retry, int) else self.retry

    @classmethod
    def type_key(cls) -> str:
        """The key of this class in a catalogue: a `type` of its own, else its name in snake case."""
        own = cls.model_fields["type"].default if "type" in cls.__annotations__ else ""
        return own if type(own) is str and own else snake_case(cls.__name__)

    @classmethod
    def info(cls) -> StepInfo:
        """How the step presents itself; override to say more than the class's docstring."""
        lines = (cls.__doc__ or "").strip().splitlines()
        return StepInfo(name=cls.__name__, description=lines[0] if lines else "")

    @classmethod
    def config_model(cls) -> ConfigModel:
        """The class of its config."""
        model: Any = cls.model_fields["config"].annotation
        return StepConfig if model is Any else model

    def __rshift__(self, other: "Step | Path | Sequence[Step | Path]") -> "Path":
        return Path.of(self) >> other

    def __getitem__(self, port: str) -> "Path":
        return Path(ends=((self, port),))


class Path:
    """Steps written one after another: `hook >> fetch["default"] >> store`. Added with `flow.add`."""

    def __init__(
        self,
        *,
        ends: tuple[tuple[Step, str], ...],
        edges: tuple[tuple[Step, str, Step], ...] = (),
        start: Step | None = None,
    ) -> None:
        self.ends = ends
        self.edges = edges
        self.start = start or ends[0][0]

    @classmethod
    def of(cls, step: Step) -> Self:
        return cls(ends=((step, DEFAULT_PORT),))

    def __rshift__(self, other: "Step | Path | Sequence[Step | Path]") -> "Path":
        """Go on with one step, or with several at once: `a >> [b, c] >> d`."""
        tails = [Path.of(each) if isinstance(each, Step) else each for each in _listed(other)]
        joints = tuple((step, port, tail.start) for tail in tails for step, port in self.ends)
        return Path(
            ends=tuple(end for tail in tails for end in tail.ends),
            edges=(*self.edges, *joints, *(edge for tail in tails for edge in tail.edges)),
            start=self.start,
        )


def _listed(other: "Step | Path | Sequence[Step | Path]") -> "Sequence[Step | Path]":
    parts = (
        (other,)
        if isinstance(other, Step | Path)
        else tuple(other)
        if isinstance(other, list | tuple)
        else ()
    )
    if not parts or not all(isinstance(each, Step | Path) for each in parts):
        raise TypeError(f"`>>` leads to a step, a path or a list of them, not to {other!r}")
    return parts


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
