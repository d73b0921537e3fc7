"""What a running step may know and do beside its state and config."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from openrun.core.events import activation_id
from openrun.core.types import Json
from openrun.net.http import HttpClient


class StepContext:
    """Handed to a step's `run` as its third parameter, where it takes one."""

    __slots__ = (
        "_clock",
        "_emit",
        "abandoned",
        "attempt",
        "flow_id",
        "http",
        "input",
        "run_id",
        "scope",
        "step_id",
    )

    def __init__(
        self,
        *,
        run_id: str,
        flow_id: str,
        step_id: str,
        scope: str,
        attempt: int,
        input: dict[str, Json],  # noqa: A002
        clock: Callable[[], datetime],
        emit: Callable[[Any], None],
        http: HttpClient,
    ) -> None:
        self.run_id = run_id
        self.flow_id = flow_id
        self.step_id = step_id
        self.scope = scope
        self.attempt = attempt
        """Number of this attempt; 1 is the first."""
        self.input = input
        """The payload of the run's trigger."""
        self.http = http
        """The engine's HTTP client, guarded against private addresses."""
        self.abandoned = False
        """Set by a step whose work goes on though it was told to stop: it must not be tried again beside it."""
        self._clock = clock
        self._emit = emit

    @property
    def activation_id(self) -> str:
        """Names this activation; the same over retries, crashes and replays."""
        return activation_id(self.run_id, self.step_id, self.scope)

    @property
    def idempotency_key(self) -> str:
        """A key to send along with a call, the same at every repetition of this activation."""
        return self.activation_id

    def now(self) -> datetime:
        """The engine's clock: aware, UTC."""
        return self._clock()

    def emit(self, data: Any) -> None:
        """Show progress to whoever watches the run. Plain JSON data, up to 64 KiB, 1,000 times per attempt."""
        self._emit(data)
