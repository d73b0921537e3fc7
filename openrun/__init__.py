"""OpenRun: write a flow in Python or JSON, run it anywhere from one process to many."""

from openrun.core.asks import Answer, Ask, AskKind, Decision
from openrun.core.effects import EffectStatus, Verdict
from openrun.core.errors import (
    Abort,
    ErrorObject,
    InterruptExpired,
    InvalidFlow,
    OpenRunError,
    PermanentError,
    RateLimited,
    StepError,
    TransientError,
    ValidationError,
)
from openrun.core.events import (
    ChildCompleted,
    CompensationCompleted,
    CompensationStarted,
    EffectRecorded,
    Failure,
    FlowCancelRequested,
    FlowCompleted,
    FlowForked,
    FlowPaused,
    FlowResumed,
    FlowStarted,
    ReviewRequested,
    ReviewResolved,
    SignalReceived,
    StepCancelled,
    StepCompleted,
    StepInterrupted,
    StepProgress,
    StepScheduled,
    StepSkipped,
    StepStarted,
    StepWaiting,
    TimerFired,
)
from openrun.core.limits import Limits
from openrun.core.results import (
    AnswersWake,
    ItemsWake,
    StepRunResult,
    TimerWake,
    WaitForAnswers,
    WaitForChildren,
    WaitForItems,
    WaitUntil,
)
from openrun.core.retry import RetryPolicy
from openrun.core.state import StateContainer
from openrun.core.types import (
    EffectClass,
    JoinMode,
    Losers,
    OnFailure,
    RunStatus,
    StateType,
    StepRunStatus,
    StepType,
)
from openrun.definition.draft import Edge
from openrun.definition.flow_control import Debounce, FlowControl, RateLimit
from openrun.flow import Flow, FlowRun, validate_flow
from openrun.runtime.engine import Engine, Run
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.catalog import StepCatalog
from openrun.steps.context import StepContext
from openrun.steps.execution.abort import StepAbort
from openrun.steps.execution.approval import StepApproval
from openrun.steps.execution.conditional import StepConditional
from openrun.steps.execution.delay import StepDelay
from openrun.steps.execution.emit import StepEmit
from openrun.steps.execution.fail import StepFail
from openrun.steps.execution.foreach import StepForeach
from openrun.steps.execution.reply import StepReply
from openrun.steps.execution.request import StepRequest
from openrun.steps.execution.set_state import StepSetState
from openrun.steps.execution.subflow import StepSubflow
from openrun.steps.execution.switch import StepSwitch
from openrun.steps.execution.transform import StepTransform
from openrun.steps.execution.wait import StepWait
from openrun.steps.function import step
from openrun.steps.triggers.event import TriggerEvent
from openrun.steps.triggers.manual import TriggerManual
from openrun.steps.triggers.schedule import TriggerSchedule
from openrun.steps.triggers.webhook import TriggerWebhook
from openrun.version import __version__

__all__ = [
    "Abort",
    "Answer",
    "AnswersWake",
    "Ask",
    "AskKind",
    "ChildCompleted",
    "CompensationCompleted",
    "CompensationStarted",
    "Debounce",
    "Decision",
    "Edge",
    "EffectClass",
    "EffectRecorded",
    "EffectStatus",
    "Engine",
    "ErrorObject",
    "Failure",
    "Flow",
    "FlowCancelRequested",
    "FlowCompleted",
    "FlowControl",
    "FlowForked",
    "FlowPaused",
    "FlowResumed",
    "FlowRun",
    "FlowStarted",
    "InterruptExpired",
    "InvalidFlow",
    "ItemsWake",
    "JoinMode",
    "Limits",
    "Losers",
    "OnFailure",
    "OpenRunError",
    "PermanentError",
    "RateLimit",
    "RateLimited",
    "RetryPolicy",
    "ReviewRequested",
    "ReviewResolved",
    "Run",
    "RunStatus",
    "SignalReceived",
    "StateContainer",
    "StateType",
    "Step",
    "StepAbort",
    "StepApproval",
    "StepCancelled",
    "StepCatalog",
    "StepCompleted",
    "StepConditional",
    "StepConfig",
    "StepContext",
    "StepDelay",
    "StepEmit",
    "StepError",
    "StepFail",
    "StepForeach",
    "StepInfo",
    "StepInterrupted",
    "StepProgress",
    "StepReply",
    "StepRequest",
    "StepRunResult",
    "StepRunStatus",
    "StepScheduled",
    "StepSetState",
    "StepSkipped",
    "StepStarted",
    "StepSubflow",
    "StepSwitch",
    "StepTransform",
    "StepType",
    "StepWait",
    "StepWaiting",
    "TimerFired",
    "TimerWake",
    "TransientError",
    "TriggerEvent",
    "TriggerManual",
    "TriggerSchedule",
    "TriggerWebhook",
    "ValidationError",
    "Verdict",
    "WaitForAnswers",
    "WaitForChildren",
    "WaitForItems",
    "WaitUntil",
    "__version__",
    "step",
    "validate_flow",
]
