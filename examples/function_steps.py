"""Functions as steps: `@step` makes the parameters the config and the return value the output.

Any argument may be a template. A plain function runs in a thread, so it may block; an async one runs in the
event loop. A parameter of type `StateContainer` is the run's state, one of type `StepContext` tells about the run
and reports progress.
"""

import asyncio
import hashlib

from openrun import Flow, JoinMode, StateContainer, StepContext, StepProgress, TriggerManual, step


@step
def fingerprint(text: str, length: int = 8) -> str:
    """Blocks while it works, so it runs in a thread."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


@step
async def count_words(text: str, context: StepContext) -> dict[str, int]:
    """Async, and reports how far it is."""
    counts: dict[str, int] = {}
    for number, word in enumerate(text.lower().split(), start=1):
        counts[word] = counts.get(word, 0) + 1
        if number % 5 == 0:
            context.emit({"words": number})
    return counts


@step
async def remember(counts: dict[str, int], state: StateContainer) -> str:
    """Writes to the state what later steps read."""
    state.set("words", sum(counts.values()))
    return max(counts, key=counts.__getitem__)


def build() -> Flow:
    start = TriggerManual(id="start")
    mark = fingerprint(id="mark", text="<<body>>", length=12)
    count = count_words(id="count", text="<<body>>")
    often = remember(id="often", counts="<<steps.count>>", join_mode=JoinMode.ALL_SUCCESS)
    return Flow(name="Words").add(start >> mark >> often, start >> count >> often)


async def main() -> None:
    text = "a rose is a rose is a rose is a rose"
    run = build().run(input={"body": text})
    async for event in run:
        if isinstance(event, StepProgress):
            print(f"{event.step_id}: {event.data['words']} words so far")
    finished = await run.finished()
    print(f"fingerprint {finished.state['steps']['mark']}")
    print(f"{finished.state['words']} words, most often {finished.output!r}")


if __name__ == "__main__":
    asyncio.run(main())
