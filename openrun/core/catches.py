"""Who caught: every activation that catches a failure has a bit of its own, and masks travel along edges."""

from openrun.core.frame import Round, Walk


def new_bit(walk: Walk, step: int, around: Round | None) -> int:
    bit = 1 << len(walk.catchers)
    walk.catchers.append(step)
    if around is not None:
        around.catches |= bit
    return bit


def outside(around: Round, mask: int) -> int:
    """The mask as it leaves a loop: outside, one bit stands for all that a step caught inside."""
    inside = mask & around.catches
    mask &= ~around.catches
    walk = around.frame.walk
    while inside:
        lowest = inside & -inside
        inside ^= lowest
        step = walk.catchers[lowest.bit_length() - 1]
        if step not in around.outward:
            around.outward[step] = new_bit(walk, step, around.frame.round)
        mask |= around.outward[step]
    return mask


def worse(known: tuple[int, int] | None, state: int, mask: int) -> tuple[int, int]:
    if known is None:
        return state, mask
    return max(known[0], state), known[1] | mask
