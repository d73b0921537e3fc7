"""What one render may still spend, so that no template can hold the loop or fill the memory.

An operation is one unit of work that the size of the data decides: an element touched by a filter, 64
values measured, a KiB of text built. Nodes of a template are no operations: they are bounded when it is
compiled and each is evaluated at most once. A container is measured when it is made, with everything in it,
so doubling is noticed at the doubling and not when the result is written out.
"""

from typing import Any

from openrun.core.interpolation.fault import FaultError
from openrun.core.limits import Limits
from openrun.core.strict_json import TOO_LARGE
from openrun.core.types import Json

# The templates of one config together may work as hard as this many at their own limit.
_TEMPLATES = 50
_SCALAR_SIZE = 2


class Budget:
    """Owned by one render."""

    __slots__ = ("left", "limits", "total")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.left = limits.template_operations
        self.total = limits.template_operations * _TEMPLATES

    def begin(self) -> None:
        """The next template of the same render starts."""
        self.left = min(self.limits.template_operations, self.total)

    def charge(self, operations: int) -> None:
        self.left -= operations
        self.total -= operations
        if self.left < 0:
            raise FaultError(f"more than {self.limits.template_operations:,} operations")

    def touch(self, value: Json) -> None:
        """Charge for work on every element of a value, or on its whole text."""
        kind = type(value)
        if kind is str:
            self.charge(1 + (len(value) >> 10))
        elif kind is list or kind is dict:
            self.charge(1 + len(value))

    def measure(self, value: Json) -> int:
        """About the bytes of a value as JSON; counting stops soon after the limit."""
        kind = type(value)
        if kind is str:
            self.charge(len(value) >> 10)
            return _text_size(value)
        if kind is not list and kind is not dict:
            return _SCALAR_SIZE
        size, values = _measure(value, self.limits.template_value_bytes)
        self.charge(1 + (values >> 6))
        return size

    def check(self, size: int) -> None:
        limit = self.limits.template_value_bytes
        if size > limit:
            raise FaultError(f"a value larger than {limit:,} bytes", TOO_LARGE)

    def reserve(self, size: int) -> None:
        """Refuse what would become too large before it is made, and charge for making it."""
        self.check(size)
        self.charge(size >> 10)

    def made(self, value: Json) -> Json:
        """A value that a template has just made, once it is known to be small enough."""
        self.reserve(self.measure(value))
        return value


def _measure(value: Json, limit: int) -> tuple[int, int]:
    size = 0
    values = 0
    stack: list[Any] = [value]
    while stack and size <= limit:
        item = stack.pop()
        kind = type(item)
        values += 1
        if kind is str:
            size += _text_size(item)
        elif kind is dict:
            # Counted before they are stacked, so that the stack is bounded by the limit too.
            size += sum(map(len, item)) + len(item)
            stack.extend(item.values())
        elif kind is list:
            size += len(item)
            stack.extend(item)
        size += _SCALAR_SIZE
    return size, values


def _text_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
