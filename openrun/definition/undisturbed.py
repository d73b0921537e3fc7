"""Reading and compiling a flow without garbage collections in between.

What is made stays, and hardly any of it is garbage, yet every full collection walks through all of it again: with
them a flow of 10,000 steps takes two to three times as long. Documents are bounded, and so is what can wait.
"""

import gc
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def undisturbed(function: Callable[P, R]) -> Callable[P, R]:
    """The function, with automatic collection off while it runs, if it was on.

    Of several threads inside, the one that turned it off turns it on again, so that it never stays off.
    """

    @wraps(function)
    def quiet(*args: P.args, **kwargs: P.kwargs) -> R:
        if not gc.isenabled():
            return function(*args, **kwargs)
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            gc.enable()

    return quiet
