"""What the namespaces of a process share, as they see it."""

from typing import Protocol

from openrun.bus.base import Bus
from openrun.core.limits import Limits
from openrun.runtime.intake import Place
from openrun.runtime.library import Library
from openrun.runtime.notifications import Outlet
from openrun.runtime.tails import Tails
from openrun.steps.catalog import StepCatalog
from openrun.store.base import Store
from openrun.triggers.current import CurrentTriggers
from openrun.triggers.scheduler import Scheduler


class Ears(Protocol):
    """What listens beside a worker."""

    @property
    def outlet(self) -> Outlet: ...

    @property
    def bus(self) -> Bus: ...

    @property
    def triggers(self) -> CurrentTriggers: ...

    @property
    def scheduler(self) -> Scheduler: ...


class Works(Place, Protocol):
    """What the namespaces of a process share."""

    @property
    def catalog(self) -> StepCatalog: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def library(self) -> Library: ...

    @property
    def tails(self) -> Tails: ...

    @property
    def store(self) -> Store: ...

    @property
    def listening(self) -> Ears: ...
