import asyncio
import functools
import threading
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from openrun.core.results import StepRunResult
from openrun.core.retry import RetryPolicy
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass
from openrun.steps.catalog import StepCatalog
from openrun.steps.context import StepContext
from openrun.steps.function import FunctionStep, StepFunction, step

from .given import a_context, error_of, output_of, ran, rendered

PATIENCE = 10


@step
async def add(a: int, b: int = 1) -> int:
    """Adds two numbers.

    And that is all.
    """
    return a + b


@step
def multiply(a: int, b: int) -> int:
    return a * b


class Address(BaseModel):
    city: str


async def given_by(made: FunctionStep, state: StateContainer | None = None) -> Any:
    return await output_of(made, state, a_context())


async def test_an_async_function_is_a_step() -> None:
    assert await given_by(add(id="sum", a=2, b=3)) == 5
    assert await given_by(add(a=2)) == 3


async def test_a_plain_function_is_a_step_that_runs_in_a_thread() -> None:
    @step
    def where() -> str:
        return threading.current_thread().name

    assert await given_by(multiply(a=2, b=3)) == 6
    assert await given_by(where()) == "openrun-where"


async def test_the_function_can_still_be_called() -> None:
    assert await add.function(1, b=2) == 3
    assert multiply.function(2, 3) == 6
    assert add.__name__ == "add"
    assert isinstance(add, StepFunction)


def test_arguments_may_be_templates_and_steps_take_the_usual_ones() -> None:
    made = add(id="sum", a="<<body.a>>", b=3, retry=3, allow_failure=True)
    assert made.id == "sum"
    assert made.config.model_dump(warnings=False) == {"a": "<<body.a>>", "b": 3}
    assert made.retry_policy() == RetryPolicy(max_attempts=3)
    assert made.allow_failure


def test_a_step_may_be_given_its_config() -> None:
    config = add.config_class.model_validate({"a": 1})
    assert add(config=config).config is config


def test_arguments_are_checked() -> None:
    with pytest.raises(ValidationError, match="valid integer"):
        add(a="x")
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        add(a=1, c=2)
    with pytest.raises(ValidationError, match="Field required"):
        add()


async def test_a_rendered_argument_has_its_type() -> None:
    config = rendered(add.config_class, a="2")
    assert await add.step_class(config=config).run(StateContainer(), config, a_context()) == (
        StepRunResult.success("", 3)
    )


async def test_state_and_context_are_handed_over() -> None:
    @step
    async def both(key: str, state: StateContainer, where: StepContext) -> str:
        state.set(key, 1)
        return where.run_id

    @step
    async def bare(state, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return type(state), type(context)

    state = StateContainer()
    assert await given_by(both(key="seen"), state) == "run"
    assert state.patch == {"seen": 1}
    assert await given_by(bare()) == (StateContainer, StepContext)


async def test_a_state_of_another_type_is_an_argument() -> None:
    @step
    async def live(state: str, context: str = "none") -> str:
        return f"{state} {context}"

    assert await given_by(live(state="Ohio")) == "Ohio none"


async def test_a_result_stays_as_it_is() -> None:
    @step(ports=("yes", "no"))
    async def decide(*, answer: bool) -> StepRunResult:
        return StepRunResult.success(port="yes" if answer else "no")

    made = decide(answer=True)
    assert made.ports == ("yes", "no")
    assert await ran(made, None, a_context()) == StepRunResult.success(port="yes")


async def test_a_parameter_may_be_of_any_type_that_pydantic_knows() -> None:
    @step
    async def send(
        to: Address, note: Annotated[str, Field(max_length=3, description="A note.")], more: Any = None
    ) -> str:
        return f"{to.city} {note} {more}"

    assert await given_by(send(to={"city": "Rome"}, note="hi", more=[1])) == "Rome hi [1]"
    with pytest.raises(ValidationError, match="at most 3 characters"):
        send(to={"city": "Rome"}, note="hello")


async def test_a_function_may_change_what_it_is_given() -> None:
    @step
    async def grow(tags: list[str]) -> list[str]:
        tags.append("more")
        return tags

    made = grow(tags=["one"])
    assert await given_by(made) == ["one", "more"]
    assert await given_by(made) == ["one", "more"]


def test_what_a_step_says_of_itself() -> None:
    @step(name="Twice", type="math.twice", effect="pure", timeout="5s")
    async def double(n: int) -> int:
        return n * 2

    info = add.step_class.info()
    assert (info.name, info.description, info.category) == ("Add", "Adds two numbers.", "custom")
    assert add.step_class.type_key() == "add"
    assert add(a=1).effect_class() is EffectClass.EXTERNAL
    assert add(a=1).timeout is None
    assert multiply.step_class.info().description == ""
    assert double.step_class.info().name == "Twice"
    assert double.step_class.type_key() == "math.twice"
    assert double(n=1).effect_class() is EffectClass.PURE
    assert double(n=1).timeout == 5
    assert double(n=1, timeout=7).timeout == 7
    assert "timeout" not in double(n=1).model_dump(exclude_defaults=True)


def test_a_step_of_a_function_survives_being_written() -> None:
    catalog = StepCatalog()
    catalog.add("add", add)
    made = add(id="sum", a="{{n}}")
    again = catalog.get("add").model_validate(made.model_dump(exclude_defaults=True, warnings=False))
    assert again == made


def test_a_function_without_parameters_needs_no_config() -> None:
    @step
    async def nothing() -> None:
        """Does nothing."""

    assert nothing.step_class.model_validate({"id": "x"}).config == nothing.config_class()


@pytest.mark.parametrize("name", ["id", "name", "retry", "config", "timeout", "join_mode", "compensate"])
def test_a_parameter_that_every_step_has_is_refused(name: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"async def f({name}: int): ...", scope)  # noqa: S102
    with pytest.raises(
        TypeError, match=rf"f\(\): parameter '{name}' is an argument of every step; rename it"
    ):
        step(scope["f"])


@pytest.mark.parametrize("name", ["_x", "model_name", "json", "schema", "static_fields"])
def test_a_parameter_that_configs_use_themselves_is_refused(name: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"async def f({name}: int): ...", scope)  # noqa: S102
    with pytest.raises(TypeError, match=f"parameter '{name}' has a name that configs use themselves"):
        step(scope["f"])


def test_parameters_without_a_fixed_name_are_refused() -> None:
    async def many(*args: int) -> None: ...
    async def any_names(**kwargs: int) -> None: ...
    async def positional(a: int, /) -> None: ...

    with pytest.raises(TypeError, match="'args' takes any number of values"):
        step(many)
    with pytest.raises(TypeError, match="'kwargs' takes any names"):
        step(any_names)
    with pytest.raises(TypeError, match="'a' is positional only"):
        step(positional)


def test_what_is_no_function_or_yields_is_refused() -> None:
    def numbers() -> Any:
        yield 1

    async def later() -> Any:
        yield 1

    with pytest.raises(TypeError, match="goes on a function"):
        step(functools.partial(numbers))
    for function in (numbers, later):
        with pytest.raises(TypeError, match="yields; a step returns once"):
            step(function)


def test_annotations_that_cannot_be_read_are_refused() -> None:
    async def unknown(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821
    async def odd(a: StepFunction[..., Any]) -> None: ...

    with pytest.raises(TypeError, match="annotations cannot be read: name 'Nowhere' is not defined"):
        step(unknown)
    with pytest.raises(TypeError, match="no config can be made of its parameters"):
        step(odd)


@pytest.mark.parametrize(("name", "value"), [("timeout", "soon"), ("timeout", -1), ("effect", "lazy")])
def test_settings_are_checked_when_the_function_is_decorated(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"soon|greater than 0|lazy"):
        step(**{name: value})


async def test_a_cancelled_step_whose_thread_goes_on_is_abandoned() -> None:
    entered, opened = threading.Event(), threading.Event()

    @step
    def block() -> None:
        entered.set()
        opened.wait(PATIENCE)

    context = a_context()
    made = block()
    task = asyncio.create_task(made.run(StateContainer(), made.config, context))
    assert await asyncio.to_thread(entered.wait, PATIENCE)
    assert not context.abandoned
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    opened.set()
    assert context.abandoned


async def test_a_cancelled_async_step_is_not_abandoned() -> None:
    @step
    async def wait() -> None:
        await asyncio.Event().wait()

    context = a_context()
    made = wait()
    task = asyncio.create_task(made.run(StateContainer(), made.config, context))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not context.abandoned


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()])
async def test_an_exit_in_a_thread_is_a_failure_of_the_step(error: BaseException) -> None:
    @step
    def leave() -> None:
        raise error

    failed = await error_of(leave(), a_context())
    assert failed.code == "STEP_RAISED"
    assert failed.message == f"Leave: the function raised {type(error).__name__}"


async def test_what_a_function_raises_is_raised() -> None:
    @step
    def divide(a: int) -> float:
        return 1 / a

    with pytest.raises(ZeroDivisionError):
        await ran(divide(a=0), None, a_context())


@step
async def charge(card: str, amounts: list[int]) -> Any:
    return [card, *amounts]


async def undone(made: FunctionStep, output: Any = None, state: StateContainer | None = None) -> Any:
    context = a_context()
    context.output = output
    return await made.compensate(state or StateContainer(), made.config, context)


async def test_a_compensation_takes_what_it_names() -> None:
    seen: list[Any] = []

    @charge.compensation
    async def refund(output: list[Any], amounts: list[int], state: StateContainer, where: StepContext) -> str:
        output.append("changed")
        amounts.append(0)
        state.set("refunded", True)
        seen.extend([output, amounts, where.run_id])
        return "ignored"

    made, state, output = charge(card="visa", amounts=[1]), StateContainer(), ["visa", 1]
    assert made.compensates()
    assert await undone(made, output, state) is None
    assert seen == [["visa", 1, "changed"], [1, 0], "run"]
    assert state.patch == {"refunded": True}
    assert output == ["visa", 1]
    assert made.config.model_dump() == {"card": "visa", "amounts": [1]}
    assert await refund([], [], state, a_context()) == "ignored"


async def test_a_plain_compensation_runs_in_a_thread() -> None:
    @step
    async def book() -> None: ...

    where: list[str] = []

    @book.compensation
    def cancel_booking() -> None:
        where.append(threading.current_thread().name)

    assert await undone(book()) is None
    assert where == ["openrun-cancel_booking"]


async def test_a_result_that_a_compensation_returns_is_kept() -> None:
    @step
    async def book() -> None: ...

    @book.compensation
    async def cancel() -> StepRunResult:
        return StepRunResult.failure(error="too late")

    assert await undone(book()) == StepRunResult.failure(error="too late")


async def test_a_function_without_a_compensation_cannot_be_undone() -> None:
    assert not add(a=1).compensates()
    with pytest.raises(NotImplementedError, match=r"has no compensate\(\)"):
        await undone(add(a=1))


def test_a_function_step_takes_a_step_that_undoes_it() -> None:
    undoing = multiply(a=1, b=2)
    made = add(id="sum", a=1, compensate=undoing)
    assert made.compensation is undoing
    assert made.config.model_dump() == {"a": 1, "b": 1}


def test_a_compensation_that_asks_for_what_is_not_there_is_refused() -> None:
    @step
    async def book(room: str, output: str) -> None: ...

    async def cancel(rom: str) -> None: ...
    async def both(output: str) -> None: ...
    async def many(*rooms: str) -> None: ...
    def numbers() -> Any:
        yield 1

    with pytest.raises(
        TypeError, match=r"cancel\(\): the step has no parameter 'rom'; did you mean 'room'\?"
    ):
        book.compensation(cancel)
    with pytest.raises(TypeError, match="`output` is a parameter of the step too"):
        book.compensation(both)
    with pytest.raises(TypeError, match=r"compensation .*'rooms' takes any number of values"):
        book.compensation(many)
    with pytest.raises(TypeError, match=r"compensation .*numbers\(\) yields"):
        book.compensation(numbers)
    with pytest.raises(TypeError, match="@compensation goes on a function"):
        book.compensation(functools.partial(cancel))
    assert not book.step_class.compensates()


def test_a_step_has_one_compensation() -> None:
    @step
    async def book() -> None: ...

    @book.compensation
    async def cancel() -> None: ...

    with pytest.raises(TypeError, match=r"book has a compensation: .*cancel\(\)"):
        book.compensation(cancel)
