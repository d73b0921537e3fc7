"""What the driver of a run offers to those who record for it, within its turns."""

from datetime import datetime
from typing import Protocol

from openrun.core.events import Fact
from openrun.core.facts import Facts, Known
from openrun.core.frame import Activation
from openrun.core.machine import Machine


class Recorder(Protocol):
    """The run's machine, and how its next fact is recorded."""

    @property
    def machine(self) -> Machine: ...

    @property
    def facts(self) -> Facts: ...

    @property
    def now(self) -> datetime:
        """The time of the facts recorded in this turn."""

    def record(self, event: Fact) -> None: ...

    def record_effect(self, act: Activation, known: Known) -> None:
        """Record what is known of an effect, unless its step has ended without it."""
