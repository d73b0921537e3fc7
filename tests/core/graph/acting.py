"""Steps that have effects."""

from openrun.core.effects import EffectStatus, effect_key
from openrun.core.events import activation_id
from openrun.core.facts import Known
from openrun.core.types import EffectClass

from .harness import Acts, Behaviour, ok


def known(step: str = "a", name: str = "charge", scope: str = "/", **more: object) -> Known:
    """An effect of a step that begins."""
    key = effect_key(activation_id("run", step, scope), name, 0)
    given: dict[str, object] = {"status": EffectStatus.STARTED, "effect": EffectClass.AT_MOST_ONCE, **more}
    return Known(name=name, key=key, **given)  # type: ignore[arg-type]


def charges(then: Behaviour | None = None) -> Behaviour:
    """Have an effect that is not to be repeated."""
    return lambda act: Acts(known(act.step_id, scope=act.scope), then or ok())
