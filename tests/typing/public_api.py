"""The documented spellings, as a type checker without any plugin sees them; read by mypy alone, never run.

A line that must be an error says so; mypy warns of a `type: ignore` that is not needed, so a lost error is noticed.
"""

from typing import Any, assert_type

from pydantic import Field

from openrun import (
    Debounce,
    Edge,
    EffectClass,
    Engine,
    Flow,
    FlowCompleted,
    FlowControl,
    FlowRun,
    FlowStarted,
    JoinMode,
    Losers,
    OnFailure,
    RateLimit,
    RetryPolicy,
    Run,
    RunStatus,
    StateContainer,
    Step,
    StepCatalog,
    StepCompleted,
    StepConditional,
    StepConfig,
    StepContext,
    StepDelay,
    StepFail,
    StepForeach,
    StepInfo,
    StepReply,
    StepRequest,
    StepRunResult,
    StepRunStatus,
    StepSetState,
    StepStarted,
    StepSubflow,
    StepSwitch,
    StepTransform,
    StepType,
    TriggerEvent,
    TriggerManual,
    TriggerSchedule,
    TriggerWebhook,
    ValidationError,
    WaitUntil,
    step,
    validate_flow,
)
from openrun.core.explain import Explanation
from openrun.steps.execution.auth import BasicAuth, BearerAuth
from openrun.steps.execution.conditional import StepConditionalConfig
from openrun.steps.execution.delay import StepDelayConfig
from openrun.steps.execution.fail import StepFailConfig
from openrun.steps.execution.foreach import StepForeachConfig
from openrun.steps.execution.reply import StepReplyConfig
from openrun.steps.execution.request import StepRequestConfig
from openrun.steps.execution.set_state import StepSetStateConfig
from openrun.steps.execution.subflow import StepSubflowConfig
from openrun.steps.execution.switch import StepSwitchConfig
from openrun.steps.execution.transform import StepTransformConfig
from openrun.steps.function import FunctionStep
from openrun.steps.triggers.event import TriggerEventConfig
from openrun.steps.triggers.manual import TriggerManualConfig
from openrun.steps.triggers.schedule import TriggerScheduleConfig
from openrun.steps.triggers.webhook import TriggerWebhookConfig
from openrun.testing import VirtualClock, fails, hangs, returns, run_flow, script

# -- configs --------------------------------------------------------------------------------------

StepRequestConfig(url="https://api.example.com/data", method="GET")
StepRequestConfig(
    url="https://api.example.com/users/{{user_id}}",
    method="POST",
    headers={"Authorization": "Bearer {{token}}"},
    query={"tag": ["a", "b"], "page": 2},
    body={"name": "{{name}}"},
    timeout="10s",
    max_bytes=1_000_000,
    follow_redirects=False,
)
StepRequestConfig(url="https://a.example", auth=BearerAuth(bearer="<<secrets.token>>"), timeout=None)
StepRequestConfig(url="https://a.example", auth=BasicAuth(username="shop", password="<<secrets.password>>"))
StepRequestConfig(url="https://a.example", auth={"bearer": "<<secrets.token>>"}, form={"a": 1}, timeout=2.5)
StepConditionalConfig(left="{{user.role}}", operator="equals", right="admin")
StepConditionalConfig(left="<<body.email?>>", operator="exists")
StepConditionalConfig(left="<<total>>", operator="greater_than", right=100)
StepDelayConfig(seconds=5)
StepDelayConfig(seconds=0.5)
StepDelayConfig(seconds="5m")
StepDelayConfig(seconds="<<seconds>>")
StepDelayConfig(until="2030-01-31T09:00:00Z")
StepDelayConfig(until="{{body.remind_at}}")
StepSetStateConfig(key="result", value="{{response.body}}")
StepSetStateConfig(values={"name": "{{body.name}}", "seen": True})
StepSwitchConfig(value="{{status}}", cases=["pending", "approved", "rejected"])
StepSwitchConfig(value="<<answer>>", cases={"yes": True, "no": False})
StepTransformConfig(value={"id": "<<user.id>>"}, key="customer")
StepReplyConfig(status=201, headers={"X-Order": "{{order.id}}"}, body={"ok": True})
StepReplyConfig(status="<<response.status>>")
StepForeachConfig(items="<<orders>>", flow="ship-order", on_item_error="collect")
StepForeachConfig(items=[1, 2], body=Flow("body"), concurrency=10)
StepForeachConfig(items=[1, 2], body={"steps": [], "edges": []}, concurrency="<<many>>")
StepSubflowConfig(flow="pricing", input="<<body>>", trigger="start")
StepFailConfig(message="order {{order.id}} has no items", code="EMPTY_ORDER", details={"order": 1})
TriggerWebhookConfig(path="/fetch")
TriggerWebhookConfig(path="/fetch", method="GET")
TriggerWebhookConfig(path="/fetch", methods=("GET", "POST"), description="Called by the shop")
TriggerScheduleConfig(cron="0 9 * * mon-fri", timezone="Europe/Berlin")
TriggerScheduleConfig(interval="15m")
TriggerScheduleConfig(interval=900)
TriggerEventConfig(event_type="user.created")
TriggerManualConfig(description="Send the report now")

FlowControl(
    key="<<body.tenant>>", concurrency=3, total=10, at_limit="keep_newest", priority="<<body.priority>>"
)
FlowControl(rate=RateLimit(limit=100, period="1m", over="cancel"), debounce=Debounce(period=10, at_most="1m"))
Flow("a", flow_control=FlowControl(singleton="cancel_new", priority=50))
Flow("a", flow_control={"concurrency": 3})
FlowControl(concurrency=3, at_limit="wait")  # type: ignore[arg-type]

# -- steps ----------------------------------------------------------------------------------------

pause = StepDelay(
    id="pause",
    name="A pause",
    config=StepDelayConfig(seconds=1),
    join_mode=JoinMode.ALL_SUCCESS,
    losers=Losers.CANCEL,
    retry=RetryPolicy(max_attempts=3, strategy="fixed", base_ms=500, retry_on=("ValueError",)),
    timeout=30,
    allow_failure=True,
    always=True,
    effect=EffectClass.AT_MOST_ONCE,
    max_iterations=10,
    position=(120, 80),
)
words = StepDelay(
    config=StepDelayConfig(seconds=1),
    join_mode="ALL_SUCCESS",
    losers="cancel",
    retry=3,
    timeout="5s",
    effect="at_most_once",
)
hook = TriggerWebhook(config=TriggerWebhookConfig(path="/fetch"))
start = TriggerManual(id="start")
tick = TriggerSchedule(config=TriggerScheduleConfig(cron="0 9 * * *"))
event = TriggerEvent(config=TriggerEventConfig(event_type="user.created"))
fetch = StepRequest(id="fetch", config=StepRequestConfig(url="https://api.example.com"), retry=3)
store = StepSetState(config=StepSetStateConfig(key="processed", value="{{response.data}}"))
check = StepConditional(config=StepConditionalConfig(left="{{user.role}}", right="admin"))
switch = StepSwitch(config=StepSwitchConfig(value="{{status}}", cases=["pending"]))
shape = StepTransform(config=StepTransformConfig(value="{{ 1 + 1 }}"), join_mode=JoinMode.ALL_DONE)
reply = StepReply(config=StepReplyConfig(body="Thank you"))
empty = StepReply()
each = StepForeach(config=StepForeachConfig(items=[1], flow="ship-order"))
price = StepSubflow(config=StepSubflowConfig(flow="pricing"))
stop = StepFail(config=StepFailConfig(message="no"))

refund = StepRequest(config=StepRequestConfig(url="https://api.example.com/refunds"), retry=5)
charge = StepRequest(
    id="charge", config=StepRequestConfig(url="https://api.example.com/charges"), compensate=refund
)
StepDelay(config=StepDelayConfig(seconds=1), compensate=None)

assert_type(fetch.config, StepRequestConfig)
assert_type(charge.compensation, Step | None)
assert_type(pause.retry_policy(), RetryPolicy | None)
assert_type(pause.effect_class(), EffectClass)

# -- flows ----------------------------------------------------------------------------------------

flow = Flow(name="Fetch Data", on_failure="fail_fast", timeout="1m", max_activations=1_000)
Flow("Fetch Data", id="fetch-data", on_failure=OnFailure.DRAIN, timeout=60, description="Fetches.")
assert_type(flow.add_step(hook), Step)
assert_type(flow.add_edge(hook, fetch), Edge)
flow.add_edge(check, store, source_port="true")
assert_type(flow.add(hook >> fetch >> check, check["true"] >> store, check["false"] >> reply), Flow)
assert_type(Flow.from_json(flow.to_json()), Flow)
assert_type(Flow.from_dict(flow.to_dict(), catalog=StepCatalog.builtin()), Flow)
assert_type(validate_flow(flow), list[ValidationError])
assert_type(flow.version, str)


async def runs() -> None:
    assert_type(flow.run(trigger_step=hook), FlowRun)
    async for shown in flow.run(trigger_step=hook, initial_state={"a": 1}):
        match shown:
            case FlowStarted():
                assert_type(shown.flow_id, str)
            case StepStarted():
                assert_type(shown.step_id, str)
            case StepCompleted():
                assert_type(shown.result.status, StepRunStatus)
            case FlowCompleted():
                assert_type(shown.status, RunStatus)
    run = await flow.execute(input={"path": {"user_id": 7}})
    assert_type(run, Run)
    assert_type(run.status, RunStatus)
    assert_type(run.explain("fetch"), list[Explanation])
    async with Engine(flows=[flow], allow=["127.0.0.1:9000"], secrets={"token": "s3cret"}) as engine:
        await flow.execute(engine=engine)


async def tests() -> None:
    busy = script(fails("busy", code="HTTP_503", retryable=True), returns({"total": 12}, sets={"a": 1}))
    async with Engine(clock=VirtualClock()) as engine:
        result = await run_flow(flow, steps={"fetch": busy, "pause": hangs()}, engine=engine)
    result.assert_succeeded()
    assert_type(result.times("fetch"), int)
    assert_type(busy.calls[0].attempt, int)


# -- steps of one's own ---------------------------------------------------------------------------


class MyStepConfig(StepConfig):
    message: str = Field(description="Message to log")


class MyStep(Step):
    type: StepType = StepType.TRANSFORM
    config: MyStepConfig

    async def run(self, state: StateContainer, config: MyStepConfig) -> StepRunResult:
        state.set("message", config.message)
        return StepRunResult.success(step_id=self.id)

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(name="My Step", description="Logs a message", category="custom")


class Parity(Step):
    ports: Any = ("even", "odd")
    config: MyStepConfig

    async def run(
        self, state: StateContainer, config: MyStepConfig, context: StepContext
    ) -> StepRunResult | WaitUntil:
        if config.message == "later":
            return WaitUntil(until=context.now())
        return StepRunResult.failure(self.id, config.message, code="ODD")


class Booking(Step):
    config: MyStepConfig

    async def run(self, state: StateContainer, config: MyStepConfig) -> StepRunResult:
        return StepRunResult.success(output={"booked": config.message})

    async def compensate(self, state: StateContainer, config: MyStepConfig, context: StepContext) -> None:
        context.emit({"cancelled": context.output})


class Hotel(Step):
    config: MyStepConfig

    async def run(self, state: StateContainer, config: MyStepConfig) -> StepRunResult:
        return StepRunResult.success()

    async def compensate(self, state: StateContainer, config: MyStepConfig) -> StepRunResult:
        return StepRunResult.failure(self.id, "no refunds", code="NO_REFUNDS")


@step
def lucky_number(who: str, highest: int = 100) -> int:
    return sum(map(ord, who)) % highest


@step(ports=("even", "odd"), effect="pure", timeout="5s")
async def parity(number: int, state: StateContainer, context: StepContext) -> StepRunResult:
    context.emit({"looking_at": number})
    state.set("asked", state.get("asked", 0) + 1)
    return StepRunResult.success(output=number, port="odd" if number % 2 else "even")


@lucky_number.compensation
async def unlucky(who: str, output: int, context: StepContext) -> None:
    context.emit({who: -output})


@parity.compensation
def even_out(number: int) -> int:
    return number - 1


MyStep(config=MyStepConfig(message="<<note>>"), retry=3, compensate=refund)
assert_type(even_out(3), int)
assert_type(lucky_number(id="lucky", who="ada", compensate=refund), FunctionStep)
assert_type(lucky_number(id="lucky", who="<<body.name>>", retry=3, timeout="5s"), FunctionStep)
assert_type(lucky_number.function("ada"), int)
flow.add(hook >> parity(number="<<body>>")["odd"] >> store)

# -- errors ---------------------------------------------------------------------------------------

StepRequestConfig(url="https://a.example", method="FETCH")  # type: ignore[arg-type]
StepRequestConfig(method="GET")  # type: ignore[call-arg]
StepConditionalConfig(left=1, operator="is")  # type: ignore[arg-type]
StepDelayConfig(second=5)  # type: ignore[call-arg]
StepDelay(config={"seconds": 5})  # type: ignore[arg-type]
StepDelay(config=StepReplyConfig())  # type: ignore[arg-type]
StepDelay(config=StepDelayConfig(seconds=5), join_mode="ALL")  # type: ignore[arg-type]
StepDelay(config=StepDelayConfig(seconds=5), losers="keep")  # type: ignore[arg-type]
StepDelay(config=StepDelayConfig(seconds=5), retry="3")  # type: ignore[arg-type]
StepDelay(config=StepDelayConfig(seconds=5), retry={"max_attempts": 3})  # type: ignore[arg-type]
StepDelay(config=StepDelayConfig(seconds=5), effect="once")  # type: ignore[arg-type]
StepDelay(config=StepDelayConfig(seconds=5), retries=3)  # type: ignore[call-arg]
StepDelay(config=StepDelayConfig(seconds=5), compensate={"type": "delay"})  # type: ignore[arg-type]
StepDelay(config=StepDelayConfig(seconds=5), compensation=refund)  # type: ignore[call-arg]
lucky_number.compensation("unlucky")  # type: ignore[type-var]
StepForeachConfig(items=[], flow="f", on_item_error="ignore")  # type: ignore[arg-type]
StepForeachConfig(items=[], body=5)  # type: ignore[arg-type]
RetryPolicy(strategy="linear")  # type: ignore[arg-type]
Flow("A", on_failure="stop")  # type: ignore[arg-type]
step(effect="once")  # type: ignore[call-overload]
flow.add_edge(hook, 5)  # type: ignore[arg-type]
