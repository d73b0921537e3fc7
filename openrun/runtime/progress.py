"""What steps report while they run: plain, bounded in size and number."""

from typing import Any

from openrun.core.errors import PermanentError
from openrun.core.frame import Activation
from openrun.core.limits import Limits
from openrun.core.strict_json import canonical, plain
from openrun.core.types import Json


class Progress:
    """Accepts the reports of one run's steps."""

    __slots__ = ("_counts", "_limits")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._counts: dict[tuple[str, str, int], int] = {}

    def accept(self, act: Activation, data: Any) -> Json:
        """The report as plain data. Raises `PermanentError` past the limits, `JsonError` for other data."""
        key = (act.step_id, act.scope, act.attempt)
        count = self._counts[key] = self._counts.get(key, 0) + 1
        if count > self._limits.progress_count:
            raise PermanentError(
                f"step {act.step_id!r} reported progress more than {self._limits.progress_count} times",
                code="PROGRESS_LIMIT",
            )
        clean = plain(data)
        if len(canonical(clean).encode()) > self._limits.progress_bytes:
            raise PermanentError(
                f"a progress report of step {act.step_id!r} is over {self._limits.progress_bytes} bytes",
                code="VALUE_TOO_LARGE",
            )
        return clean
