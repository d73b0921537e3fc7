"""What activations write into the state, and which versions of it somebody may still read."""

from collections.abc import Mapping

from openrun.core.events import FlowForked
from openrun.core.frame import Activation, Frame
from openrun.core.interpolation import MISSING
from openrun.core.layers import nobody
from openrun.core.types import Json
from openrun.core.undo import Undo


class Pen:
    """Writes for one run. Its readers are the activations under way, and what may be undone later."""

    __slots__ = ("_undo", "live")

    def __init__(self, undo: Undo) -> None:
        self.live: dict[Activation, None] = {}
        """Activations under way, by the order of their snapshots."""
        self._undo = undo

    def write(self, act: Activation, patch: Mapping[str, Json], output: Json, seq: int) -> None:
        """What an activation set, and its output: in its own scope, and up to the root of its walk."""
        frame = act.frame
        for key, value in patch.items():
            frame.layer.write(key, value, seq, self._readers)
        frame.outputs.write(act.spec.id, output, seq, self._readers)
        while frame is not frame.walk.root and frame.parent is not None:
            frame = frame.parent
            frame.outputs.write(act.spec.id, output, seq, self._readers)

    def fork(self, root: Frame, event: FlowForked) -> None:
        """What somebody changed by hand as the run went its own way."""
        for key in event.removed:
            root.layer.write(key, MISSING, event.seq, self._readers)
        for key, value in event.values.items():
            root.layer.write(key, value, event.seq, self._readers)
        for step, output in event.outputs.items():
            root.outputs.write(step, output, event.seq, self._readers)

    def _readers(self) -> tuple[int, int]:
        live = self.live
        now = (next(iter(live)).snapshot, next(reversed(live)).snapshot) if live else nobody()
        if not self._undo.done:
            return now
        oldest, newest = self._undo.readers()
        return min(now[0], oldest), max(now[1], newest)
