"""The schedules that a flow version brings to the store."""

from openrun.core.strict_json import canonical
from openrun.definition.program import Program
from openrun.steps.triggers.schedule import TriggerSchedule, TriggerScheduleConfig
from openrun.steps.triggers.ticks import Ticks, delay
from openrun.store.admission import cancel_message
from openrun.store.rows import Message
from openrun.store.timetable import ScheduleRow

_DEFAULTS = {
    name: field.default for name, field in TriggerScheduleConfig.model_fields.items() if name != "description"
}


def schedules_of(program: Program) -> list[TriggerSchedule]:
    """The schedule triggers of a flow."""
    return [step for step in program.triggers if isinstance(step, TriggerSchedule)]


def schedule_rows(program: Program, namespace: str, now: int) -> list[ScheduleRow]:
    """Its schedules as they begin at this instant: what came before is none of theirs."""
    return [_row(program, namespace, step, now) for step in schedules_of(program)]


def spec_of(config: TriggerScheduleConfig) -> str:
    """What of a trigger's config makes its ticks and what becomes of them; defaults and descriptions do not."""
    values = ((name, getattr(config, name)) for name in _DEFAULTS)
    return canonical({name: value for name, value in values if value != _DEFAULTS[name]})


def room_for_the_next(trigger: str, run_id: str) -> Message:
    """Asks the run that a schedule has started to end, for the next one is due."""
    reason = f"schedule {trigger!r} is due again, and its overlap is `cancel_running`"
    return cancel_message(run_id, reason, f"cancel:schedule:{trigger}")


def _row(program: Program, namespace: str, step: TriggerSchedule, now: int) -> ScheduleRow:
    config = step.config
    tick = Ticks.of(config).next(now)
    place = (namespace, program.flow_id, step.id)
    return ScheduleRow(
        namespace=namespace,
        flow_id=program.flow_id,
        trigger=step.id,
        version=program.version,
        spec=spec_of(config),
        cursor=now,
        due_at=None if tick is None else tick + delay(config.jitter, place, tick),
        created_at=now,
    )
