"""One connection as its server sees it: requests in, replies out (protocol sections 11.4, 11.5, 12 and 14).

The path of a read that needs no hook: the parser makes the frame (40 ns), a dict gives its handler, another its
channel, a third the value as it was encoded for the first who asked; three parts go into the list that is joined and
sent once for every chunk received.  Nothing is formatted, no task is made, no state is kept for it.
"""

from __future__ import annotations

import logging
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import _commands as ca
from .._constants import DEFAULT_PROTOCOL_VERSION
from .._data.publisher import present
from .._data.subscription import Subscription
from .._data.view import Encoded, header, nothing
from .._enums import CLIENT, AccessRights, SubscriptionType
from .._environ import max_array_bytes
from .._errors import CaprotoTypeError, CaprotoValueError, RemoteProtocolError
from .._layout import LAST_DBR, LAYOUTS
from .._status import CAStatus
from .._wire import codec
from . import _requests
from ._channel import NOTHING, Channel
from ._noticed import Noticed
from ._output import Output

if TYPE_CHECKING:
    from .._data import ChannelData
    from ._engine import ServerEngine
    from ._names import Target

__all__ = ["ServerCircuit"]

logger = logging.getLogger("caproto.server")

#: The largest payload that is taken from a client, in bytes, unless the environment says otherwise.
UNTRUSTED_PAYLOAD = 128 * 1024 * 1024
#: Requests of one client that may wait for hooks; one more for so many bytes of its payload.
MAX_JOBS, JOB_SIZE = 1000, 16 * 1024
#: Seconds of a hook after which other clients have their turn before the next one runs.
LONG = 0.001
#: Channels and subscriptions of one client; who wants more is no client, but eats memory.
MAX_OBJECTS = 1_000_000
LAST_COMMAND = 27
#: The version that brought them, and what one message of an earlier client may carry.
_EXTENDED_HEADERS = 9
SMALL_PAYLOAD = 16384 - 16
_LARGEST_SMALL_COUNT = 0xFFFE
_NUMBER = struct.Struct(">I").pack
_SHORT = struct.Struct(">HHHHII").pack
#: Two headers of 16 bytes, the first half of each as a number.
_CREATED = struct.Struct(">QIIQII").pack
_ACCESS_RIGHTS, _CREATE_CH_FAIL = int(ca.AccessRightsResponse.ID), int(ca.CreateChFailResponse.ID)
_CREATE_CHAN = int(ca.CreateChanResponse.ID)
_EVENT_CANCEL = int(ca.EventCancelResponse.ID)
_RIGHTS_HEAD = _ACCESS_RIGHTS << 48
_UNKNOWN_CID = 0xFFFFFFFF
_VERSION_HELLO = bytes(ca.VersionResponse(DEFAULT_PROTOCOL_VERSION))


def _weight(frame: Any) -> int:
    """How many requests one that waits counts as."""
    size: int = frame._payload_size
    return 1 + size // JOB_SIZE


def _code(status: CAStatus) -> int:
    return status.value.code_with_severity


class ServerCircuit:
    """The server's side of one connection.

    Parameters
    ----------
    engine : ServerEngine
    address : tuple of (str, int)
        The client.
    wake : callable
        Called when there is something to send after there was nothing.
    patience : float
        Until when the client has to say something sensible.

    Attributes
    ----------
    output : Output
        What the skin has to send.
    closing : bool
        The connection is to be closed when everything was sent.
    channels : dict
        Those that are in use, by SID.
    small : bool
        The client is from before extended headers.
    host_name, client_name : str
        What the client says of itself.
    """

    def __init__(
        self, engine: ServerEngine, address: tuple[str, int], wake: Callable[[], None], patience: float
    ) -> None:
        self.engine = engine
        self.address = address
        self.patience = patience
        self.output = Output(engine.budget, wake)
        self.channels: dict[int, Channel] = {}
        # CID, target and rights of channels that were made and no more, by SID: most of a large client's at its start.
        self.unused: dict[int, tuple[int, Target, int]] = {}
        self.waiting: deque[Any] = deque()
        # Channels whose hooks wait until answers were taken, with their requests.
        self.parked: list[tuple[Channel, deque[Any]]] = []
        self.jobs = 0
        self.subscriptions = 0
        self.host_name = self.client_name = ""
        self.priority = 0
        self.greeted = False
        self.small = False
        self.closing = False
        self.lost = False
        limit = max_array_bytes()
        self._parser = codec.StreamParser(ca.tables[CLIENT], UNTRUSTED_PAYLOAD if limit is None else limit)
        self._handlers = {cls: getattr(self, name) for cls, name in _HANDLERS.items()}
        self.output.send(_VERSION_HELLO)

    def __repr__(self) -> str:
        return f"<ServerCircuit {self.client_name}@{self.host_name} {self.address} channels={self.channel_count}>"

    # Bytes in -----------------------------------------------------------------------------------

    def get_buffer(self, size_hint: int = -1) -> memoryview:
        """Writable memory for the next read from the socket; a large payload goes straight to where it stays."""
        buffer: memoryview = self._parser.get_buffer(size_hint)
        return buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Serve what the `nbytes` bytes now in the memory of :meth:`get_buffer` complete."""
        self._feed(self._parser.buffer_updated, nbytes)

    def receive(self, data: Any) -> None:
        """Serve what received bytes complete; they are not kept."""
        self._feed(self._parser.feed, data)

    def _feed(self, parse: Callable[[Any], list[Any]], argument: Any) -> None:
        if self.closing:
            return
        try:
            frames = parse(argument)
        except RemoteProtocolError as error:
            self.close(str(error), ca.EchoRequest() if self.greeted else None)
            return
        if not self.greeted and not frames and self._parser.bytes_needed > 16:
            # The first message of a client is a VERSION, which has no payload.
            self.close("this is no Channel Access")
            return
        if frames and len(self.unused) + len(self.channels) + self.subscriptions > MAX_OBJECTS:
            # As rsrv when it has no memory left.
            self._refuse(frames[0], _UNKNOWN_CID, CAStatus.ECA_ALLOCMEM, "too many channels and subscriptions")
            self.close(f"more than {MAX_OBJECTS} channels and subscriptions")
            return
        if self.waiting or self.full:
            self.waiting.extend(frames)
        else:
            self._serve(frames)
        if self._parser.error is not None:  # behind whole messages, which were served
            self.close(str(self._parser.error), ca.EchoRequest() if self.greeted else None)

    @property
    def full(self) -> bool:
        """Whether no more requests are to be served until something was sent or done."""
        return self.output.full or self.jobs >= MAX_JOBS

    @property
    def congested(self) -> bool:
        """Whether nothing more should be read from the socket until something was sent or done."""
        return bool(self.waiting)

    def resume(self) -> None:
        """Serve what had to wait, as far as there is room now."""
        if self.parked and not (self.closing or self.output.full):
            parked, self.parked = self.parked, []
            for channel, jobs in parked:
                self.engine.spawn(self._work(channel, jobs))
        if self.waiting and not (self.closing or self.full):
            frames, self.waiting = self.waiting, deque()
            self._serve(frames)

    def _serve(self, frames: Any) -> None:
        handlers = self._handlers
        output = self.output
        budget = output.budget
        unknown = self._unknown
        queue = iter(frames)
        for frame in queue:
            cls = frame.__class__
            if not self.greeted and cls is not ca.VersionRequest:
                self._not_greeted(frame)
                return
            try:
                handlers.get(cls, unknown)(frame)
            except Exception:  # noqa: BLE001 - such as that of a method of the user's data: others are served
                self._broken(frame)
            if self.closing:
                return
            if output.size > budget or self.jobs >= MAX_JOBS:
                self.waiting.extend(queue)
                return

    def _not_greeted(self, frame: Any) -> None:
        if frame._command > LAST_COMMAND:
            self.close("this is no Channel Access")
        else:
            # As rsrv: what was received so far is dropped, a later VERSION heals it.
            self._refuse(frame, _UNKNOWN_CID, CAStatus.ECA_DEFUNCT, "the first message has to be VERSION")

    # The circuit itself -------------------------------------------------------------------------

    def close(self, reason: str = "", request: Any = None) -> None:
        """Have the connection closed when everything was sent, and say why in one line of the log."""
        if self.closing:
            return
        if reason:
            logger.info("closing the circuit to %s:%d: %s", *self.address[:2], reason)
        if request is not None:
            self._refuse(request, _UNKNOWN_CID, CAStatus.ECA_INTERNAL, reason)
        self.closing = True
        self.output.wake()

    def disconnected(self) -> None:
        """The connection is gone: end every subscription and forget every channel."""
        self.lost = self.closing = True
        self.engine.circuits.discard(self)
        for channel in list(self.channels.values()):
            self._forget(channel)
        self.unused.clear()
        self.waiting.clear()
        self.parked.clear()
        self.output.clear()
        # Nothing refers to itself any more, so that memory for a large message is free at once.
        self._handlers.clear()

    def _refuse(self, frame: Any, cid: int, status: CAStatus, text: str) -> None:
        self.output.send(bytes(ca.ErrorResponse(frame, cid, status, text)))

    def _attempt(self, answer: Callable[..., None], *arguments: Any) -> None:
        """Answer the request that is the last argument, whatever comes of it."""
        try:
            answer(*arguments)
        except Exception:  # noqa: BLE001 - as in `_serve`
            self._broken(arguments[-1])

    def _broken(self, frame: Any) -> None:
        """Answer a request that came upon a mistake in the IOC, or in this package."""
        logger.exception("serving %s:%d: %s failed", *self.address[:2], type(frame).__name__)
        if not self.lost:
            self._refuse(frame, _UNKNOWN_CID, CAStatus.ECA_INTERNAL, "the server made a mistake, its log says more")

    def _unknown(self, frame: Any) -> None:
        text = f"invalid request code {frame._command}"
        # The C library looks the embedded command up in a table that ends there.
        self.close(text, frame if frame._command <= LAST_COMMAND else None)

    def _version(self, frame: Any) -> None:
        if not self.greeted:
            if frame._data_count < 4 or frame._data_type > 99:
                self.close(f"version {frame._data_count}, priority {frame._data_type}")
                return
            self.greeted = True
            self.priority = frame._data_type
            if frame._data_count < _EXTENDED_HEADERS:
                self.small = True
                self._handlers |= dict.fromkeys(_READS, self._small_request)

    def _name(self, frame: Any) -> None:
        if self.channel_count:
            self._refuse(frame, _UNKNOWN_CID, CAStatus.ECA_INTERNAL, "a name comes before the first channel")
        elif not 0 < frame._payload_size <= 512 or frame._limit or 0 not in bytes(frame._payload):
            self.close("a name has to be 1 to 511 characters and a NUL", frame)
        elif isinstance(frame, ca.HostNameRequest):
            self.host_name = frame.name
        else:
            self.client_name = frame.name

    def _echo(self, frame: Any) -> None:
        self.output.send(bytes(frame))

    def _search(self, frame: Any) -> None:
        answer = self.engine.search(frame)
        if answer:
            self.output.send(answer)

    def _events_off(self, frame: Any) -> None:
        self.output.switch_events(False)

    def _events_on(self, frame: Any) -> None:
        self.output.switch_events(True)

    # Channels -----------------------------------------------------------------------------------

    def _create(self, frame: Any) -> None:
        if not frame._payload_size or frame._limit:
            return  # as rsrv
        # Clients make thousands of channels at a time: what all of them need stands here in one piece.
        cid = frame._parameter1
        engine = self.engine
        target = engine.names.find(frame._payload)
        if target is None:
            self.output.send(_SHORT(_CREATE_CH_FAIL, 0, 0, 0, cid, 0))
            return
        rights = self._rights(target.data)
        sid = engine.new_sid()
        self.unused[sid] = (cid, target, rights)
        if target.extension and self.small:
            head = _CREATE_CHAN << 48 | target.view.native_type << 16 | _LARGEST_SMALL_COUNT
            self.output.send(_CREATED(_RIGHTS_HEAD, cid, rights, head, cid, sid))
            return
        # ACCESS_RIGHTS and the answer to CREATE_CHAN (section 3.4).
        self.output.send(_CREATED(_RIGHTS_HEAD, cid, rights, target.head, cid, sid) + target.extension)

    def channel(self, sid: int) -> Channel | None:
        """The channel with a SID, which is about to be used."""
        found = self.channels.get(sid)
        if found is None and sid in self.unused:
            found = self.channels[sid] = Channel(sid, *self.unused.pop(sid))
        return found

    def all_channels(self) -> list[Channel]:
        """Every channel."""
        for sid in list(self.unused):
            self.channel(sid)
        return list(self.channels.values())

    @property
    def channel_count(self) -> int:
        """Number of channels."""
        return len(self.channels) + len(self.unused)

    def _forget(self, channel: Channel) -> None:
        self.channels.pop(channel.sid, None)
        for subscription in channel.subscriptions:
            channel.data.detach(subscription)
            self.output.discard(subscription)
        self.subscriptions -= len(channel.subscriptions)
        channel.subscriptions = ()
        for jobs in (channel.jobs, channel.aside):
            if jobs:
                self.jobs -= sum(map(_weight, jobs))
                jobs.clear()

    def clear_channel(self, channel: Channel, frame: Any) -> None:
        """Answer CLEAR_CHANNEL."""
        self._forget(channel)
        self.output.send(bytes(ca.ClearChannelResponse(channel.sid, frame._parameter2)))

    def _rights(self, data: ChannelData) -> int:
        """What the client may do with a PV: nothing, if it cannot be found out."""
        try:
            rights = int(data.check_access(self.host_name, self.client_name))
        except Exception:  # whatever a check of the user raises concerns this channel only
            logger.exception("the access check of %s failed", getattr(data, "pvname", type(data).__name__))
            return 0
        access = self.engine.access
        if access is not None:
            rights &= access.rights(data, self.host_name, self.address[0], self.client_name)
        return rights

    def refresh_access(self, channel: Channel) -> None:
        """Look again what the client may do with a channel; tell it if that changed."""
        rights = self._rights(channel.data)
        if rights == channel.rights:
            return
        channel.rights = rights
        channel.settle()
        self.output.send(_SHORT(_ACCESS_RIGHTS, 0, 0, 0, channel.cid, rights))
        for subscription in channel.subscriptions:
            channel.data.detach(subscription)
            self.begin(channel, subscription)

    # Requests for a channel ---------------------------------------------------------------------

    def _read_notify(self, frame: Any) -> None:
        channel = self.channels.get(frame._parameter1)
        if channel is not None:
            found = channel.cache.get(frame._data_count << 6 | frame._data_type)
            if found is not None:
                self.reply(found, frame._parameter2)
                return
        self._request(frame)

    def _request(self, frame: Any) -> None:
        channel = self.channel(frame._parameter1)
        if channel is None:
            text = f"no channel has the sid {frame._parameter1}"
            self._refuse(frame, _UNKNOWN_CID, CAStatus.ECA_INTERNAL, text)
            return
        at_once, waits = _REQUESTS[frame.__class__]
        aside = channel.putting and frame.__class__ not in _PUTS
        jobs = channel.aside if aside else channel.jobs
        if jobs:
            self.jobs += _weight(frame)
            jobs.append(frame)
        elif waits is not None and waits(channel):
            self.jobs += _weight(frame)
            jobs = deque([frame])
            if aside:
                channel.aside = jobs
            else:
                channel.jobs = jobs
                channel.cache = NOTHING
            self.engine.spawn(self._work(channel, jobs))
        else:
            at_once(self, channel, frame)

    def _small_request(self, frame: Any) -> None:
        """Serve a client from before extended headers, unless what it asks for would need one (section 2.2)."""
        channel = self.channel(frame._parameter1)
        if channel is not None and frame._data_type <= LAST_DBR:
            layout = LAYOUTS[frame._data_type]
            count = frame._data_count or channel.view.native_count
            if layout.value_offset + count * layout.item_size > SMALL_PAYLOAD:
                self.refuse(channel, frame, CAStatus.ECA_16KARRAYCLIENT, f"{count} elements need version 4.9")
                return
        self._request(frame)

    async def _work(self, channel: Channel, jobs: deque[Any]) -> None:
        """Serve requests for a channel one after the other, in the order in which they came."""
        clock, pause, output = self.engine.clock, self.engine.pause, self.output
        try:
            while jobs:
                if output.full and not self.lost:
                    self.parked.append((channel, jobs))
                    return
                frame = jobs[0]
                hooked = _HOOKED.get(frame.__class__)
                started = clock()
                try:
                    if hooked is not None and not self.lost:
                        work = hooked(self, channel, frame)
                        if frame.__class__ in _PUTS:
                            await Noticed(work, partial(self._put_waits, channel, jobs))
                            channel.putting = False
                        else:
                            await work
                    elif not self.lost:
                        _REQUESTS[frame.__class__][0](self, channel, frame)
                except Exception:  # noqa: BLE001 - as in `_serve`
                    channel.putting = channel.putting and frame.__class__ not in _PUTS
                    self._broken(frame)
                if jobs:  # a channel that was cleared has none any more
                    jobs.popleft()
                    self.jobs -= _weight(frame)
                # Behind its end: a request that was answered is none of those that are given up.
                if jobs and pause is not None and clock() - started > LONG:
                    await pause(0)
        except BaseException:  # cancelled: by a server that ends, or by a hook that says so itself
            self._give_up(channel, jobs)
            raise
        channel.settle()
        if self.waiting and not self.lost:
            self.resume()
            self.output.wake()

    def _put_waits(self, channel: Channel, jobs: deque[Any]) -> None:
        """Let everything but puts pass a put that takes its time, as rsrv does: a motor moves for minutes."""
        channel.putting = True
        if not jobs:
            return  # the channel was cleared
        under_way, *behind = jobs
        passing = [frame for frame in behind if frame.__class__ not in _PUTS]
        if not passing:
            return
        jobs.clear()
        jobs.extend([under_way, *(frame for frame in behind if frame.__class__ in _PUTS)])
        self.jobs -= sum(map(_weight, passing))
        for frame in passing:
            if channel.sid in self.channels:
                self._attempt(self._request, frame)

    def _give_up(self, channel: Channel, jobs: deque[Any]) -> None:
        """Answer what nobody is going to do."""
        if jobs is channel.jobs:
            channel.putting = False
        left = list(jobs)
        jobs.clear()
        self.jobs -= sum(map(_weight, left))
        for frame in left if not self.lost else ():
            self._attempt(_REFUSALS.get(frame.__class__, _REQUESTS[frame.__class__][0]), self, channel, frame)

    def reply(self, encoded: Encoded, ioid: int) -> None:
        """Answer READ_NOTIFY."""
        output = self.output
        output.parts += (encoded.reply, _NUMBER(ioid), encoded.rest)
        output.size += encoded.size
        if not output.awake:
            output.awake = True
            output.wake()

    def refuse(self, channel: Channel, frame: Any, status: CAStatus, text: str) -> None:
        """Answer with an ERROR that quotes the request."""
        self._refuse(frame, channel.cid, status, f"{channel.name}: {text}")

    def value_of(self, channel: Channel, data_type: int, count: int) -> tuple[Encoded | None, CAStatus]:
        """Return the present value, or None and why there is none."""
        if data_type > LAST_DBR:
            return None, CAStatus.ECA_BADTYPE
        if not channel.rights & _READ:
            return None, CAStatus.ECA_NORDACCESS
        if not channel.view.allowed(data_type, count):
            return None, CAStatus.ECA_BADCOUNT
        try:
            return channel.view.encoded(data_type, count), CAStatus.ECA_NORMAL
        except (CaprotoValueError, CaprotoTypeError) as error:
            logger.debug("%s cannot be told as DBR type %d: %s", channel.name, data_type, error)
            return None, CAStatus.ECA_GETFAIL

    def failed(self, channel: Channel, data_type: int, count: int, status: CAStatus) -> Encoded:
        """Return what a failed read is answered with: zeros of full size, where that is known and reasonable."""
        if data_type > LAST_DBR or status is CAStatus.ECA_BADCOUNT or not channel.view.allowed(data_type, count):
            return nothing(data_type, _code(status))
        return channel.view.zeros(data_type, count, _code(status))

    def begin(self, channel: Channel, subscription: Subscription) -> None:
        """Send the first update of a subscription, and all others if the client may read."""
        if channel.rights & _READ:
            channel.data.attach(subscription)
            encoded = present(*subscription.key)
            for gate in subscription.gates:
                gate.passes(_VALUE, channel.data._value)
        else:
            encoded = self.failed(channel, subscription.data_type, subscription.data_count, CAStatus.ECA_NORDACCESS)
        self.output.put(subscription, encoded)

    def end(self, channel: Channel, subscription: Subscription) -> None:
        """Cancel a subscription and confirm it (section 3.7)."""
        self.subscriptions -= 1
        channel.data.detach(subscription)
        self.output.discard(subscription)
        front, end = header(_EVENT_CANCEL, 0, subscription.data_type, subscription.data_count, channel.sid)
        self.output.send(front + subscription.number + end)


_VALUE = int(SubscriptionType.DBE_VALUE)
_READ = int(AccessRights.READ)
_HANDLERS = {
    ca.VersionRequest: "_version",
    ca.ClientNameRequest: "_name",
    ca.HostNameRequest: "_name",
    ca.EchoRequest: "_echo",
    ca.ReadSyncRequest: "_echo",
    ca.SearchRequest: "_search",
    ca.EventsOffRequest: "_events_off",
    ca.EventsOnRequest: "_events_on",
    ca.CreateChanRequest: "_create",
    ca.ReadNotifyRequest: "_read_notify",
    ca.ReadRequest: "_request",
    ca.WriteRequest: "_request",
    ca.WriteNotifyRequest: "_request",
    ca.EventAddRequest: "_request",
    ca.EventCancelRequest: "_request",
    ca.ClearChannelRequest: "_request",
}
AtOnce = Callable[[ServerCircuit, Channel, Any], None]
#: How a request is answered at once, and what says that it has to wait for a hook.
_REQUESTS: dict[type, tuple[AtOnce, Callable[[Channel], bool] | None]] = {
    ca.ReadNotifyRequest: (_requests.read_notify, Channel.read_waits),
    ca.ReadRequest: (_requests.read, Channel.read_waits),
    ca.WriteRequest: (_requests.write, Channel.write_waits),
    ca.WriteNotifyRequest: (_requests.write_notify, Channel.write_waits),
    ca.EventAddRequest: (_requests.subscribe, Channel.read_waits),
    ca.EventCancelRequest: (_requests.cancel, None),
    ca.ClearChannelRequest: (ServerCircuit.clear_channel, None),
}
_READS = (ca.ReadNotifyRequest, ca.ReadRequest, ca.EventAddRequest)
_PUTS = (ca.WriteRequest, ca.WriteNotifyRequest)
#: How a request with a hook is refused that was cancelled.
_REFUSALS: dict[type, AtOnce] = {
    ca.ReadNotifyRequest: _requests.refuse_read_notify,
    ca.ReadRequest: _requests.refuse_read,
    ca.WriteRequest: _requests.refuse_write,
    ca.WriteNotifyRequest: _requests.refuse_write_notify,
}
#: The same with hooks.
_HOOKED: dict[type, Callable[[ServerCircuit, Channel, Any], Coroutine[Any, Any, None]]] = {
    ca.ReadNotifyRequest: _requests.hooked_read_notify,
    ca.ReadRequest: _requests.hooked_read,
    ca.WriteRequest: _requests.hooked_write,
    ca.WriteNotifyRequest: _requests.hooked_write_notify,
    ca.EventAddRequest: _requests.hooked_subscribe,
}
