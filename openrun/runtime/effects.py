"""The ledger of one run's calls to the outside: what was begun is on disk before the call goes out.

Whoever holds the run acquires an effect by committing that it was started, under the run's fence: nobody else can
have done so. What is known of an effect lies in the run's own journal; the store's table of effects is derived.
"""

from collections.abc import Awaitable

from openrun.core.frame import Activation, Phase
from openrun.core.results import Outcome, StepRunResult
from openrun.core.types import EffectClass
from openrun.definition.program import StepPlan
from openrun.runtime.acting import Acting, Host
from openrun.runtime.attempt import Asking, InDoubt
from openrun.runtime.doubt import is_unknown
from openrun.runtime.guards import Guards
from openrun.steps.context import StepContext


def is_once(plan: StepPlan) -> bool:
    """The step as a whole may not be repeated."""
    return plan.effect is EffectClass.AT_MOST_ONCE and not plan.guarded


def lost_outcome(act: Activation, plan: StepPlan, *, is_new: bool) -> InDoubt | None:
    """What is in doubt of a step that ran in another life, and whose outcome died with that.

    One that `is_new` had not begun to run in this life; what an effect of it came to before may be open still.
    """
    open_key = act.open_effect
    ran = not is_new and act.phase in (Phase.LIVE, Phase.RESUMING)
    return InDoubt(key=open_key) if open_key is not None or (ran and is_once(plan)) else None


class Effects:
    """The effects of the activations under way."""

    __slots__ = ("_guards", "_host", "acting")

    def __init__(self, host: Host, guards: Guards) -> None:
        self._host = host
        self._guards = guards
        self.acting: dict[Activation, Acting] = {}

    def of(self, act: Activation, plan: StepPlan, context: StepContext) -> Acting:
        """For one run of a step from its top, as soon as it wants to act, ask or draw."""
        former = self.acting.get(act)
        if former is not None:
            former.over = True
        acting = self.acting[act] = Acting(self._host, self._guards, act, plan)
        acting.context = context
        return acting

    def ended(self, act: Activation, outcome: Outcome | Asking | InDoubt | None) -> Asking | InDoubt | None:
        """Record what the effects of a step came to that has ended so, or was stopped (None).

        Says whether it asks, or is in doubt, whatever else it came to.
        """
        failed = outcome.error if isinstance(outcome, StepRunResult) else None
        acting = self.flush(act, completes=isinstance(outcome, StepRunResult) and failed is None)
        told = None if acting is None else acting.outcome()
        if told is not None:
            # Also of a step that caught what was to take it out, and came back with something.
            return told
        open_key = act.open_effect
        unknown = outcome is None or (failed is not None and is_unknown(failed))
        once = is_once(self._host.plan(act))
        return InDoubt(key=open_key) if open_key is not None or (unknown and once) else None

    def settled(self, act: Activation) -> Awaitable[None] | None:
        """The body of a step has ended: what it left behind comes to its outcome."""
        acting = self.acting.get(act)
        return None if acting is None else acting.close()

    def flush(self, act: Activation, *, completes: bool = False) -> Acting | None:
        """Record what its effects came to; to be called within a turn, before what the step itself came to."""
        acting = self.acting.pop(act, None)
        if acting is not None:
            acting.flush(completes=completes)
            acting.over = True
        return acting
