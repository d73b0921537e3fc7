"""What runs wait to be told: listing it, and telling them. An answer is checked here, before it reaches its run."""

import hashlib
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from openrun.core.asks import Answer, Ask, AskKind, Decision
from openrun.core.events import SignalReceived, decode_fact
from openrun.core.strict_json import canonical, plain
from openrun.core.types import FINAL, Json
from openrun.runtime.errors import (
    InvalidAnswer,
    KeyConflict,
    NotAllowed,
    RunEnded,
    UnknownRun,
    UnknownWait,
    WaitOver,
)
from openrun.runtime.messages import MessageKind
from openrun.steps.form import check_form
from openrun.store.base import Records
from openrun.store.projection import in_ms
from openrun.store.rows import Message, Posted, WaitFilter, WaitRow

_PAGE = 1_000
_USER, _ROLE = "user:", "role:"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The run will hear it; `repeated` when it was told the same before, and this is no act."""

    run_id: str
    wait_id: str | None = None
    repeated: bool = False


class Waits:
    """The waits of a store's runs."""

    def __init__(
        self,
        store: Records,
        new_key: Callable[[], str],
        now: Callable[[], datetime],
        *,
        hint: Callable[[], None],
        masked: Callable[[Any], Any] | None,
    ) -> None:
        """`hint` is called when a run may have something to hear; `masked` takes secrets out of what is told."""
        self._masked = masked or (lambda told: told)
        self._now = now
        self._store = store
        self._new_key = new_key
        self._hint = hint

    async def open(
        self,
        *,
        kind: Collection[AskKind | str] = (),
        run_id: str | None = None,
        after: tuple[int, str] | None = None,
        limit: int = 50,
    ) -> list[WaitRow]:
        """Waits that nobody has ended yet, oldest first; `after` is the (created_at, wait_id) to go on behind."""
        kinds = tuple(sorted(AskKind(each).value for each in kind))
        return await self._store.waits(WaitFilter(kind=kinds, run_id=run_id, after=after, limit=limit))

    async def get(self, wait_id: str) -> WaitRow:
        """The wait of this id, or of the only one that begins so. Raises `UnknownWait`."""
        found = await self._store.find_waits(wait_id) if wait_id else []
        exact = [row for row in found if row.wait_id == wait_id]
        if len(exact or found) != 1:
            several = "more than one wait begins" if found else "no wait begins"
            raise UnknownWait(f"{several} with {wait_id!r}; `openrun approvals` lists those that are open")
        return (exact or found)[0]

    # -- telling ----------------------------------------------------------------------------------

    async def signal(
        self, run_id: str, name: str, value: Json = None, *, by: str | None = None, key: str | None = None
    ) -> Told:
        """Tell a run: whoever in it waits longest for a signal of this name hears it, or the next who does.

        Each call is a signal of its own, unless it has a `key`: the same key with the same content is no act.
        Raises `UnknownRun`, `RunEnded`, `KeyConflict` for a key that said something else.
        """
        answer = Answer(name=name, value=plain(value), by=by)
        place = f"signal:{key or self._new_key()}"
        return await self._tell(run_id, MessageKind.SIGNAL, place, answer)

    async def happened(
        self, event: str, value: Json = None, *, correlation: str | None = None, key: str | None = None
    ) -> list[Told]:
        """Tell every wait for this event; those that wait for it about something want the same `correlation`."""
        told: list[Told] = []
        any_of_them = WaitFilter(kind=(AskKind.EVENT.value,), name=event, limit=_PAGE)
        async for row in self._each(msgspec.structs.replace(any_of_them, uncorrelated=True)):
            told += await self._hears(row, event, value, key)
        if correlation is not None:
            async for row in self._each(msgspec.structs.replace(any_of_them, correlation=correlation)):
                told += await self._hears(row, event, value, key)
        return told

    async def _each(self, wanted: WaitFilter) -> AsyncIterator[WaitRow]:
        while rows := await self._store.waits(wanted):
            for row in rows:
                yield row
            wanted = msgspec.structs.replace(wanted, after=(rows[-1].created_at, rows[-1].wait_id))

    async def _hears(self, row: WaitRow, event: str, value: Json, key: str | None) -> list[Told]:
        place = f"event:{key or self._new_key()}:{row.wait_id}"
        # Whoever has ended meanwhile must not keep the others from hearing it.
        with suppress(WaitOver, UnknownRun):
            return [await self._answer(row, Answer(name=event, value=plain(value)), place)]
        return []

    async def answer(
        self, wait_id: str, value: Json = None, *, by: str | None = None, roles: Collection[str] = ()
    ) -> Told:
        """Answer an interrupt, or a wait for a signal or an event.

        Raises `UnknownWait`, `WaitOver`, `NotAllowed`, `InvalidAnswer`, `KeyConflict`.
        """
        row = await self.get(wait_id)
        ask = asked(row)
        if ask.kind is AskKind.APPROVAL:
            raise InvalidAnswer(f"wait {row.wait_id} is an approval: approve or reject it")
        answer = Answer(ask=row.wait_id, name=ask.name, value=plain(value), by=by)
        return await self._checked(row, ask, answer, roles)

    async def approve(
        self, wait_id: str, value: Json = None, *, by: str | None = None, roles: Collection[str] = ()
    ) -> Told:
        """Approve, as it is or with an edited value. Raises as `answer` does."""
        row = await self.get(wait_id)
        return await self._decide(row, Decision.APPROVED, Answer(value=plain(value), by=by), roles)

    async def reject(
        self,
        wait_id: str,
        reason: str | None = None,
        *,
        by: str | None = None,
        roles: Collection[str] = (),
    ) -> Told:
        """Reject an approval, or refuse to answer an interrupt. Raises as `answer` does."""
        row = await self.get(wait_id)
        return await self._decide(row, Decision.REJECTED, Answer(reason=reason, by=by), roles)

    async def _decide(self, row: WaitRow, decision: Decision, said: Answer, roles: Collection[str]) -> Told:
        ask = asked(row)
        if ask.kind not in (AskKind.APPROVAL, AskKind.INPUT) or (
            ask.kind is AskKind.INPUT and decision is Decision.APPROVED
        ):
            raise InvalidAnswer(f"wait {row.wait_id} is for {ask.kind.value}: answer it, or signal its run")
        answer = msgspec.structs.replace(said, ask=row.wait_id, name=ask.name, decision=decision)
        return await self._checked(row, ask, answer, roles)

    async def _checked(self, row: WaitRow, ask: Ask, answer: Answer, roles: Collection[str]) -> Told:
        # Ada and " ada" are one person.
        answer = msgspec.structs.replace(answer, by=(answer.by or "").strip() or None)
        if ask.approvers and not allowed(ask.approvers, answer.by, roles):
            raise NotAllowed(
                f"wait {row.wait_id} is for {', '.join(ask.approvers)}; "
                f"{answer.by or 'nobody'} with roles {sorted(roles) or 'none'} may not answer it"
            )
        if ask.quorum > 1 and answer.by is None:
            raise NotAllowed(f"wait {row.wait_id} takes {ask.quorum} persons: say who answers (`by`)")
        _check_value(row, ask, answer)
        if ask.kind is AskKind.APPROVAL and row.closed_at is None:
            await self._check_undecided(row, ask, answer)
        person = f":{answer.by or ''}" if ask.kind is AskKind.APPROVAL else ""
        place = f"answer:{row.wait_id}{person}"
        return await self._answer(row, answer, place)

    async def _check_undecided(self, row: WaitRow, ask: Ask, answer: Answer) -> None:
        """What has been said decides already, though the run has not heard it yet."""
        said = [
            msgspec.convert(each.body, Answer)
            for each in await self._store.waiting_messages([row.run_id])
            if each.kind == MessageKind.ANSWER and each.body.get("ask") == row.wait_id
        ]
        said += await self._heard(row)
        if any(each.by == answer.by for each in said):
            # Whether it is the same again, the inbox tells.
            return
        yes = {each.by for each in said if each.decision is Decision.APPROVED}
        if len(yes) >= ask.quorum or any(each.decision is Decision.REJECTED for each in said):
            raise WaitOver(f"wait {row.wait_id} is over: what was said before decides it")

    async def _heard(self, row: WaitRow) -> list[Answer]:
        facts = [decode_fact(each.body) for each in await self._store.events(row.run_id)]
        answers = [fact.answer for fact in facts if isinstance(fact, SignalReceived)]
        return [each for each in answers if each.ask == row.wait_id]

    async def _answer(self, row: WaitRow, answer: Answer, place: str) -> Told:
        answer = msgspec.structs.replace(answer, ask=row.wait_id)
        expired = row.expires_at is not None and row.expires_at <= in_ms(self._now())
        if row.closed_at is None and not expired:
            try:
                return await self._tell(row.run_id, MessageKind.ANSWER, place, answer, row.wait_id)
            except RunEnded:
                row = await self.get(row.wait_id)
            except KeyConflict:
                mine = row.kind == AskKind.APPROVAL and answer.by
                who = f"{answer.by} has" if mine else "somebody has"
                raise WaitOver(f"wait {row.wait_id}: {who} answered otherwise before") from None
        if await self._was_said(row, answer):
            return Told(run_id=row.run_id, wait_id=row.wait_id, repeated=True)
        outcome = row.outcome or ("expired" if expired else "its run has ended")
        raise WaitOver(f"wait {row.wait_id} is over: {outcome}")

    async def _was_said(self, row: WaitRow, answer: Answer) -> bool:
        """Whether the run heard this very answer; its journal knows also when its inbox has been emptied."""
        return answer in await self._heard(row)

    async def _tell(
        self, run_id: str, kind: MessageKind, place: str, answer: Answer, wait_id: str | None = None
    ) -> Told:
        body = self._masked(msgspec.to_builtins(answer))
        (posted,) = await self._store.post([Message(run_id=run_id, kind=kind, key=_short(place), body=body)])
        _check_posted(run_id, posted)
        self._hint()
        return Told(run_id=run_id, wait_id=wait_id, repeated=not posted.fresh)


def asked(row: WaitRow) -> Ask:
    """What a wait asks."""
    return msgspec.json.decode(row.ask, type=Ask)


def allowed(approvers: Collection[str], by: str | None, roles: Collection[str]) -> bool:
    """Whether somebody is among the approvers: "user:ada" or "ada" by name, "role:finance" by role."""
    names = {each.removeprefix(_USER) for each in approvers if not each.startswith(_ROLE)}
    wanted = {each.removeprefix(_ROLE) for each in approvers if each.startswith(_ROLE)}
    return by in names or bool(wanted & set(roles))


def _check_value(row: WaitRow, ask: Ask, answer: Answer) -> None:
    edited = answer.decision is Decision.ANSWERED or answer.value is not None
    if ask.form is None or answer.decision is Decision.REJECTED or not edited:
        return
    faults = check_form(ask.form, answer.value)
    if faults:
        raise InvalidAnswer(f"the answer to wait {row.wait_id} does not fit its form:", faults)


def _check_posted(run_id: str, posted: Posted) -> None:
    if posted.status is None:
        raise UnknownRun(f"the store has no run {run_id!r}")
    if posted.status in FINAL:
        raise RunEnded(f"run {run_id} has ended: {posted.status.value}; it hears nothing any more")
    if posted.conflict:
        raise KeyConflict(f"run {run_id} was told something else before, under the same key")


def _short(place: str) -> str:
    """Keys are of the author's choice, and may be long."""
    return place if len(place) <= 200 else f"sha256:{hashlib.sha256(canonical(place).encode()).hexdigest()}"
