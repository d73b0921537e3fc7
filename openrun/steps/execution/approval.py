"""Asking people for their consent."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field

from openrun.core.asks import Answer, Ask, AskKind, Decision
from openrun.core.errors import PermanentError
from openrun.core.interpolation import has_template
from openrun.core.results import AnswersWake, Outcome, StepRunResult, TimerWake, WaitForAnswers
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.context import StepContext
from openrun.steps.execution.wait import EXPIRED, LONGEST, end_of
from openrun.steps.form import form_fault
from openrun.steps.spelling import Duration, Instant, OrTemplate

APPROVED = "approved"
REJECTED = "rejected"

_USER = "user:"
_TOO_MANY = "QUORUM_TOO_LARGE"

Approver = Annotated[
    str,
    Field(
        pattern=r"^((user|role):[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,199}"
        r"|[^:\s\x00-\x1f\x7f][^:\x00-\x1f\x7f]{0,199})$"
    ),
]


class StepApprovalConfig(StepConfig):
    """What is asked, whom, and until when."""

    static_fields: ClassVar[frozenset[str]] = frozenset({"form"})

    title: str = Field(
        min_length=1,
        description="The question, for people.",
        examples=["Pay {{amount}} to {{supplier.name}}?"],
    )
    payload: Any = Field(
        default=None,
        description="What is shown, and may be edited; JSON data.",
        examples=[{"amount": "<<amount>>", "to": "<<supplier.name>>"}],
    )
    form: dict[str, Any] | None = Field(
        default=None,
        description="JSON Schema (2020-12) that an edited value has to fit.",
        examples=[{"type": "object", "properties": {"amount": {"type": "number", "maximum": 500}}}],
    )
    approvers: OrTemplate[list[Approver]] = Field(
        default_factory=list,
        max_length=1_000,
        description="Who may answer, as user:NAME, role:NAME or NAME (a user); anyone, when left out.",
        examples=[["role:finance", "user:ada"]],
    )
    quorum: OrTemplate[int] = Field(
        default=1,
        ge=1,
        le=1_000,
        description="How many different people have to approve; one who rejects is enough to reject.",
        examples=[2],
    )
    expires: Duration | None = Field(
        default=None,
        gt=0,
        le=LONGEST,
        description="How long there is to answer; up to 366 days, for ever when left out.",
        examples=["3d"],
    )
    until: Instant | None = Field(
        default=None,
        description="The instant at which it is too late, with a time zone; with `expires`, the earlier counts.",
        examples=["2030-01-31T09:00:00Z"],
    )


class StepApproval(Step):
    """Asks people, and goes on once enough have approved, or one has rejected."""

    type: str = Field(default=StepType.APPROVAL, exclude=True, repr=False)
    ports: Any = Field(default=(APPROVED, REJECTED, EXPIRED), exclude=True, repr=False)
    config: StepApprovalConfig = Field(description="What to ask, and whom.")

    inline: ClassVar[bool] = True
    one_port: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    async def run(self, state: StateContainer, config: StepApprovalConfig, context: StepContext) -> Outcome:
        del state
        self._check_approvers(config)
        now = context.clock()
        until = end_of(now, config.expires, config.until)
        if until is not None and until <= now:
            return self._expired(())
        return WaitForAnswers(asks=(_ask(config, until),), until=until)

    async def resume(
        self, state: StateContainer, config: StepApprovalConfig, wake: AnswersWake | TimerWake
    ) -> Outcome:
        """The output has the decision and all answers; approved, also the value that was agreed upon."""
        del state, config
        if isinstance(wake, TimerWake):
            return self._expired(wake.answers)
        answers = _one_each(wake.answers)
        rejection = next((each for each in answers if each.decision is Decision.REJECTED), None)
        if rejection is not None:
            return self._rejected(rejection, answers)
        # As it was asked: what people saw is what they have approved.
        (asked,) = wake.wait.asks
        return self._approved(asked.payload, answers) if len(answers) >= asked.quorum else wake.wait

    def _approved(self, payload: Json, answers: list[Answer]) -> StepRunResult:
        edits = [each.value for each in answers if each.value is not None]
        output = {
            "decision": APPROVED,
            "value": edits[-1] if edits else payload,
            "by": [each.by for each in answers if each.by is not None],
            "answers": _told(answers),
        }
        return StepRunResult.success(self.id, output, port=APPROVED)

    def _rejected(self, rejection: Answer, answers: list[Answer]) -> StepRunResult:
        output = {
            "decision": REJECTED,
            "by": rejection.by,
            "reason": rejection.reason,
            "answers": _told(answers),
        }
        return StepRunResult.success(self.id, output, port=REJECTED)

    def _expired(self, answers: tuple[Answer, ...]) -> StepRunResult:
        output = {"decision": EXPIRED, "answers": _told(_one_each(answers))}
        return StepRunResult.success(self.id, output, port=EXPIRED)

    def _check_approvers(self, config: StepApprovalConfig) -> None:
        if not config.approvers and self.config.approvers:
            # A template that came to nobody must not turn into "anyone".
            raise PermanentError(
                "`approvers` came to an empty list; anyone could answer", code="NO_APPROVERS"
            )
        fault = _quorum_fault(config)
        if fault is not None:
            raise PermanentError(fault, code=_TOO_MANY)

    def faults(self) -> list[tuple[str, str]]:
        found = []
        form = self.config.form
        fault = None if form is None else form_fault(form)
        if fault is not None:
            found.append(("/config/form", fault))
        if not (has_template(self.config.approvers) or has_template(self.config.quorum)):
            fault = _quorum_fault(self.config)
            if fault is not None:
                found.append(("/config/quorum", fault))
        return found

    @classmethod
    def info(cls) -> StepInfo:
        form = {"type": "object", "properties": {"amount": {"type": "number", "maximum": 500}}}
        return StepInfo(
            name="Approval",
            description="Asks people, and goes on once enough have approved, or one has rejected.",
            category="people",
            examples=(
                {"title": "Pay {{amount}}?", "approvers": ["role:finance"], "expires": "3d"},
                {"title": "Pay?", "payload": {"amount": "<<amount>>"}, "form": form, "quorum": 2},
            ),
        )


def _ask(config: StepApprovalConfig, until: datetime | None) -> Ask:
    return Ask(
        kind=AskKind.APPROVAL,
        title=config.title,
        payload=config.payload,
        form=config.form,
        approvers=tuple(_named(config)),
        quorum=int(config.quorum),
        until=until,
    )


def _named(config: StepApprovalConfig) -> list[str]:
    """The approvers, each once and with what it is: a bare name is a user's."""
    names = [name if ":" in name else _USER + name for name in config.approvers]
    return list(dict.fromkeys(names))


def _quorum_fault(config: StepApprovalConfig) -> str | None:
    names = _named(config)
    if not names or any(not name.startswith(_USER) for name in names) or int(config.quorum) <= len(names):
        return None
    return f"a quorum of {config.quorum} is more than the {len(names)} people who may answer; nobody else can"


def _one_each(answers: tuple[Answer, ...]) -> list[Answer]:
    """The first decision of each person, and each of those that nobody has signed."""
    found: list[Answer] = []
    known: set[str] = set()
    for answer in answers:
        if answer.decision is Decision.ANSWERED:
            # Neither consent nor its refusal.
            continue
        name = None if answer.by is None else answer.by.removeprefix(_USER)
        if name not in known:
            found.append(answer)
        if name is not None:
            known.add(name)
    return found


def _told(answers: list[Answer]) -> list[Json]:
    return [
        {
            "by": each.by,
            "decision": each.decision.value,
            **({} if each.value is None else {"value": each.value}),
            **({} if each.reason is None else {"reason": each.reason}),
        }
        for each in answers
    ]
