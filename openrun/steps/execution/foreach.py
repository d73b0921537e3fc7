"""A flow per item of a list."""

from typing import Annotated, Any, ClassVar, Protocol, Self

from pydantic import BeforeValidator, Field, model_validator

from openrun.core.errors import PermanentError
from openrun.core.interpolation import has_template
from openrun.core.kinds import kind_of
from openrun.core.limits import DEFAULT_LIMITS
from openrun.core.results import ItemFailure, ItemsWake, StepRunResult, WaitForChildren, WaitForItems
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json, OnItemError, StepType
from openrun.steps.base import ID_PATTERN, Step, StepConfig, StepInfo
from openrun.steps.spelling import AnyOnItemError, OrTemplate, kept_as


class Documented(Protocol):
    """What has a document: a `Flow`."""

    def to_dict(self) -> dict[str, Json]: ...


Body = dict[str, Any] | None


def _document(value: Body | Documented) -> Body:
    """A flow's document, in place of the flow itself."""
    return value if value is None or isinstance(value, dict) else value.to_dict()


def _given(value: Any) -> Any:
    return _document(value) if hasattr(value, "to_dict") else value


class StepForeachConfig(StepConfig):
    """Either `body`, a flow of its own inside this one, or `flow`, the id of another."""

    static_fields: ClassVar[frozenset[str]] = frozenset({"body", "flow", "trigger", "on_item_error"})

    items: Any = Field(description="The list.", examples=["<<orders>>", ["a", "b"]])
    body: Annotated[Body | Documented, kept_as(Body), BeforeValidator(_given)] = Field(
        default=None,
        description="Steps and edges to run per item; they read `item` and `index`.",
        examples=[
            {"steps": [{"id": "keep", "type": "set_state", "config": {"key": "seen", "value": "<<item>>"}}]}
        ],
    )
    flow: str | None = Field(
        default=None,
        pattern=ID_PATTERN,
        description="Id of a flow to run per item, with the item as the trigger's body.",
        examples=["ship-order"],
    )
    trigger: str | None = Field(
        default=None,
        pattern=ID_PATTERN,
        description="Trigger of that flow; its only one when left out.",
        examples=["start"],
    )
    concurrency: OrTemplate[int] = Field(
        default=DEFAULT_LIMITS.foreach_concurrency,
        ge=1,
        le=1_000,
        description="How many items run at once.",
        examples=[10],
    )
    on_item_error: AnyOnItemError = Field(
        default=OnItemError.FAIL,
        description="fail: stop and fail; collect: run all, then fail; tolerate: succeed with null in place.",
        examples=["collect"],
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.body is None) == (self.flow is None):
            raise ValueError("give exactly one of `body` and `flow`")
        if self.trigger is not None and self.flow is None:
            raise ValueError("`trigger` goes with `flow`; a body has no trigger")
        return self


class StepForeach(Step):
    """Runs a flow for each item of a list."""

    type: str = Field(default=StepType.FOREACH, exclude=True, repr=False)
    config: StepForeachConfig = Field(description="The list, and what to do with each item.")

    inline: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    async def run(
        self, state: StateContainer, config: StepForeachConfig
    ) -> StepRunResult | WaitForItems | WaitForChildren:
        del state
        items = _checked(config.items)
        if not items:
            return self._succeeded(config, ItemsWake(results=[]))
        concurrency, on_item_error = int(config.concurrency), OnItemError(config.on_item_error)
        if config.flow is None:
            return WaitForItems(items=items, concurrency=concurrency, on_item_error=on_item_error)
        return WaitForChildren(
            flow=config.flow,
            inputs=[{"body": item} for item in items],
            trigger=config.trigger,
            concurrency=concurrency,
            on_item_error=on_item_error,
        )

    async def resume(
        self, state: StateContainer, config: StepForeachConfig, wake: ItemsWake
    ) -> StepRunResult:
        """The output is the list of results; with `tolerate`, {results, errors}."""
        del state
        if wake.failures and config.on_item_error is not OnItemError.TOLERATE:
            return self._failed(config, wake)
        return self._succeeded(config, wake)

    def _succeeded(self, config: StepForeachConfig, wake: ItemsWake) -> StepRunResult:
        if config.on_item_error is not OnItemError.TOLERATE:
            return StepRunResult.success(self.id, wake.results)
        return StepRunResult.success(self.id, {"results": wake.results, "errors": _errors(wake.failures)})

    def _failed(self, config: StepForeachConfig, wake: ItemsWake) -> StepRunResult:
        errors = _errors(wake.failures)
        # Under `fail` the first failure has the rest cancelled, which count as failures too.
        first = next((each for each in errors if each["error"]["code"] != "CANCELLED"), errors[0])
        details: dict[str, Json] = {**first, "failures": errors}
        message = f"item {first['index']} failed: {first['error']['message']}"
        if config.on_item_error is OnItemError.COLLECT:
            details["results"] = wake.results
            message = f"{len(errors)} of {len(wake.results)} items failed; {message}"
        return StepRunResult.failure(self.id, message, code="ITEM_FAILED", details=details)

    def body(self) -> dict[str, Json] | None:
        return _document(self.config.body)

    def flow_refs(self) -> tuple[str, ...]:
        return () if self.config.flow is None else (self.config.flow,)

    def faults(self) -> list[tuple[str, str]]:
        items = self.config.items
        if isinstance(items, list) or has_template(items):
            return []
        return [("/config/items", f"`items` is a list, not {kind_of(items)}")]

    @classmethod
    def info(cls) -> StepInfo:
        steps = [{"id": "keep", "type": "set_state", "config": {"key": "seen", "value": "<<item>>"}}]
        return StepInfo(
            name="For each",
            description="Runs a flow for each item of a list.",
            category="flow",
            examples=(
                {"items": "<<orders>>", "body": {"steps": steps, "edges": []}},
                {"items": "<<orders>>", "flow": "ship-order", "on_item_error": "collect"},
            ),
        )


def _checked(items: Json) -> list[Json]:
    if not isinstance(items, list):
        raise PermanentError(f"`items` is a list, not {kind_of(items)}", code="TYPE_MISMATCH")
    if len(items) > DEFAULT_LIMITS.foreach_items:
        raise PermanentError(
            f"{len(items):,} items are more than {DEFAULT_LIMITS.foreach_items:,}; give them in parts",
            code="TOO_MANY_ITEMS",
        )
    return items


def _errors(failures: tuple[ItemFailure, ...]) -> list[dict[str, Any]]:
    ordered = sorted(failures, key=lambda failure: failure.index)
    return [{"index": failure.index, "error": failure.error.to_json()} for failure in ordered]
