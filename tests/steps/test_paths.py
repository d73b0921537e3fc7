"""Steps written one after another with `>>`."""

import pytest

from openrun import Flow, StateContainer, Step, StepConfig, StepRunResult, TriggerManual


class Go(Step):
    async def run(self, state: StateContainer, config: StepConfig) -> StepRunResult:
        return StepRunResult.success()


def edges(flow: Flow) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.source_port, edge.target) for edge in flow.edges}


def test_a_path_may_part_and_meet_again() -> None:
    start, one, two, end = TriggerManual(id="s"), Go(id="one"), Go(id="two"), Go(id="end")
    flow = Flow(name="f").add(start >> [one, two["error"]] >> end)
    assert edges(flow) == {
        ("s", "default", "one"),
        ("s", "default", "two"),
        ("one", "default", "end"),
        ("two", "error", "end"),
    }


@pytest.mark.parametrize("other", [print, [], [1], "end"])
def test_what_is_no_step_cannot_be_led_to(other: object) -> None:
    with pytest.raises(TypeError, match="leads to a step"):
        TriggerManual(id="s") >> other  # type: ignore[operator]


def test_a_run_that_is_not_async_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"Plain\.run must be `async def`"):

        class Plain(Step):
            def run(  # type: ignore[override]
                self, state: StateContainer, config: StepConfig
            ) -> StepRunResult:
                return StepRunResult.success()
