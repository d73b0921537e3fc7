"""Where runs enter a flow. Triggers only declare; who listens is in `openrun/triggers`."""

from openrun.steps.triggers.event import TriggerEvent, TriggerEventConfig
from openrun.steps.triggers.manual import TriggerManual, TriggerManualConfig
from openrun.steps.triggers.schedule import TriggerSchedule, TriggerScheduleConfig
from openrun.steps.triggers.webhook import TriggerWebhook, TriggerWebhookConfig

__all__ = [
    "TriggerEvent",
    "TriggerEventConfig",
    "TriggerManual",
    "TriggerManualConfig",
    "TriggerSchedule",
    "TriggerScheduleConfig",
    "TriggerWebhook",
    "TriggerWebhookConfig",
]
