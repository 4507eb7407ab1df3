"""Commands: every Channel Access message as a class, and bytes cut into commands (protocol section 3)."""

from __future__ import annotations

from typing import Any

from .._enums import CLIENT, SERVER, Sentinel
from .._errors import CaprotoKeyError
from .._layout import VALUE_COMMANDS_FROM_CLIENT, VALUE_COMMANDS_FROM_SERVER
from .._wire import codec
from ._base import Message, UnknownCommand, ValueMessage
from .channel import (
    AccessRightsResponse,
    ClearChannelRequest,
    ClearChannelResponse,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    EventAddRequest,
    EventAddRequestPayload,
    EventAddResponse,
    EventCancelRequest,
    EventCancelResponse,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ReadResponse,
    ServerDisconnResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)
from .circuit import (
    ClientNameRequest,
    EchoRequest,
    EchoResponse,
    ErrorResponse,
    EventsOffRequest,
    EventsOnRequest,
    HostNameRequest,
    ReadSyncRequest,
    ReadSyncResponse,
)
from .udp import (
    Beacon,
    NotFoundResponse,
    RepeaterConfirmResponse,
    RepeaterRegisterRequest,
    SearchRequest,
    SearchResponse,
    VersionRequest,
    VersionResponse,
)

__all__ = [
    "AccessRightsResponse",
    "Beacon",
    "ClearChannelRequest",
    "ClearChannelResponse",
    "ClientNameRequest",
    "Commands",
    "CreateChFailResponse",
    "CreateChanRequest",
    "CreateChanResponse",
    "EchoRequest",
    "EchoResponse",
    "ErrorResponse",
    "EventAddRequest",
    "EventAddRequestPayload",
    "EventAddResponse",
    "EventCancelRequest",
    "EventCancelResponse",
    "EventsOffRequest",
    "EventsOnRequest",
    "HostNameRequest",
    "Message",
    "NotFoundResponse",
    "ReadNotifyRequest",
    "ReadNotifyResponse",
    "ReadRequest",
    "ReadResponse",
    "ReadSyncRequest",
    "ReadSyncResponse",
    "RepeaterConfirmResponse",
    "RepeaterRegisterRequest",
    "SearchRequest",
    "SearchResponse",
    "ServerDisconnResponse",
    "UnknownCommand",
    "ValueMessage",
    "VersionRequest",
    "VersionResponse",
    "WriteNotifyRequest",
    "WriteNotifyResponse",
    "WriteRequest",
    "bytelen",
    "get_command_class",
    "read_datagram",
    "read_from_bytestream",
    "tables",
]

_REQUESTS: tuple[type[Message], ...] = (
    VersionRequest, EventAddRequest, EventCancelRequest, ReadRequest, WriteRequest, SearchRequest, EventsOffRequest,
    EventsOnRequest, ReadSyncRequest, ClearChannelRequest, ReadNotifyRequest, CreateChanRequest, WriteNotifyRequest,
    ClientNameRequest, HostNameRequest, EchoRequest, RepeaterRegisterRequest,
)  # fmt: skip
_RESPONSES: tuple[type[Message], ...] = (
    VersionResponse, EventAddResponse, ReadResponse, SearchResponse, ReadSyncResponse, ErrorResponse,
    ClearChannelResponse, Beacon, NotFoundResponse, ReadNotifyResponse, RepeaterConfirmResponse, CreateChanResponse,
    WriteNotifyResponse, AccessRightsResponse, EchoResponse, CreateChFailResponse, ServerDisconnResponse,
)  # fmt: skip

#: The class of a command, by the role of its sender and its id (section 3.1).
Commands: dict[Sentinel, dict[int, type[Message]]] = {
    CLIENT: {cls.ID: cls for cls in _REQUESTS if cls.ID is not None},
    SERVER: {cls.ID: cls for cls in _RESPONSES if cls.ID is not None},
}

#: What the codec needs to make commands of bytes, by the role of the sender.
tables = {
    CLIENT: codec.CommandTable(Commands[CLIENT], UnknownCommand, VALUE_COMMANDS_FROM_CLIENT),
    SERVER: codec.CommandTable(Commands[SERVER], UnknownCommand, VALUE_COMMANDS_FROM_SERVER),
}


def get_command_class(role: Sentinel, header: Any) -> type[Message]:
    """The class of a message with this header sent by `role`.

    Raises
    ------
    CaprotoKeyError
        If `role` sends no such command.
    """
    try:
        return Commands[role][header.command]
    except KeyError:
        raise CaprotoKeyError(f"command {header.command} is not one that a {role!r} sends") from None


def read_datagram(data: Any, address: Any, role: Sentinel) -> list[Message]:
    """The commands of one datagram sent by `role` from `address`; what is malformed and what follows is dropped."""
    commands: list[Message] = codec.split_datagram(tables[role], data, address)
    return commands


def read_from_bytestream(data: Any, role: Sentinel) -> tuple[Any, Message | None, int]:
    """The first command of a byte stream sent by `role`.

    Returns
    -------
    data : bytes-like
        What follows the command; all of it if there is none.
    command : Message or None
    num_bytes_needed : int
        How many more bytes the command needs at least; 0 if there is one.
    """
    view = memoryview(data).cast("B")
    parser = codec.StreamParser(tables[role], codec.MAX_PAYLOAD)
    size, header = int.from_bytes(view[2:4], "big"), 16
    if size == 0xFFFF:
        size, header = (int.from_bytes(view[16:20], "big") if len(view) >= 24 else 0), 24
    found = parser.feed(view[: header + size])
    if found:
        return data[header + size :], found[0], 0
    return data, None, max(header - len(view), header + size - len(view))


def bytelen(item: Any) -> int:
    """Length in bytes of a command or a bytes-like object."""
    return len(item) if isinstance(item, Message) else memoryview(item).nbytes
