"""Turning messages of the inbox into what a run's driver does, in order."""

from typing import Any

import msgspec

from openrun.core.errors import ErrorObject
from openrun.core.machine import UnexpectedFact
from openrun.core.types import RunStatus
from openrun.runtime.driver import Driver
from openrun.runtime.messages import MessageKind
from openrun.store.rows import InboxRow


def hear(driver: Driver, row: InboxRow) -> None:
    """Do what a message asks for; within a turn. A message that no longer means anything is no act."""
    body = row.body
    match row.kind:
        case MessageKind.CANCEL:
            driver.request_cancel(str(body.get("reason", "cancelled")), hard=bool(body.get("hard")))
        case MessageKind.PAUSE:
            driver.pause(str(body.get("reason", "paused")))
        case MessageKind.RESUME:
            driver.resume()
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
    place = (str(body["step_id"]), str(body.get("scope", "/")))
    try:
        driver.settle_review(
            place, committed=bool(body["committed"]), output=body.get("output"), port=body.get("port")
        )
    except UnexpectedFact:
        # No such activation: whoever posted it was told so when it was checked.
        return
