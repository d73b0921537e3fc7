"""The steps that do the work of a flow, a file each."""

from openrun.steps.execution.abort import StepAbort, StepAbortConfig
from openrun.steps.execution.approval import StepApproval, StepApprovalConfig
from openrun.steps.execution.conditional import Operator, StepConditional, StepConditionalConfig
from openrun.steps.execution.delay import StepDelay, StepDelayConfig
from openrun.steps.execution.emit import StepEmit, StepEmitConfig
from openrun.steps.execution.fail import StepFail, StepFailConfig
from openrun.steps.execution.foreach import StepForeach, StepForeachConfig
from openrun.steps.execution.reply import StepReply, StepReplyConfig
from openrun.steps.execution.request import Method, StepRequest, StepRequestConfig
from openrun.steps.execution.set_state import StepSetState, StepSetStateConfig
from openrun.steps.execution.subflow import StepSubflow, StepSubflowConfig
from openrun.steps.execution.switch import StepSwitch, StepSwitchConfig
from openrun.steps.execution.transform import StepTransform, StepTransformConfig
from openrun.steps.execution.wait import StepWait, StepWaitConfig

__all__ = [
    "Method",
    "Operator",
    "StepAbort",
    "StepAbortConfig",
    "StepApproval",
    "StepApprovalConfig",
    "StepConditional",
    "StepConditionalConfig",
    "StepDelay",
    "StepDelayConfig",
    "StepEmit",
    "StepEmitConfig",
    "StepFail",
    "StepFailConfig",
    "StepForeach",
    "StepForeachConfig",
    "StepReply",
    "StepReplyConfig",
    "StepRequest",
    "StepRequestConfig",
    "StepSetState",
    "StepSetStateConfig",
    "StepSubflow",
    "StepSubflowConfig",
    "StepSwitch",
    "StepSwitchConfig",
    "StepTransform",
    "StepTransformConfig",
    "StepWait",
    "StepWaitConfig",
]
