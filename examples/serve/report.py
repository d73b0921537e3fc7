"""A flow in Python: a report is counted up, and whoever follows the run sees how far it is."""

import asyncio

from openrun import Flow, RetryPolicy, StepContext, TransientError, TriggerWebhook, step
from openrun.steps.triggers.webhook import TriggerWebhookConfig


@step
async def collect(pages: int, context: StepContext) -> int:
    """Read so many pages; the archive is busy at first."""
    await asyncio.sleep(0.2)
    if context.attempt == 1:
        raise TransientError("the archive is busy")
    for page in range(pages):
        await asyncio.sleep(0.1)
        context.emit({"page": page + 1, "of": pages})
    return pages * 250


@step
async def publish(words: int) -> str:
    return f"a report of {words} words"


PAGES = {"type": "integer", "minimum": 1, "maximum": 20, "examples": [3]}
BODY = {"type": "object", "properties": {"pages": PAGES}, "required": ["pages"]}

hook = TriggerWebhook(id="hook", config=TriggerWebhookConfig(path="/reports", input_schema=BODY))
read = collect(id="collect", pages="<<body.pages>>", retry=RetryPolicy(max_attempts=3, base_ms=200))
printed = publish(id="publish", words="<<steps.collect>>")

report = Flow(name="Report").add(hook >> read >> printed)
