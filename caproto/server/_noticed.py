"""A coroutine of which is noticed that it waits."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any

__all__ = ["Noticed"]


class Noticed(Generator[Any, Any, Any]):
    """Awaitable that does what a coroutine does, and calls `waits` when that has to wait for the first time.

    Parameters
    ----------
    work : coroutine
    waits : callable
    """

    def __init__(self, work: Coroutine[Any, Any, Any], waits: Callable[[], None]) -> None:
        self._work = work
        self._waits: Callable[[], None] | None = waits

    def __await__(self) -> Noticed:
        return self

    def send(self, value: Any) -> Any:
        """Pass on what the loop has to say."""
        wanted = self._work.send(value)
        if self._waits is not None:
            waits, self._waits = self._waits, None
            waits()
        return wanted

    def throw(self, *error: Any) -> Any:
        """Pass on an error, such as being cancelled."""
        return self._work.throw(*error)

    def close(self) -> None:
        """End the coroutine."""
        self._work.close()
