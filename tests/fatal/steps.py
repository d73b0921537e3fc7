"""Steps of our own."""

import os
from pathlib import Path
from typing import Any

from openrun import EffectClass, PermanentError, StepContext, Verdict, step
from openrun.core.effects import EffectStatus
from openrun.core.strict_json import decode
from openrun.core.types import Json
from openrun.net.http import HttpRequest


@step(effect="idempotent")
def deadly(cure: str) -> str:
    """Ends the process it runs in, until the file `cure` exists."""
    if not Path(cure).exists():
        os._exit(7)
    return "cured"


class Caller:
    """Posts to a receiver, under the key of the effect that it is."""

    def __init__(self, context: StepContext, receiver: str) -> None:
        self._http = context.http
        self._receiver = receiver

    async def post(self, path: str, *_more: Json, idempotency_key: str) -> Json:
        return await self._send(path, {"Idempotency-Key": f'"{idempotency_key}"'})

    async def verify(self, path: str) -> Verdict:
        """What the receiver has to say of a call to this path: one of {"status": ..., "value": ...}."""
        said: Any = await self._send(f"verify/{path}", {})
        return Verdict(status=EffectStatus(said["status"]), value=said.get("value"))

    async def _send(self, path: str, headers: dict[str, str]) -> Json:
        url = f"http://{self._receiver}/{path}"
        response = await self._http.send(HttpRequest(method="POST", url=url, timeout=60, headers=headers))
        if response.status != 200:
            raise PermanentError(f"{path}: the receiver refuses, {response.status}", code="REFUSED")
        return decode(response.body)


@step(effect="idempotent")
async def errands(
    context: StepContext,
    receiver: str,
    todo: list[str],
    kind: EffectClass | None = None,
    *,
    looks: bool = False,
    fickle: bool = False,
    expires: float | None = None,
) -> list[Any]:
    """One after another: an effect for each path, and an interrupt for each "?key".

    `kind` is the class of the effects, `looks` whether a call can be looked up afterwards, `fickle` whether its
    arguments are others in each process.
    """
    caller, brought = Caller(context, receiver), []
    for what in todo:
        if what.startswith("?"):
            brought.append(await context.interrupt(key=what[1:], title=what, expires=expires))
            continue

        async def looked_up(_key: str, what: str = what) -> Verdict:
            return await caller.verify(what)

        more = [os.getpid()] if fickle else []
        verify = looked_up if looks else None
        brought.append(await context.effect(what, caller.post, what, *more, effect=kind, verify=verify))
    return brought


@errands.compensation
async def return_all(
    context: StepContext, receiver: str, todo: list[str], output: list[Any], *, kind: EffectClass | None
) -> None:
    """Undoes each path by an effect of its own, the last first."""
    assert len(output) == len(todo)
    caller = Caller(context, receiver)
    for what in reversed(todo):
        if not what.startswith("?"):
            await context.effect("undo", caller.post, f"undo/{what}", effect=kind)


@step
async def bare(context: StepContext, receiver: str, path: str) -> Json:
    """A call that the ledger knows nothing of."""
    return await Caller(context, receiver).post(path, idempotency_key=context.idempotency_key)
