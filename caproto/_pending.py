"""Commands that were parsed and wait for whoever takes them: ``next_command`` or ``process_command(s)``."""

from __future__ import annotations

from collections import deque
from typing import Any

from ._constants import MAX_COMMAND_BACKLOG
from ._enums import NEED_DATA


class Pending:
    """The commands of the last ``recv`` and of earlier ones whose end nobody has processed.

    A command is marked when it is processed, whichever way.  Beyond `MAX_COMMAND_BACKLOG` commands the oldest batches
    are forgotten, so that somebody who only parses does not fill the memory.
    """

    __slots__ = ("_at", "_batches", "_count")

    def __init__(self) -> None:
        self._batches: deque[list[Any]] = deque()
        self._count = 0
        self._at = 0

    def add(self, commands: list[Any]) -> None:
        if not commands:
            return
        batches = self._batches
        self._count += len(commands)
        while batches and (batches[0][-1]._done or self._count > MAX_COMMAND_BACKLOG):
            self._forget()
        batches.append(commands)

    def _forget(self) -> None:
        self._count -= len(self._batches.popleft())
        self._at = 0

    def take(self) -> Any:
        """The next unprocessed command, or NEED_DATA."""
        while self._batches:
            batch = self._batches[0]
            while self._at < len(batch):
                command = batch[self._at]
                self._at += 1
                if not command._done:
                    return command
            self._forget()
        return NEED_DATA

    def clear(self) -> None:
        self._batches.clear()
        self._count = self._at = 0
