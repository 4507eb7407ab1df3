"""The rules of Channel Access as tables: role, state and command give the next state (protocol section 11).

A command that is missing in a state is illegal there.  Both ends keep the state of both roles, so that either can say
who broke a rule.
"""

from __future__ import annotations

from typing import Any

from ._commands import (
    AccessRightsResponse,
    ClearChannelRequest,
    ClearChannelResponse,
    Commands,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    ErrorResponse,
    EventAddRequest,
    EventAddResponse,
    EventCancelRequest,
    EventCancelResponse,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ReadResponse,
    RepeaterConfirmResponse,
    RepeaterRegisterRequest,
    ServerDisconnResponse,
    UnknownCommand,
    VersionRequest,
    VersionResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)

from ._commands import Beacon, Message  # isort: skip
from ._enums import (
    AWAIT_CREATE_CHAN_RESPONSE,
    AWAIT_VERSION_RESPONSE,
    CLIENT,
    CLOSED,
    CONNECTED,
    DISCONNECTED,
    FAILED,
    IDLE,
    MUST_CLOSE,
    SEND_CREATE_CHAN_REQUEST,
    SEND_CREATE_CHAN_RESPONSE,
    SEND_VERSION_REQUEST,
    SEND_VERSION_RESPONSE,
    SERVER,
    Sentinel,
)

#: The server's VERSION came before the client's (it is sent when the connection is accepted).
GREETED = Sentinel("GREETED")

Table = dict[Sentinel, dict[Sentinel, dict[type[Message], Sentinel]]]

_DATAGRAM_ONLY = {RepeaterRegisterRequest, RepeaterConfirmResponse, Beacon}
#: Everything that may travel over TCP.  Unknown commands are skipped, so they change nothing.
ON_CIRCUIT = tuple(cls for role in (CLIENT, SERVER) for cls in Commands[role].values() if cls not in _DATAGRAM_ONLY) + (
    EventCancelResponse,
    UnknownCommand,
)


def _stay(state: Sentinel, commands: Any) -> dict[type[Message], Sentinel]:
    return dict.fromkeys(commands, state)


#: The circuit.  A client may send everything behind its VERSION without waiting for the server's.
CIRCUIT: Table = {
    CLIENT: {
        SEND_VERSION_REQUEST: {VersionRequest: AWAIT_VERSION_RESPONSE, VersionResponse: GREETED},
        GREETED: {VersionResponse: GREETED, VersionRequest: CONNECTED},
        AWAIT_VERSION_RESPONSE: {**_stay(AWAIT_VERSION_RESPONSE, ON_CIRCUIT), VersionResponse: CONNECTED},
        CONNECTED: _stay(CONNECTED, ON_CIRCUIT),
        MUST_CLOSE: {},
        DISCONNECTED: {},
    },
    SERVER: {
        IDLE: {VersionRequest: SEND_VERSION_RESPONSE, VersionResponse: GREETED, ErrorResponse: IDLE},
        GREETED: {VersionResponse: GREETED, VersionRequest: CONNECTED, ErrorResponse: GREETED},
        SEND_VERSION_RESPONSE: {**_stay(SEND_VERSION_RESPONSE, ON_CIRCUIT), VersionResponse: CONNECTED},
        CONNECTED: _stay(CONNECTED, ON_CIRCUIT),
        MUST_CLOSE: {},
        DISCONNECTED: {},
    },
}

_REQUESTS_IN_USE = (
    ReadRequest, ReadNotifyRequest, WriteRequest, WriteNotifyRequest, EventAddRequest, EventCancelRequest,
)  # fmt: skip
_RESPONSES_IN_USE = (
    ReadResponse, ReadNotifyResponse, WriteNotifyResponse, EventAddResponse, EventCancelResponse,
    AccessRightsResponse, ErrorResponse,
)  # fmt: skip

_IN_USE = {
    **_stay(CONNECTED, _REQUESTS_IN_USE + _RESPONSES_IN_USE),
    CreateChanResponse: CONNECTED,
    ClearChannelRequest: MUST_CLOSE,
    ServerDisconnResponse: CLOSED,
}
#: Between CLEAR_CHANNEL and its answer: whatever was on its way is discarded.
_CLEARING = {
    **_stay(MUST_CLOSE, (*_RESPONSES_IN_USE, CreateChanResponse)),
    ClearChannelResponse: CLOSED,
    ServerDisconnResponse: CLOSED,
}
_CREATING = {
    AccessRightsResponse: AWAIT_CREATE_CHAN_RESPONSE,
    CreateChanResponse: CONNECTED,
    CreateChFailResponse: FAILED,
    ServerDisconnResponse: CLOSED,
    ErrorResponse: FAILED,
}

#: The channel.
CHANNEL: Table = {
    CLIENT: {
        SEND_CREATE_CHAN_REQUEST: {CreateChanRequest: AWAIT_CREATE_CHAN_RESPONSE},
        AWAIT_CREATE_CHAN_RESPONSE: _CREATING,
        CONNECTED: _IN_USE,
        MUST_CLOSE: _CLEARING,
        FAILED: {CreateChanRequest: AWAIT_CREATE_CHAN_RESPONSE},
        CLOSED: {},
    },
    SERVER: {
        IDLE: {CreateChanRequest: SEND_CREATE_CHAN_RESPONSE},
        SEND_CREATE_CHAN_RESPONSE: {**_CREATING, AccessRightsResponse: SEND_CREATE_CHAN_RESPONSE},
        CONNECTED: _IN_USE,
        MUST_CLOSE: _CLEARING,
        FAILED: {CreateChanRequest: SEND_CREATE_CHAN_RESPONSE},
        CLOSED: {},
    },
}

INITIAL_CIRCUIT = {CLIENT: SEND_VERSION_REQUEST, SERVER: IDLE}
INITIAL_CHANNEL = {CLIENT: SEND_CREATE_CHAN_REQUEST, SERVER: IDLE}


class _Place:
    """The states of both roles, and where each command leads from there."""

    __slots__ = ("moves", "states")

    def __init__(self, client: Sentinel, server: Sentinel) -> None:
        self.states = {CLIENT: client, SERVER: server}
        self.moves: dict[type[Message], _Place] = {}


def _places(table: Table) -> dict[tuple[Sentinel, Sentinel], _Place]:
    """Both halves of a table as one, so that a command costs one look-up."""
    places = {(client, server): _Place(client, server) for client in table[CLIENT] for server in table[SERVER]}
    for (client, server), place in places.items():
        ours, theirs = table[CLIENT][client], table[SERVER][server]
        place.moves = {command: places[ours[command], theirs[command]] for command in ours.keys() & theirs.keys()}
    return places


class _States(dict[Sentinel, Sentinel]):
    """The states of both roles: ``{CLIENT: state, SERVER: state}``; changed by its methods only."""

    table: Table
    initial: dict[Sentinel, Sentinel]
    here: _Place
    _places: dict[tuple[Sentinel, Sentinel], _Place]

    def __init_subclass__(cls) -> None:
        cls._places = _places(cls.table)

    def __init__(self) -> None:
        self.go(self._places[self.initial[CLIENT], self.initial[SERVER]])

    def after(self, command: type[Message]) -> _Place | None:
        """Where `command` leads, or None if it is illegal for one of the roles; :meth:`go` goes there."""
        return self.here.moves.get(command)

    def go(self, place: _Place) -> None:
        """Take the step that :meth:`after` returned."""
        self.here = place
        self.update(place.states)

    def become(self, state: Sentinel) -> None:
        """Put both roles into `state`, whatever the table says."""
        self.go(self._places[state, state])


class CircuitState(_States):
    """The states of a circuit."""

    table = CIRCUIT
    initial = INITIAL_CIRCUIT


class ChannelState(_States):
    """The states of a channel."""

    table = CHANNEL
    initial = INITIAL_CHANNEL
