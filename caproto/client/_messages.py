"""What a client does with each message that a server sends over a circuit (section 11.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._commands import (
    AccessRightsResponse,
    ClearChannelRequest,
    ClearChannelResponse,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    EchoResponse,
    ErrorResponse,
    EventAddRequest,
    EventAddResponse,
    Message,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ReadResponse,
    SearchResponse,
    ServerDisconnResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)
from .._enums import CLIENT, CONNECTED
from .._errors import CaprotoError, CaprotoNetworkError, ErrorResponseReceived
from ._channel import UP
from ._link import Link, refusal, status_text

if TYPE_CHECKING:
    from ._engine import ClientEngine

__all__ = ["HANDLERS", "SEARCH_DELAY", "spoiled"]

logger = logging.getLogger("caproto.client")

#: Seconds before a channel is searched again after its server went away or refused it.
SEARCH_DELAY = 0.1
REFUSED_DELAY = 5.0


def spoiled(engine: ClientEngine, link: Link, command: Any, error: CaprotoError, now: float) -> None:
    """Let a message that breaks the rules fail what it is about, and nothing else."""
    if isinstance(command, (ReadNotifyResponse, ReadResponse, WriteNotifyResponse)):
        request = link.requests.pop(command.ioid, None)
        if request is not None:
            engine.fail([request], error)
            return
    elif isinstance(command, EventAddResponse):
        monitor = link.monitors.get(command.subscriptionid)
        if monitor is not None:
            monitor.owner.failed(error)
            return
    elif isinstance(command, CreateChanResponse) and command.cid in link.channels:
        _refuse(engine, link, command.cid, error, now)
        return
    logger.warning("%s", error)


def _refuse(engine: ClientEngine, link: Link, cid: int, error: CaprotoError, now: float) -> None:
    """A channel cannot be created."""
    link.circuit.channels.pop(cid, None)
    channel = link.channels.pop(cid, None)
    if channel is not None:
        channel.refused = True
        engine.down(channel, error, now + REFUSED_DELAY)
        engine.fail(channel.connects, error)
        channel.connects.clear()
    engine.leave(link)


def _created(engine: ClientEngine, link: Link, command: CreateChanResponse, now: float) -> None:
    channel = link.channels.get(command.cid)
    if channel is None or channel.native is None:
        native = link.circuit.channels.get(command.cid)
        if native is not None and native.states[CLIENT] is CONNECTED:
            # It was closed before it was created.
            link.send(ClearChannelRequest(command.sid, command.cid))
        return
    if channel.native.states[CLIENT] is not CONNECTED or channel.state == UP:
        return
    channel.state, channel.problem, channel.refused, channel.ever_connected = UP, None, False, True
    if channel.native.access_rights is not None:
        channel.rights = channel.native.access_rights
    engine.changes.append((channel, "connected"))
    engine.finish_all(channel.connects)
    for monitor in list(channel.monitors):
        if monitor.sink.waiting:
            link.waiting[monitor.sink] = None  # from an earlier connection
        engine.start(monitor)


def _rights(engine: ClientEngine, link: Link, command: AccessRightsResponse, now: float) -> None:
    channel = link.channels.get(command.cid)
    if channel is not None and channel.rights != command.access_rights:
        channel.rights = command.access_rights
        if channel.state == UP:
            engine.changes.append((channel, "rights"))


def _create_failed(engine: ClientEngine, link: Link, command: CreateChFailResponse, now: float) -> None:
    channel = link.channels.get(command.cid)
    name = "" if channel is None else channel.name
    text = f"{name}: refused by {link.where}, which has the record: wrong modifier or filter"
    _refuse(engine, link, command.cid, ErrorResponseReceived(text), now)


def _removed(engine: ClientEngine, link: Link, command: ServerDisconnResponse, now: float) -> None:
    channel = link.channels.pop(command.cid, None)
    if channel is not None:
        error = CaprotoNetworkError(f"{channel.name}: removed by its server {link.where}")
        engine.fail(link.take_channel(channel), error)
        engine.down(channel, error, now + SEARCH_DELAY)
    engine.leave(link)


def _cleared(engine: ClientEngine, link: Link, command: ClearChannelResponse, now: float) -> None:
    engine.leave(link)


def _answered(engine: ClientEngine, link: Link, command: Any, now: float) -> None:
    request = link.requests.pop(command.ioid, None)
    if request is None:
        return
    if isinstance(command, ReadResponse) or command.status.success:
        engine.finish(request, command)
    else:
        engine.fail([request], refusal(request, link, status_text(command.status)))


def _updated(engine: ClientEngine, link: Link, command: EventAddResponse, now: float) -> None:
    """An update that is not like the others: empty, or with a status."""
    monitor = link.monitors.get(command.subscriptionid)
    if monitor is None or monitor.channel is None:
        return
    if not command.status.success:
        text = f"{monitor.channel.name}: update refused by {link.where}: {status_text(command.status)}"
        monitor.owner.failed(ErrorResponseReceived(text))
        return
    len(command.data)  # a payload that is too short fails here, not in a callback
    if monitor.sink.push(command):
        engine.touched.append(monitor.sink)
        link.waiting[monitor.sink] = None


def _echoed(engine: ClientEngine, link: Link, command: EchoResponse, now: float) -> None:
    request, in_time = link.answered(now)
    if request is not None:
        engine.finish(request, command)
    if link.silent and in_time:
        engine.revived(link)
    elif link.silent and not link.echoes:
        link.ask(now)  # a late answer is a sign of life, one in time is a proof
    engine.soon(link.check(now))


def _failed(engine: ClientEngine, link: Link, command: ErrorResponse, now: float) -> None:
    original = command.original_request
    number = original.parameter2
    status, message = command.status, command.error_message
    if original.command == EventAddRequest.ID:
        monitor = link.monitors.get(number)
        if monitor is not None and monitor.channel is not None:
            link.stop(monitor)
            name = monitor.channel.name
            text = f"{name}: subscription refused by {link.where}: {status_text(status, message, name)}"
            engine.refused(monitor, ErrorResponseReceived(text))
        return
    cid = original.parameter1
    if original.command == CreateChanRequest.ID and cid in link.channels:
        name = link.channels[cid].name
        text = f"{name}: refused by {link.where}: {status_text(status, message, name)}"
        _refuse(engine, link, cid, ErrorResponseReceived(text), now)
        return
    if original.command == ClearChannelRequest.ID:
        link.circuit.channels.pop(number, None)  # gone all the same (section 11.3)
        engine.leave(link)
    waiting: dict[int, Any] = {}
    if original.command == WriteRequest.ID:
        waiting = link.writes
    elif original.command in _ANSWERED:
        waiting = link.requests
    request = waiting.pop(number, None)
    if request is not None:
        text = status_text(status, message, request.channel.name)
        engine.fail([request], refusal(request, link, text))
    else:
        logger.warning("%s reports %s", link.where, status_text(status, message))


def _search_reply(engine: ClientEngine, link: Link, command: SearchResponse, now: float) -> None:
    engine.discovery.replied(link, command, now)
    engine.soon(engine.discovery.searcher.next_time)


#: Requests that have an IOID and an answer.
_ANSWERED = (ReadNotifyRequest.ID, ReadRequest.ID, WriteNotifyRequest.ID)

#: By the class of the command.
HANDLERS: dict[type[Message], Callable[[ClientEngine, Link, Any, float], None]] = {
    AccessRightsResponse: _rights,
    CreateChanResponse: _created,
    CreateChFailResponse: _create_failed,
    ServerDisconnResponse: _removed,
    ClearChannelResponse: _cleared,
    ReadNotifyResponse: _answered,
    ReadResponse: _answered,
    WriteNotifyResponse: _answered,
    EventAddResponse: _updated,
    EchoResponse: _echoed,
    ErrorResponse: _failed,
    SearchResponse: _search_reply,
}
