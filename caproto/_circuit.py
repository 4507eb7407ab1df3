"""One TCP conversation: bytes in, commands out, and the rules checked on both sides (protocol section 11)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from . import _commands as ca
from ._channel import ClientChannel, ServerChannel, _BaseChannel
from ._constants import DEFAULT_PROTOCOL_VERSION
from ._enums import CLIENT, CLOSED, CONNECTED, DISCONNECTED, IDLE, MUST_CLOSE, SERVER, Sentinel
from ._environ import max_array_bytes
from ._errors import CaprotoTypeError, CaprotoValueError, LocalProtocolError, RemoteProtocolError
from ._ids import ThreadsafeCounter
from ._pending import Pending
from ._state import GREETED, CircuitState
from ._wire import codec

#: The largest payload that a server takes from a client which did not ask first, in bytes.
UNTRUSTED_PAYLOAD = 128 * 1024 * 1024
#: Buffers below this many bytes are joined before they are sent.
JOIN_BELOW = 65536

_NOBODY: dict[int, Any] = {}


class VirtualCircuit:
    """The state of one connection between a client and a server.

    Parameters
    ----------
    our_role : CLIENT or SERVER
    address : tuple of (str, int)
        The peer.
    priority : int or None
        0..99; a server learns it from the client.
    protocol_version : int
        Our minor version.
    max_payload : int, optional
        Larger payloads are skipped without being stored, and fail their own request.  By default
        ``EPICS_CA_MAX_ARRAY_BYTES`` where that is in force, else what a header can say for a client, and
        `UNTRUSTED_PAYLOAD` for a server.

    Attributes
    ----------
    states : dict
        ``{CLIENT: state, SERVER: state}``.
    channels, channels_sid : dict
        By CID and by SID.
    event_add_commands : dict
        The live subscriptions: EventAddRequest by subscription id.
    """

    def __init__(
        self,
        our_role: Sentinel,
        address: Any,
        priority: int | None,
        protocol_version: int = DEFAULT_PROTOCOL_VERSION,
        *,
        max_payload: int | None = None,
    ) -> None:
        if our_role not in (CLIENT, SERVER):
            raise CaprotoValueError(f"our_role={our_role!r} is neither CLIENT nor SERVER")
        self.our_role = our_role
        self.their_role = SERVER if our_role is CLIENT else CLIENT
        self.address = address
        self.our_address: Any = None
        self.priority = priority
        self.our_version = protocol_version
        self.protocol_version = protocol_version
        self.log = logging.getLogger("caproto.circ")
        self.states = CircuitState()
        self.channels: dict[int, _BaseChannel] = {}
        self.channels_sid: dict[int, _BaseChannel] = {}
        self.event_add_commands: dict[int, ca.EventAddRequest] = {}
        self._cancelling: dict[int, ca.EventAddRequest] = {}
        # IOID -> (channel, request): requests without an answer so far.
        self._ioids: dict[int, tuple[_BaseChannel, Any]] = {}
        self._channel_ids = ThreadsafeCounter(dont_clash_with=self.channels)
        self._subscription_ids = ThreadsafeCounter(dont_clash_with=self.event_add_commands)
        self._request_ids = ThreadsafeCounter(dont_clash_with=self._ioids)
        if max_payload is None:
            max_payload = max_array_bytes()
        if max_payload is None:
            max_payload = codec.MAX_PAYLOAD if our_role is CLIENT else UNTRUSTED_PAYLOAD
        self._parser = codec.StreamParser(ca.tables[self.their_role], max_payload)
        self._pending = Pending()
        self._live = self.event_add_commands if our_role is CLIENT else _NOBODY
        self._handlers: dict[type, Callable[[Any], None]] = {
            command: getattr(self, name) for command, name in _HANDLERS.items()
        }

    @property
    def host(self) -> Any:
        return self.address[0]

    @property
    def port(self) -> Any:
        return self.address[1]

    @property
    def key(self) -> tuple[Any, int]:
        """What identifies a circuit: the peer's address and the priority."""
        if self.priority is None:
            raise CaprotoValueError(f"the priority of the circuit to {self.address} is not known yet")
        return self.address, self.priority

    def __repr__(self) -> str:
        return f"<VirtualCircuit {self.our_role!r} peer={self.address} states={self.states}>"

    def new_channel_id(self) -> int:
        """A CID that no channel of this circuit has."""
        return self._channel_ids()

    def new_subscriptionid(self) -> int:
        """A subscription id that is not in use on this circuit."""
        return self._subscription_ids()

    def new_ioid(self) -> int:
        """An IOID that no request without an answer has."""
        return self._request_ids()

    # Bytes in, commands out

    def recv(self, *buffers: Any) -> tuple[deque[Any], int]:
        """Cut received bytes into commands.

        Parameters
        ----------
        *buffers : bytes-like
            Cut anywhere.  Nothing of them is kept.  An empty one means that the peer closed the connection.

        Returns
        -------
        commands : deque
            Not yet processed; DISCONNECTED follows them if the connection was closed.
        bytes_needed : int
            How many more bytes the command in progress needs at least; 0 between commands.

        Raises
        ------
        RemoteProtocolError
            When framing is lost.  Commands in front of that place are returned first; the next call raises.
        """
        frames: list[Any] = []
        closed = False
        for buffer in buffers:
            if not len(buffer):
                closed = True
                continue
            try:
                frames += self._parser.feed(buffer)
            except RemoteProtocolError as error:
                if frames:
                    break
                raise self._lost(error) from None
        self._pending.add(frames)
        commands: deque[Any] = deque(frames)
        if closed:
            commands.append(DISCONNECTED)
        return commands, self._parser.bytes_needed

    def _lost(self, error: RemoteProtocolError) -> RemoteProtocolError:
        self.states.become(MUST_CLOSE)
        return RemoteProtocolError(f"circuit to {self.address}: {error}")

    def get_buffer(self, size_hint: int = -1) -> memoryview:
        """Writable memory for the next read from the socket; large payloads go straight to where they stay.

        Valid until the next call of any method of this circuit.  Use with :meth:`buffer_updated`.
        """
        try:
            buffer: memoryview = self._parser.get_buffer(size_hint)
        except RemoteProtocolError as error:
            raise self._lost(error) from None
        return buffer

    def buffer_updated(self, nbytes: int) -> deque[Any]:
        """The commands completed by the `nbytes` bytes now in the memory from :meth:`get_buffer`."""
        if not nbytes:
            return deque([DISCONNECTED])
        try:
            frames = self._parser.buffer_updated(nbytes)
        except RemoteProtocolError as error:
            raise self._lost(error) from None
        self._pending.add(frames)
        return deque(frames)

    @property
    def sinks(self) -> Any:
        """Where updates go by themselves, by subscription id: an ``Inbox`` or a ``Columns`` of the codec.

        What goes into a sink is checked and marked as processed there, and is not among the commands returned.
        """
        return self._parser.sinks

    def take_touched(self) -> list[Any]:
        """Return the sinks that got updates since the last call, each once."""
        touched: list[Any] = self._parser.touched
        if touched:
            self._parser.touched = []
        return touched

    @property
    def bytes_needed(self) -> int:
        """How many more bytes the command in progress needs at least; 0 between commands."""
        needed: int = self._parser.bytes_needed
        return needed

    def next_command(self) -> Any:
        """Process and return the next command of earlier ``recv`` calls that was not processed yet, or NEED_DATA."""
        command = self._pending.take()
        if isinstance(command, ca.Message):
            self.process_command(command)
        return command

    def process_command(self, command: Any) -> None:
        """Check a received command against the rules and note what it changes.

        Raises
        ------
        RemoteProtocolError
            If the peer may not send it now.  The circuit and its other channels are as they were.
        """
        # The path of every update: one look-up, two comparisons.
        if command.__class__ is _EventAddResponse and _is_live_update(self._live, command):
            return
        if command is DISCONNECTED:
            self.disconnect()
            return
        command._done = True
        self._check(command, RemoteProtocolError)

    def process_commands(self, commands: Any) -> None:
        """:meth:`process_command` for each of them."""
        for command in commands:
            self.process_command(command)

    # Commands in, bytes out

    def send(self, *commands: Any, extra: Any = None) -> list[Any]:
        """Check commands against the rules and turn them into buffers for the socket.

        Parameters
        ----------
        *commands : Message
        extra : dict, optional
            Context for the log.

        Returns
        -------
        list of bytes-like
            To be sent in this order.  Payloads of 64 KiB and more are not copied.

        Raises
        ------
        LocalProtocolError
            If we may not send one of them now; those in front of it have been noted, and none should be sent.
        """
        buffers: list[Any] = []
        small: list[bytes] = []
        for command in commands:
            self._check(command, LocalProtocolError)
            if len(command) < JOIN_BELOW:
                small.append(bytes(command))
                continue
            if small:
                buffers.append(b"".join(small))
                small = []
            buffers += command.wire_buffers()
        if small:
            buffers.append(b"".join(small))
        return buffers

    def disconnect(self) -> None:
        """The connection is gone: nothing is legal any more, and nothing is remembered."""
        self.states.become(DISCONNECTED)
        for channel in self.channels.values():
            channel.states.become(CLOSED)
        for memory in (
            self.channels,
            self.channels_sid,
            self.event_add_commands,
            self._cancelling,
            self._ioids,
        ):
            memory.clear()
        self._pending.clear()

    # Rules

    def _check(self, command: Any, blame: type[Exception]) -> None:
        cls = command.__class__
        place = self.states.after(cls)
        ours = blame is LocalProtocolError
        if place is None or cls not in _SENT_BY[self.our_role if ours else self.their_role]:
            if not isinstance(command, ca.Message):
                raise CaprotoTypeError(f"{command!r} is not a command")
            sender = self.our_role if ours else self.their_role
            raise blame(f"{cls.__name__} is illegal for a {sender!r} on the circuit to {self.address} in {self.states}")
        if command._limit and not ours:
            if _HANDLERS.get(cls) == "_response":
                self._ioids.pop(command.ioid, None)  # there will be no other answer
            raise RemoteProtocolError(
                f"{command!r} from {self.address}: its payload of {command._payload_size} bytes is above the limit of "
                f"{command._limit} and was skipped"
            )
        handler = self._handlers.get(cls)
        self._blame = blame
        if handler is not None:
            handler(command)
        if place is not self.states.here:
            self.states.go(place)

    def _move(self, channel: _BaseChannel, command: Any) -> None:
        """Let the channel take the step that `command` is."""
        place = channel.states.after(command.__class__)
        if place is None:
            raise self._blame(
                f"{type(command).__name__} is illegal for channel {channel.name!r} (cid {channel.cid}) "
                f"on the circuit to {self.address} in {channel.states}"
            )
        if place is not channel.states.here:
            channel.states.go(place)

    def _by_sid(self, command: Any) -> _BaseChannel:
        channel = self.channels_sid.get(command._parameter1)
        if channel is None:
            raise self._blame(
                f"{type(command).__name__} for sid {command._parameter1}: "
                f"no channel of the circuit to {self.address} has it"
            )
        return channel

    def _by_cid(self, command: Any, cid: int) -> _BaseChannel | None:
        channel = self.channels.get(cid)
        if channel is None:
            if self._blame is LocalProtocolError:
                raise LocalProtocolError(
                    f"{type(command).__name__} for cid {cid}: no channel of the circuit to {self.address} has it"
                )
            # Late answers about channels that are gone are ordinary (section 11.2).
            self.log.debug("%r from %s is about no known channel", command, self.address)
        return channel

    def _version(self, command: Any) -> None:
        if command._data_count:
            self.protocol_version = min(self.our_version, command._data_count)
        if isinstance(command, ca.VersionRequest) and self.states[SERVER] in (IDLE, GREETED):
            # A later one may come from libca's search buffer, where this field is a flag (section 3.2).
            self.priority = command._data_type

    def _create_request(self, command: Any) -> None:
        channel = self.channels.get(command.cid)
        if channel is None or channel.states[CLIENT] in (CLOSED, MUST_CLOSE):
            cls = ClientChannel if self.our_role is CLIENT else ServerChannel
            channel = cls(command.name, self, command.cid)
        self._move(channel, command)

    def _create_response(self, command: Any) -> None:
        channel = self._by_cid(command, command.cid)
        if channel is None:
            return
        if channel.states[CLIENT] is CONNECTED:
            self.log.debug("%r from %s repeats what is known", command, self.address)
            return
        if command._data_type > 6:
            self._drop(channel)
            raise self._blame(
                f"channel {channel.name!r} on the circuit to {self.address}: "
                f"its native type {command.data_type} is none"
            )
        self._move(channel, command)
        channel.sid = command.sid
        channel.native_data_type = command.data_type
        channel.native_data_count = command.data_count
        self.channels_sid[command.sid] = channel

    def _rights(self, command: Any) -> None:
        channel = self._by_cid(command, command.cid)
        if channel is not None:
            self._move(channel, command)
            channel.access_rights = command.access_rights

    def _channel_gone(self, command: Any) -> None:
        channel = self._by_cid(command, command.cid)
        if channel is not None:
            self._move(channel, command)
            self._drop(channel)

    def _clear_request(self, command: Any) -> None:
        channel = self._by_sid(command)
        self._move(channel, command)
        self._forget(self.event_add_commands, channel)

    def _drop(self, channel: _BaseChannel) -> None:
        """Forget everything about a channel."""
        if self.channels.get(channel.cid) is channel:
            del self.channels[channel.cid]
        if channel.sid is not None and self.channels_sid.get(channel.sid) is channel:
            del self.channels_sid[channel.sid]
        self._forget(self.event_add_commands, channel)
        self._forget(self._cancelling, channel)
        for number in [n for n, (owner, _) in self._ioids.items() if owner is channel]:
            del self._ioids[number]

    @staticmethod
    def _forget(subscriptions: dict[int, ca.EventAddRequest], channel: _BaseChannel) -> None:
        for number in [n for n, request in subscriptions.items() if request.sid == channel.sid]:
            del subscriptions[number]

    def _request(self, command: Any) -> None:
        channel = self._by_sid(command)
        self._move(channel, command)
        self._ioids[command.ioid] = channel, command

    def _write_request(self, command: Any) -> None:
        # A write is not answered unless it fails, so there is nothing to wait for.
        self._move(self._by_sid(command), command)

    def _response(self, command: Any) -> None:
        known = self._ioids.pop(command.ioid, None)
        if known is not None:
            self._move(known[0], command)
        elif self._blame is LocalProtocolError:
            raise LocalProtocolError(
                f"{type(command).__name__} for ioid {command.ioid}: {self.address} asked no such thing"
            )

    def _subscribe(self, command: Any) -> None:
        self._move(self._by_sid(command), command)
        if self._blame is LocalProtocolError and command.subscriptionid in self.event_add_commands:
            raise LocalProtocolError(
                f"EventAddRequest: subscriptionid {command.subscriptionid} is in use on the circuit to {self.address}"
            )
        self.event_add_commands[command.subscriptionid] = command

    def _cancel(self, command: Any) -> None:
        self._move(self._by_sid(command), command)
        request = self.event_add_commands.get(command.subscriptionid)
        if request is None:
            raise self._blame(
                f"EventCancelRequest: no subscription {command.subscriptionid} on the circuit to {self.address}"
            )
        self._cancelling[command.subscriptionid] = request
        # The confirmation may be the same bytes as an empty update.
        self.sinks.pop(command.subscriptionid, None)

    def _update(self, command: Any) -> None:
        number = command.subscriptionid
        if number in self._cancelling and not command._payload_size:
            self._cancelled(command)
            return
        request = self.event_add_commands.get(number)
        if request is None:
            if self._blame is LocalProtocolError:
                raise LocalProtocolError(f"{type(command).__name__}: {self.address} has no subscription {number}")
            # On its way when the subscription ended (section 3.7).
            return
        channel = self.channels_sid.get(request.sid)
        if channel is not None:
            self._move(channel, command)
        if request._data_type != command._data_type:
            name = channel.name if channel is not None else None
            raise self._blame(
                f"{type(command).__name__} for {name!r} (subscriptionid {number}) on the circuit to {self.address}: "
                f"its type is {command.data_type!r}, subscribed was {request.data_type!r}"
            )

    def _cancelled(self, command: Any) -> None:
        number = command.subscriptionid
        if self._cancelling.pop(number, None) is not None or self._blame is LocalProtocolError:
            self.event_add_commands.pop(number, None)

    def _error(self, command: Any) -> None:
        """Finish the request that failed (section 3.9)."""
        try:
            original = command.original_request
        except CaprotoValueError as error:
            raise self._blame(f"ErrorResponse on the circuit to {self.address}: {error}") from None
        if original.command in (ca.ReadNotifyRequest.ID, ca.ReadRequest.ID, ca.WriteNotifyRequest.ID):
            self._ioids.pop(original.parameter2, None)
        elif original.command == ca.EventAddRequest.ID:
            self.event_add_commands.pop(original.parameter2, None)
        elif original.command == ca.EventCancelRequest.ID:
            self._cancelling.pop(original.parameter2, None)
            self.event_add_commands.pop(original.parameter2, None)


# A cancel is answered by what looks like an update; unknown commands are skipped whoever sends them.
_SENT_BY = {
    role: frozenset({*ca.Commands[role].values(), ca.EventCancelResponse, ca.UnknownCommand})
    for role in (CLIENT, SERVER)
}
_EventAddResponse = ca.EventAddResponse
_is_live_update = codec.is_live_update
_HANDLERS = {
    ca.VersionRequest: "_version",
    ca.VersionResponse: "_version",
    ca.CreateChanRequest: "_create_request",
    ca.CreateChanResponse: "_create_response",
    ca.CreateChFailResponse: "_channel_gone",
    ca.ServerDisconnResponse: "_channel_gone",
    ca.ClearChannelRequest: "_clear_request",
    ca.ClearChannelResponse: "_channel_gone",
    ca.AccessRightsResponse: "_rights",
    ca.ReadRequest: "_request",
    ca.ReadNotifyRequest: "_request",
    ca.WriteRequest: "_write_request",
    ca.WriteNotifyRequest: "_request",
    ca.ReadResponse: "_response",
    ca.ReadNotifyResponse: "_response",
    ca.WriteNotifyResponse: "_response",
    ca.EventAddRequest: "_subscribe",
    ca.EventAddResponse: "_update",
    ca.EventCancelRequest: "_cancel",
    ca.EventCancelResponse: "_cancelled",
    ca.ErrorResponse: "_error",
}
