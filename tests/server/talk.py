"""A client of a server engine: no sockets, and a loop that runs hooks only as far as they get."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import caproto._commands as ca
from caproto._data import ChannelDouble
from caproto._enums import CLIENT, SERVER
from caproto._wire import codec
from caproto.server._engine import ServerEngine


class Loop:
    """Runs coroutines that wait by ``await Pause()``, one step for each :meth:`step`."""

    def __init__(self) -> None:
        self.coroutines: list[Coroutine[Any, Any, None]] = []

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.coroutines.append(coroutine)

    def step(self) -> None:
        for coroutine in list(self.coroutines):
            try:
                coroutine.send(None)
            except StopIteration:
                self.coroutines.remove(coroutine)


class Pause:
    def __await__(self) -> Any:
        yield


class Slow(ChannelDouble):
    """Reads and writes wait."""

    async def read(self, data_type: Any) -> Any:
        await Pause()
        return await super().read(data_type)

    async def verify_value(self, data: Any) -> Any:
        await Pause()
        return data


class Client:
    """One circuit to an engine; greets unless told not to."""

    def __init__(self, engine: ServerEngine, greet: bool = True) -> None:
        self.wakes = 0
        self.circuit = engine.connect(("127.0.0.1", 40000), self._wake, 0.0)
        self.parser = codec.StreamParser(ca.tables[SERVER], 1 << 30)
        assert self.answers() == [ca.VersionResponse(13)]
        if greet:
            self.send(ca.VersionRequest(0, 13), ca.ClientNameRequest("user"), ca.HostNameRequest("host"))
            assert self.answers() == []

    def _wake(self) -> None:
        self.wakes += 1

    def send(self, *commands: Any) -> None:
        self.circuit.receive(b"".join(bytes(command) for command in commands))

    def answers(self) -> list[Any]:
        """Everything the server wants to send, as commands."""
        found: list[Any] = []
        while True:
            piece = self.circuit.output.take()
            if piece is None:
                self.circuit.resume()
                piece = self.circuit.output.take()
            if piece is None:
                return found
            found += self.parser.feed(bytes(piece))

    def ask(self, *commands: Any) -> list[Any]:
        self.send(*commands)
        return self.answers()

    def create(self, name: str, cid: int = 1) -> Any:
        """The SID of a new channel."""
        rights, created = self.ask(ca.CreateChanRequest(name, cid, 13))
        assert isinstance(rights, ca.AccessRightsResponse)
        return created.sid


__all__ = ["CLIENT", "Client", "Loop", "Pause", "Slow"]
