"""What listens beside a worker: to the clock, to the event bus, to the outbox."""

from typing import Protocol


class Listener(Protocol):
    """Works from `start` to `stop`; whatever happens meanwhile, it goes on."""

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Take nothing more, let what is under way end or hand it back, and leave."""

    def hint(self) -> None:
        """There may be something new in the store."""
