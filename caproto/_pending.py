"""Commands that were parsed and wait for whoever takes them: ``next_command`` or ``process_command(s)``."""

from __future__ import annotations

from typing import Any

from ._constants import MAX_COMMAND_BACKLOG
from ._enums import NEED_DATA


class Pending:
    """The commands of the last ``recv`` and those of earlier ones that nobody processed.

    A command is marked when it is processed, whichever way; at most `MAX_COMMAND_BACKLOG` unprocessed ones are kept
    from one ``recv`` to the next, the newest ones.
    """

    __slots__ = ("_at", "_commands")

    def __init__(self) -> None:
        self._commands: list[Any] = []
        self._at = 0

    def add(self, commands: list[Any]) -> None:
        old = self._commands
        if old and not old[-1]._done:
            left = [command for command in old[self._at :] if not command._done]
            commands = left[-MAX_COMMAND_BACKLOG:] + commands
        self._commands, self._at = commands, 0

    def take(self) -> Any:
        """The next unprocessed command, or NEED_DATA."""
        commands = self._commands
        while self._at < len(commands):
            command = commands[self._at]
            self._at += 1
            if not command._done:
                return command
        return NEED_DATA

    def clear(self) -> None:
        self._commands, self._at = [], 0
