"""What is to be right about a birth before anything is written."""

from openrun.store.base import StoreError
from openrun.store.rows import Slice


def check_delivery(part: Slice) -> None:
    """Nothing but a run's own start, in its own namespace, is kept as its delivery. Raises `StoreError`."""
    birth = part.birth
    if birth is None or birth.delivery is None:
        return
    its = birth.delivery
    if (its.run_id, its.namespace) != (part.run_id, birth.namespace):
        raise StoreError(
            f"the delivery of run {its.run_id!r} in {its.namespace!r} does not start run {part.run_id!r} in "
            f"{birth.namespace!r}"
        )
