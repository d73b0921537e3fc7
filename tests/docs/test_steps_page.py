"""docs/steps.md tells of every built-in step, as the catalogue has it."""

from openrun.steps.catalog import builtin_steps
from tests.docs.steps_page import PAGE, names_in, rendered


def test_the_generated_parts_are_up_to_date() -> None:
    text = PAGE.read_text()
    assert rendered(text) == text, "write them anew: python -m tests.docs.steps_page"


def test_every_built_in_step_is_told_of() -> None:
    assert set(names_in(PAGE.read_text())) == {"every-step", "retry", *builtin_steps()}


def test_every_field_and_every_port_is_named() -> None:
    text = PAGE.read_text()
    for key, cls in builtin_steps().items():
        section = text.partition(f"### {key}\n")[2].partition("\n### ")[0]
        names = [*cls.config_model().model_fields, *cls.model_fields["ports"].default, "error"]
        assert [name for name in names if f"`{name}`" not in section] == [], key
