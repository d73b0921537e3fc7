from importlib.metadata import EntryPoint
from typing import Any

import pytest

from openrun.core.types import EffectClass, StepType
from openrun.steps import catalog as catalog_module
from openrun.steps.base import Step
from openrun.steps.catalog import StepCatalog, StepTypeConflict, UnknownStepType, builtin_steps
from openrun.steps.execution import StepDelay, StepRequest

from .modules import clash, shop

BUILTIN = StepCatalog.builtin()
SHOP = "tests.steps.modules.shop"
CLASH = "tests.steps.modules.clash"


def test_every_built_in_type_has_a_class_that_names_it() -> None:
    assert list(builtin_steps()) == [kind.value for kind in StepType]
    for key, cls in BUILTIN.items():
        assert cls.model_fields["type"].default == key
        assert BUILTIN.get(key) is cls
        assert BUILTIN.key_of(cls) == key


@pytest.mark.parametrize("cls", builtin_steps().values())
def test_every_built_in_step_introduces_itself(cls: type[Step]) -> None:
    info = cls.info()
    assert info.category in {"trigger", "logic", "data", "http", "time", "people", "flow"}
    assert info.description == (cls.__doc__ or "").strip()
    assert info.examples
    for example in info.examples:
        assert cls.model_validate({"id": "example", "config": example}).faults() == []


@pytest.mark.parametrize("cls", builtin_steps().values())
def test_every_config_field_is_described_with_examples(cls: type[Step]) -> None:
    for name, field in cls.config_model().model_fields.items():
        assert field.description, name
        assert field.examples, name


@pytest.mark.parametrize("cls", builtin_steps().values())
def test_static_and_secret_fields_are_fields(cls: type[Step]) -> None:
    model = cls.config_model()
    assert model.static_fields <= model.model_fields.keys()
    assert model.secret_fields <= model.model_fields.keys()


def test_effects_are_declared() -> None:
    pure = {key for key, cls in BUILTIN.items() if cls.default_effect is EffectClass.PURE}
    assert set(BUILTIN.keys()) - pure == {"request", "reply", "emit"}
    assert {key for key, cls in BUILTIN.items() if not cls.inline} == {"request", "emit"}


def test_an_unknown_key_is_an_error_that_names_the_near_one() -> None:
    with pytest.raises(UnknownStepType) as caught:
        BUILTIN.get("requst")
    assert isinstance(caught.value, KeyError)
    assert str(caught.value) == "there is no step type 'requst'; did you mean 'request'?"
    with pytest.raises(UnknownStepType) as caught:
        BUILTIN.get("zzzzzz")
    assert str(caught.value) == "there is no step type 'zzzzzz'"
    assert "zzzzzz" not in BUILTIN
    assert "request" in BUILTIN


def test_two_classes_under_one_key_are_an_error_that_names_both() -> None:
    found = StepCatalog({"delay": StepDelay})
    found.add("delay", StepDelay)
    with pytest.raises(StepTypeConflict) as caught:
        found.add("delay", StepRequest)
    assert caught.value.key == "delay"
    assert "openrun.steps.execution.delay.StepDelay" in str(caught.value)
    assert "openrun.steps.execution.request.StepRequest" in str(caught.value)


@pytest.mark.parametrize("key", ["", "a b", "é", "a" * 65])
def test_a_key_is_a_word(key: str) -> None:
    with pytest.raises(ValueError, match="step type"):
        StepCatalog().add(key, StepDelay)


def test_the_first_key_of_a_class_is_its_key() -> None:
    found = StepCatalog({"rest": StepDelay, "pause": StepDelay})
    assert found.key_of(StepDelay) == "rest"
    assert found.keys() == ["rest", "pause"]


def test_a_class_that_is_not_in_the_catalogue_has_the_key_it_would_have() -> None:
    assert BUILTIN.key_of(shop.ShipOrder) == "ship_order"
    assert BUILTIN.key_of(shop.price.step_class) == "shop.price"


def test_a_class_that_would_have_anothers_key_has_none() -> None:
    with pytest.raises(StepTypeConflict, match=r"clash\.Delay"):
        BUILTIN.key_of(clash.Delay)


def test_a_module_adds_the_steps_that_it_defines() -> None:
    found = BUILTIN.with_modules([SHOP])
    assert [key for key, _ in found.items() if key not in BUILTIN] == ["ship_order", "shop.price"]
    assert found.get("ship_order") is shop.ShipOrder
    assert found.get("shop.price") is shop.price.step_class
    assert "ship_order" not in BUILTIN


def test_a_module_that_takes_a_built_in_key_is_refused() -> None:
    with pytest.raises(StepTypeConflict, match=r"StepDelay and by .*clash\.Delay"):
        BUILTIN.with_modules([CLASH])


def test_a_module_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(ImportError, match=r"step module 'no\.such\.module' cannot be imported"):
        BUILTIN.with_modules(["no.such.module"])


def pointing(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """Let these entry points be installed."""

    def installed(*, group: str) -> list[EntryPoint]:
        assert group == "openrun.steps"
        return [EntryPoint(name, value, group) for name, value in points.items()]

    monkeypatch.setattr(catalog_module, "entry_points", installed)


def test_installed_packages_add_steps_under_the_names_of_entry_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pointing(monkeypatch, ship=f"{SHOP}:ShipOrder", price=f"{SHOP}:price")
    found = BUILTIN.with_entry_points()
    assert found.get("ship") is shop.ShipOrder
    assert found.get("price") is shop.price.step_class
    assert found.key_of(shop.ShipOrder) == "ship"


@pytest.mark.parametrize("value", [f"{SHOP}:__all__", f"{SHOP}:StateContainer"])
def test_an_entry_point_that_is_no_step_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    pointing(monkeypatch, odd=value)
    with pytest.raises(TypeError, match=r"entry point 'odd' .* is neither a step class nor a @step"):
        BUILTIN.with_entry_points()


def test_no_entry_points_are_no_steps() -> None:
    found: Any = BUILTIN.with_entry_points()
    assert set(found.keys()) >= set(BUILTIN.keys())
