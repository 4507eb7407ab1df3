"""What hooks are run with where no server is: an async layer whose clock jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from caproto.server import AsyncLibraryLayer


class Event(asyncio.Event):
    async def wait(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        try:
            await asyncio.wait_for(super().wait(), timeout)
        except asyncio.TimeoutError:
            return False
        return True


class Layer(AsyncLibraryLayer):
    """asyncio with a clock that jumps: each sleep is noted and takes no time."""

    name = "asyncio"
    library = asyncio
    Event = Event

    def __init__(self, stop_after: int = 1000) -> None:
        self.slept: list[float] = []
        self.stop_after = stop_after

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) >= self.stop_after:
            raise asyncio.CancelledError
        await asyncio.sleep(0)


def run(job: Coroutine[Any, Any, Any]) -> Any:
    async def bounded() -> Any:
        return await asyncio.wait_for(job, 20)

    return asyncio.run(bounded())
