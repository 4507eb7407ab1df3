"""A few channels served through the core's server role: what a real libca client talks to.

Nothing but sockets, two threads and the core; values are kept in a dictionary.
"""

from __future__ import annotations

import socket
import threading
from typing import Any

import caproto
from caproto import SERVER

CHANNELS: dict[str, tuple[int, list[Any]]] = {
    "mini:double": (6, [2.5]),
    "mini:array": (6, [1.0, 2.0, 3.0]),
    "mini:long": (5, [42]),
    "mini:string": (0, [b"Hello, CA"]),
    "mini:empty": (6, []),
}


class MiniServer:
    """Serves :data:`CHANNELS` on one port of 127.0.0.1 until :meth:`close`.

    Attributes
    ----------
    received : list of str
        Class names of the commands that clients sent over TCP.
    errors : list of Exception
        What went wrong in a thread.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.values = {name: (kind, list(values)) for name, (kind, values) in CHANNELS.items()}
        self.received: list[str] = []
        self.errors: list[Exception] = []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", port))
        self._tcp = socket.create_server(("127.0.0.1", port))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=target) for target in (self._answer_searches, self._accept)]
        for thread in self._threads:
            thread.start()

    def cut(self) -> None:
        """Drop every client, as a network that fails would."""
        connections, self._connections = self._connections, []
        for sock in connections:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed by the peer
        self._threads = [thread for thread in self._threads if thread.is_alive()]

    def close(self) -> None:
        """End the threads and close every socket."""
        for sock in (self._udp, self._tcp, *self._connections):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # not connected, or closed by the peer
        for thread in self._threads:
            thread.join(5)
        for sock in (self._udp, self._tcp, *self._connections):
            sock.close()

    def _answer_searches(self) -> None:
        broadcaster = caproto.Broadcaster(our_role=SERVER)
        while True:
            try:
                data, address = self._udp.recvfrom(65536)
            except OSError:
                return
            if not data and not address:
                return
            found: list[Any] = []
            sequence = 0
            for command in broadcaster.recv(data, address):
                if isinstance(command, caproto.VersionRequest):
                    sequence = command.header.parameter1
                elif isinstance(command, caproto.SearchRequest) and command.name in self.values:
                    found.append(caproto.SearchResponse(self.port, None, command.cid, 13))
            if found:
                version = caproto.VersionResponse(13, sequence=sequence)
                self._udp.sendto(broadcaster.send(version, *found), address)

    def _accept(self) -> None:
        while True:
            try:
                sock, address = self._tcp.accept()
            except OSError:
                return
            self._connections.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock, address))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, address: Any) -> None:
        circuit = caproto.VirtualCircuit(our_role=SERVER, address=address, priority=None)
        try:
            sock.sendall(b"".join(circuit.send(caproto.VersionResponse(13))))
            while data := sock.recv(65536):
                for command in circuit.recv(data)[0]:
                    self.received.append(type(command).__name__)
                    circuit.process_command(command)
                    if replies := self._replies(circuit, command):
                        sock.sendall(b"".join(circuit.send(*replies)))
        except OSError:
            return  # the client is gone
        except caproto.CaprotoError as error:
            self.errors.append(error)
        finally:
            sock.close()  # libca has half-closed the circuit, and waits for our half

    def _replies(self, circuit: Any, command: Any) -> list[Any]:
        answer = getattr(self, f"_on_{type(command).__name__}", None)
        if answer is None:
            return []
        made = answer(circuit, command)
        return made if isinstance(made, list) else [made]

    def _on_SearchRequest(self, circuit: Any, command: Any) -> list[Any]:
        known = command.name in self.values
        return [caproto.SearchResponse(self.port, None, command.cid, None)] if known else []

    def _on_EchoRequest(self, circuit: Any, command: Any) -> Any:
        return caproto.EchoResponse()

    def _on_CreateChanRequest(self, circuit: Any, command: Any) -> list[Any]:
        kind, values = self.values[command.name]
        created = circuit.channels[command.cid].create(kind, max(1, len(values)), command.cid + 1000)
        return [caproto.AccessRightsResponse(command.cid, 3), created]

    def _on_ClearChannelRequest(self, circuit: Any, command: Any) -> Any:
        return caproto.ClearChannelResponse(command.sid, command.cid)

    def _value(self, circuit: Any, command: Any) -> dict[str, Any]:
        """The stored value in the type that was asked for; text is not converted."""
        _, values = self.values[circuit.channels_sid[command.sid].name]
        data_type = int(command.data_type)
        metadata = (3, 2, 1_000_000_000, 500) if 14 <= data_type <= 20 else None
        return {"data": values, "data_type": data_type, "data_count": len(values), "metadata": metadata, "status": 1}

    def _on_ReadNotifyRequest(self, circuit: Any, command: Any) -> Any:
        return caproto.ReadNotifyResponse(ioid=command.ioid, **self._value(circuit, command))

    def _on_EventAddRequest(self, circuit: Any, command: Any) -> Any:
        return caproto.EventAddResponse(subscriptionid=command.subscriptionid, **self._value(circuit, command))

    def _on_EventCancelRequest(self, circuit: Any, command: Any) -> Any:
        return caproto.EventCancelResponse(command.data_type, command.sid, command.subscriptionid, command.data_count)

    def _store(self, circuit: Any, command: Any) -> list[Any]:
        name = circuit.channels_sid[command.sid].name
        self.values[name] = (self.values[name][0], list(command.data))
        live = [request for request in circuit.event_add_commands.values() if request.sid == command.sid]
        return [self._on_EventAddRequest(circuit, request) for request in live]

    def _on_WriteRequest(self, circuit: Any, command: Any) -> list[Any]:
        return self._store(circuit, command)

    def _on_WriteNotifyRequest(self, circuit: Any, command: Any) -> list[Any]:
        done = caproto.WriteNotifyResponse(command.data_type, command.data_count, 1, command.ioid)
        return [*self._store(circuit, command), done]
