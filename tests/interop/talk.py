"""A client conversation over one real socket: the smallest skin around the core."""

from __future__ import annotations

import socket
import time
from typing import Any

import caproto


class Talk:
    """One circuit to a server, blocking.

    Attributes
    ----------
    circuit : VirtualCircuit
    seen : list of Message
        Every command received.
    cancelled : list of Message
        Those of them that ended a subscription.
    """

    def __init__(self, address: tuple[str, int], *, user: str = "operator", priority: int = 0) -> None:
        self.sock = socket.create_connection(address, 5)
        self.circuit = caproto.VirtualCircuit(our_role=caproto.CLIENT, address=address, priority=priority)
        self.seen: list[Any] = []
        self.cancelled: list[Any] = []
        self._unread: list[Any] = []
        self.send(caproto.VersionRequest(priority=priority, version=13))
        self.send(caproto.HostNameRequest("localhost"), caproto.ClientNameRequest(user))

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def send(self, *commands: Any) -> None:
        self.sock.sendall(b"".join(bytes(part) for part in self.circuit.send(*commands)))

    def pump(self, timeout: float = 5.0) -> bool:
        """Receive once; False when the time is over or the server has closed the circuit."""
        self.sock.settimeout(max(timeout, 0.001))
        try:
            received = self.sock.recv(1 << 16)
        except TimeoutError:
            return False
        commands, _ = self.circuit.recv(received)
        for command in commands:
            if command is caproto.DISCONNECTED:
                self.circuit.process_command(command)
                continue
            live = set(self.circuit.event_add_commands)
            self.circuit.process_command(command)
            if live - set(self.circuit.event_add_commands) and command.header.command == 1:
                self.cancelled.append(command)
                continue
            self.seen.append(command)
            self._unread.append(command)
        return bool(received)

    def next(self, *kinds: str, timeout: float = 5.0) -> Any:
        """The next received command that is of one of these classes; others are passed over."""
        deadline = time.monotonic() + timeout
        while True:
            while self._unread:
                command = self._unread.pop(0)
                if type(command).__name__ in kinds:
                    return command
            left = deadline - time.monotonic()
            if left <= 0 or (not self.pump(left) and left > 0.05 and not self._unread):
                raise AssertionError(f"no {' or '.join(kinds)} came; last seen: {self.seen[-3:]}")

    def cancel(self, channel: Any, subscription: int, timeout: float = 5.0) -> Any:
        """End a subscription; returns the confirmation."""
        before = len(self.cancelled)
        self.send(channel.unsubscribe(subscription))
        deadline = time.monotonic() + timeout
        while len(self.cancelled) == before:
            assert self.pump(deadline - time.monotonic()), "the cancel was not confirmed"
        return self.cancelled[-1]

    def quiet(self, kind: str, seconds: float = 0.3) -> list[Any]:
        """Commands of class ``kind`` that arrive within ``seconds``."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.pump(left)
        found = [command for command in self._unread if type(command).__name__ == kind]
        self._unread.clear()
        return found

    def channel(self, name: str) -> Any:
        """A connected :class:`~caproto.ClientChannel`."""
        channel = caproto.ClientChannel(name, self.circuit)
        self.send(channel.create())
        made = self.next("CreateChanResponse", "CreateChFailResponse")
        if type(made).__name__ == "CreateChFailResponse":
            raise LookupError(name)
        return channel

    def read(self, channel: Any, data_type: Any = None, data_count: int | None = None) -> Any:
        """The ReadNotifyResponse."""
        request = channel.read(data_type=data_type, data_count=data_count)
        self.send(request)
        response = self.next("ReadNotifyResponse", "ErrorResponse")
        assert getattr(response, "ioid", request.ioid) == request.ioid
        return response

    def write(self, channel: Any, data: Any, **options: Any) -> Any:
        """The WriteNotifyResponse."""
        self.send(channel.write(data, notify=True, **options))
        return self.next("WriteNotifyResponse", "ErrorResponse")

    def subscribe(self, channel: Any, **options: Any) -> int:
        """Subscription id."""
        request = channel.subscribe(**options)
        self.send(request)
        subscription: int = request.subscriptionid
        return subscription
