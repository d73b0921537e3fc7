"""Turning messages of the inbox into what a run's driver does, in order."""

from typing import Any

import msgspec

from openrun.core.asks import Answer
from openrun.core.errors import ErrorObject
from openrun.core.facts import CancelRequest
from openrun.core.machine import UnexpectedFact
from openrun.core.types import RunStatus
from openrun.runtime.driver import Driver
from openrun.runtime.messages import MessageKind
from openrun.runtime.steering import Settlement
from openrun.store.rows import InboxRow


def hear(driver: Driver, row: InboxRow) -> None:
    """Do what a message asks for; within a turn. A message that no longer means anything is no act."""
    body = row.body
    match row.kind:
        case MessageKind.CANCEL:
            driver.steering.cancel(msgspec.convert(body, CancelRequest))
        case MessageKind.PAUSE:
            driver.steering.pause(str(body.get("reason", "paused")))
        case MessageKind.RESUME:
            driver.steering.resume()
        case MessageKind.SIGNAL | MessageKind.ANSWER:
            driver.steering.answer(msgspec.convert(body, Answer))
        case MessageKind.CHILD:
            driver.children.heard(str(body["run_id"]), _end(body))
        case MessageKind.REVIEW:
            _settle(driver, body)


def _end(body: dict[str, Any]) -> tuple[RunStatus, Any, ErrorObject | None]:
    error = body.get("error")
    return (
        RunStatus(body["status"]),
        body.get("output"),
        None if error is None else msgspec.convert(error, ErrorObject),
    )


def _settle(driver: Driver, body: dict[str, Any]) -> None:
    said = Settlement(
        committed=bool(body["committed"]),
        output=body.get("output"),
        port=body.get("port"),
        key=body.get("key"),
        by=body.get("by"),
    )
    try:
        driver.steering.settle((str(body["step_id"]), str(body.get("scope", "/"))), said)
    except UnexpectedFact:
        # No such activation: whoever posted it was told so when it was checked.
        return
