"""Where things stand in the frames: the loop a frame lies in, the frame an edge belongs to, what is barred."""

from openrun.core.errors import ErrorObject
from openrun.core.frame import Frame, Round
from openrun.core.graph import Link
from openrun.core.joins import FAILED
from openrun.core.types import JoinMode


def scope_below(parent: Frame, segment: str) -> str:
    return f"/{segment}" if parent.scope == "/" else f"{parent.scope}/{segment}"


def round_of(frame: Frame, region: int) -> Round:
    """The loop under way that `frame` lies in, which is of this region."""
    around = frame.round
    assert around is not None
    assert around.loop.region.index == region, f"frame {frame.scope} lies in no iteration of loop {region}"
    return around


def entered_from(frame: Frame, step: int) -> Frame:
    """The frame whose edges a step decides by: for the header of a loop's first iteration, the one around it."""
    around = frame.round
    is_entry = around is not None and frame is around.first and frame.walk.graph.inputs[step]
    return around.frame if is_entry and around is not None else frame


def is_own(frame: Frame, link: Link) -> bool:
    """The edge comes from a step that the token of this frame leads to."""
    return frame.token is None or link.source in frame.walk.graph.token_reach(frame.token)


def is_barred(frame: Frame, step: int) -> bool:
    """The step may not start here: the walk stops, or its race is lost."""
    walk = frame.walk
    if walk.stopping and (walk.cut or step not in walk.graph.protected):
        return True
    around: Frame | None = frame
    while around is not None and around.walk is walk:
        if step in around.barred:
            return True
        around = around.round.frame if around.round is not None else None
    return False


def upstream_error(frame: Frame, step: int) -> ErrorObject:
    graph = frame.walk.graph
    base = entered_from(frame, step)
    links = graph.inner[step] if base is frame else graph.inputs[step]
    if graph.steps[step].join_mode is JoinMode.FIRST_SUCCESS:
        links = tuple(link for link in links if is_own(base, link))
    failed = [graph.steps[link.source].id for link in links if settled_state(base, link) == FAILED]
    return ErrorObject(
        code="UPSTREAM_FAILED",
        message=f"step {graph.steps[step].id!r} did not run because {', '.join(map(repr, failed))} failed",
        details={"failed": failed},
    )


def settled_state(frame: Frame, link: Link) -> int:
    """How an edge has settled in the frame it belongs to."""
    while link.index not in frame.edges:
        assert frame.parent is not None
        frame = frame.parent
    return frame.edges[link.index][0]
