"""Channels: the state of one channel on a circuit, and commands for it with the identifiers filled in.

None of the methods changes any state; that happens when the circuit sends or processes the command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._commands import (
    AccessRightsResponse,
    ClearChannelRequest,
    ClearChannelResponse,
    ClientNameRequest,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    EventAddRequest,
    EventAddResponse,
    EventCancelRequest,
    EventCancelResponse,
    HostNameRequest,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ReadResponse,
    ServerDisconnResponse,
    VersionRequest,
    VersionResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)
from ._constants import STR_ENC
from ._enums import AccessRights, SubscriptionType
from ._errors import CaprotoTypeError, LocalProtocolError
from ._state import ChannelState

if TYPE_CHECKING:
    from ._circuit import VirtualCircuit

_DEFAULT_MASK = SubscriptionType.DBE_VALUE | SubscriptionType.DBE_ALARM | SubscriptionType.DBE_PROPERTY


class _BaseChannel:
    """What both roles know of a channel.

    Attributes
    ----------
    name : str
    circuit : VirtualCircuit
    cid, sid : int or None
    native_data_type, native_data_count : int or None
        Known once the channel is connected; the count is the largest length.
    access_rights : AccessRights or None
    states : dict
        ``{CLIENT: state, SERVER: state}``.
    """

    def __init__(
        self, name: str, circuit: VirtualCircuit, cid: int | None = None, string_encoding: str = STR_ENC
    ) -> None:
        if not isinstance(name, (str, bytes)):
            raise CaprotoTypeError(
                f"{type(self).__name__}(name, circuit): the name comes first, then the circuit; got {name!r}"
            )
        self.name = name
        self.circuit = circuit
        self.cid = circuit.new_channel_id() if cid is None else cid
        self.sid: int | None = None
        self.native_data_type: Any = None
        self.native_data_count: int | None = None
        self.access_rights: AccessRights | None = None
        self.string_encoding = string_encoding
        self.states = ChannelState()
        circuit.channels[self.cid] = self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name!r} cid={self.cid} sid={self.sid} states={self.states}>"

    @property
    def protocol_version(self) -> int:
        return self.circuit.protocol_version

    @property
    def subscriptions(self) -> dict[int, EventAddRequest]:
        """The live subscriptions of this channel, by subscription id."""
        requests = self.circuit.event_add_commands.items()
        return {subscriptionid: request for subscriptionid, request in requests if request.sid == self.sid}

    def _native(self, data_type: int | None, data_count: int | None) -> tuple[int, int]:
        if data_type is None:
            data_type = self.native_data_type
        if data_count is None:
            data_count = self.native_data_count
        if data_type is None or data_count is None:
            raise LocalProtocolError(
                f"channel {self.name!r} is not connected, so its native type and count are not known: "
                f"give data_type and data_count; its states are {self.states}"
            )
        return data_type, data_count

    def _sid(self) -> int:
        if self.sid is None:
            raise LocalProtocolError(f"channel {self.name!r} has no SID: its states are {self.states}")
        return self.sid


class ClientChannel(_BaseChannel):
    """A channel as its client sees it.

    Parameters
    ----------
    name : str
    circuit : VirtualCircuit
    cid : int, optional
        Generated if not given.
    """

    def version(self) -> VersionRequest:
        return VersionRequest(self.circuit.priority or 0, self.circuit.our_version)

    def host_name(self, host_name: str) -> HostNameRequest:
        return HostNameRequest(host_name)

    def client_name(self, client_name: str) -> ClientNameRequest:
        return ClientNameRequest(client_name)

    def create(self) -> CreateChanRequest:
        return CreateChanRequest(self.name, self.cid, self.circuit.our_version)

    def clear(self) -> ClearChannelRequest:
        return ClearChannelRequest(self._sid(), self.cid)

    def read(
        self,
        data_type: int | None = None,
        data_count: int | None = None,
        ioid: int | None = None,
        notify: bool = True,
    ) -> ReadNotifyRequest | ReadRequest:
        """A read; native type and count by default."""
        data_type, data_count = self._native(data_type, data_count)
        if ioid is None:
            ioid = self.circuit.new_ioid()
        return (ReadNotifyRequest if notify else ReadRequest)(data_type, data_count, self._sid(), ioid)

    def write(
        self,
        data: Any,
        data_type: int | None = None,
        data_count: int | None = None,
        metadata: Any = None,
        ioid: int | None = None,
        notify: bool = False,
    ) -> WriteNotifyRequest | WriteRequest:
        """A write; the native type and the length of `data` by default."""
        data_type, _ = self._native(data_type, 0)
        if ioid is None:
            ioid = self.circuit.new_ioid()
        cls = WriteNotifyRequest if notify else WriteRequest
        return cls(data, data_type, data_count, self._sid(), ioid, metadata=metadata)

    def subscribe(
        self,
        data_type: int | None = None,
        data_count: int | None = None,
        subscriptionid: int | None = None,
        low: float = 0.0,
        high: float = 0.0,
        to: float = 0.0,
        mask: int | None = None,
    ) -> EventAddRequest:
        """A subscription to value, alarm and property changes unless `mask` says otherwise."""
        data_type, data_count = self._native(data_type, data_count)
        if subscriptionid is None:
            subscriptionid = self.circuit.new_subscriptionid()
        mask = int(_DEFAULT_MASK if mask is None else mask)
        return EventAddRequest(data_type, data_count, self._sid(), subscriptionid, low, high, to, mask)

    def unsubscribe(self, subscriptionid: int) -> EventCancelRequest:
        """The end of a subscription of this channel."""
        request = self.circuit.event_add_commands.get(subscriptionid)
        if request is None or request.sid != self.sid:
            raise LocalProtocolError(f"channel {self.name!r} has no subscription {subscriptionid}")
        return EventCancelRequest(request.data_type, self._sid(), subscriptionid, request.data_count)


class ServerChannel(_BaseChannel):
    """A channel as its server sees it; parameters as for :class:`ClientChannel`."""

    def version(self) -> VersionResponse:
        return VersionResponse(self.circuit.our_version)

    def create(self, native_data_type: int, native_data_count: int, sid: int) -> CreateChanResponse:
        return CreateChanResponse(native_data_type, native_data_count, self.cid, sid)

    def create_fail(self) -> CreateChFailResponse:
        return CreateChFailResponse(self.cid)

    def rights(self, access_rights: int) -> AccessRightsResponse:
        """What the client may do; sent before :meth:`create` and whenever it changes."""
        return AccessRightsResponse(self.cid, access_rights)

    def clear(self) -> ClearChannelResponse:
        return ClearChannelResponse(self._sid(), self.cid)

    def disconnect(self) -> ServerDisconnResponse:
        return ServerDisconnResponse(self.cid)

    def read(
        self,
        data: Any,
        ioid: int,
        data_type: int | None = None,
        data_count: int | None = None,
        status: Any = 1,
        *,
        metadata: Any = None,
        notify: bool = True,
    ) -> ReadNotifyResponse | ReadResponse:
        """The answer to a read; `data_count` is the length of `data` by default."""
        data_type, _ = self._native(data_type, 0)
        if notify:
            return ReadNotifyResponse(data, data_type, data_count, status, ioid, metadata=metadata)
        return ReadResponse(data, data_type, data_count, self.cid, ioid, metadata=metadata)

    def write(
        self, ioid: int, data_type: int | None = None, data_count: int | None = None, status: Any = 1
    ) -> WriteNotifyResponse:
        data_type, data_count = self._native(data_type, data_count)
        return WriteNotifyResponse(data_type, data_count, status, ioid)

    def subscribe(
        self,
        data: Any,
        subscriptionid: int,
        data_type: int | None = None,
        data_count: int | None = None,
        status: Any = 1,
        metadata: Any = None,
    ) -> EventAddResponse:
        """An update."""
        data_type, _ = self._native(data_type, 0)
        return EventAddResponse(data, data_type, data_count, status, subscriptionid, metadata=metadata)

    def unsubscribe(
        self, subscriptionid: int, data_type: int | None = None, data_count: int | None = None
    ) -> EventCancelResponse:
        """The confirmation of a cancel, with type and count of the subscription."""
        request = self.circuit.event_add_commands.get(subscriptionid)
        if request is not None:
            data_type = request.data_type if data_type is None else data_type
            data_count = request.data_count if data_count is None else data_count
        data_type, data_count = self._native(data_type, data_count)
        return EventCancelResponse(data_type, self._sid(), subscriptionid, data_count)
