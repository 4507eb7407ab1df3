"""How requests for a channel are answered: at once, or after the hooks of the user have run."""

from __future__ import annotations

import logging
import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from .. import _commands as ca
from .._convert import encode_metadata
from .._data.alarm import ACKNOWLEDGING
from .._data.subscription import Subscription
from .._data.view import Encoded
from .._enums import AccessRights, ChannelType
from .._errors import CaprotoError, CaprotoTypeError, CaprotoValueError, Forbidden, SkipWrite
from .._layout import LAST_DBR, LAYOUTS, STRING
from .._status import CAStatus
from ._channel import NOTHING, Channel

if TYPE_CHECKING:
    from ._circuit import ServerCircuit

logger = logging.getLogger("caproto.server")
_NUMBER_SIZE = 4
_SHORT = struct.Struct(">HHHHII").pack
# Plain numbers and a table: arithmetic with enum members costs more than everything else in a write.
_READ, _WRITE = int(AccessRights.READ), int(AccessRights.WRITE)
_TYPES = tuple(ChannelType(number) for number in range(LAST_DBR + 1))
_LARGE_COUNT = 0xFFFF
_NORMAL = CAStatus.ECA_NORMAL
_NORMAL_CODE = _NORMAL.value.code_with_severity
_STS_STRING = int(ChannelType.STS_STRING)
_WRITE_NOTIFY = int(ca.WriteNotifyResponse.ID)


# Reading ------------------------------------------------------------------------------------------------


def read_notify(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """READ_NOTIFY: the value, or zeros and a status (section 3.5)."""
    data_type, count = frame._data_type, frame._data_count
    if channel.cache is NOTHING:
        channel.settle()
    encoded, status = circuit.value_of(channel, data_type, count)
    if encoded is None:
        encoded = circuit.failed(channel, data_type, count, status)
    circuit.reply(encoded, frame._parameter2)


async def hooked_read_notify(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """READ_NOTIFY of a PV with a getter."""
    data_type, count = frame._data_type, frame._data_count
    # Access may have been withdrawn while the request waited.
    if data_type > LAST_DBR or not channel.view.allowed(data_type, count) or not channel.rights & _READ:
        read_notify(circuit, channel, frame)
        return
    encoded, status = await _run_read(circuit, channel, data_type, count)
    if encoded is None:
        encoded = circuit.failed(channel, data_type, count, status)
    if not circuit.lost:
        circuit.reply(encoded, frame._parameter2)


async def _run_read(
    circuit: ServerCircuit, channel: Channel, data_type: int, count: int
) -> tuple[Encoded | None, CAStatus]:
    """Read by way of the hooks of the user; None and why if there is no value."""
    try:
        metadata, values = await channel.data.auth_read(
            circuit.host_name, circuit.client_name, _TYPES[data_type], user_address=circuit.address
        )
        key = channel.view.key
        if key.long_string or key.now or key.stamp is not None:
            return circuit.value_of(channel, data_type, count)
        prefix = encode_metadata(channel.name, data_type, metadata)
        return channel.view.encode(data_type, count, prefix, values), CAStatus.ECA_NORMAL
    except Forbidden:
        return None, CAStatus.ECA_NORDACCESS
    except (CaprotoValueError, CaprotoTypeError) as error:
        logger.debug("%s cannot be told as DBR type %d: %s", channel.name, data_type, error)
    except Exception:  # whatever a hook of the user raises concerns this request only
        logger.exception("reading %s failed", channel.name)
    return None, CAStatus.ECA_GETFAIL


def refuse_read_notify(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """READ_NOTIFY that was cancelled."""
    encoded = circuit.failed(channel, frame._data_type, frame._data_count, CAStatus.ECA_GETFAIL)
    circuit.reply(encoded, frame._parameter2)


def refuse_read(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """READ that was cancelled."""
    circuit.refuse(channel, frame, CAStatus.ECA_GETFAIL, "cannot be read")


def read(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """READ, the obsolete form (section 3.14)."""
    data_type, count = frame._data_type, frame._data_count
    encoded, status = circuit.value_of(channel, data_type, count)
    if encoded is None:
        circuit.refuse(channel, frame, status, "cannot be read")
        return
    metadata, values = channel.view.content(data_type)
    given = list(values[:count])
    given += [b"" if LAYOUTS[data_type].native == STRING else 0] * (count - len(given))
    ioid = frame._parameter2
    circuit.output.send(bytes(ca.ReadResponse(given, data_type, count, channel.cid, ioid, metadata=metadata or None)))


async def hooked_read(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """READ of a PV with a getter."""
    if frame._data_type <= LAST_DBR:
        _, status = await _run_read(circuit, channel, frame._data_type, 0)
        if status is not CAStatus.ECA_NORMAL:
            circuit.refuse(channel, frame, status, "cannot be read")
            return
    if not circuit.lost:
        read(circuit, channel, frame)


# Writing ------------------------------------------------------------------------------------------------


async def _put(circuit: ServerCircuit, channel: Channel, frame: Any) -> CAStatus:
    """Write what a client sent; return how it went (section 3.6)."""
    data_type = frame._data_type
    if frame._limit:
        return CAStatus.ECA_TOLARGE
    if not channel.rights & _WRITE:
        return CAStatus.ECA_NOWTACCESS
    plain = data_type < _STS_STRING or data_type in ACKNOWLEDGING
    if data_type > LAST_DBR or not (plain or isinstance(frame, ca.WriteRequest)):
        return CAStatus.ECA_BADTYPE if data_type > LAST_DBR else CAStatus.ECA_PUTFAIL
    try:
        values = frame.data
    except CaprotoValueError:
        return CAStatus.ECA_BADCOUNT
    try:
        if not (data_type < _STS_STRING and channel.data.put_at_once(values, data_type)):
            await channel.data.auth_write(
                circuit.host_name, circuit.client_name, values, _TYPES[data_type], None, user_address=circuit.address
            )
    except SkipWrite:
        pass
    except Forbidden:
        return CAStatus.ECA_NOWTACCESS
    except (CaprotoError, UnicodeError) as error:
        logger.debug("writing %s failed: %s", channel.name, error)
        return CAStatus.ECA_PUTFAIL
    except Exception:  # whatever a hook of the user raises concerns this request only
        logger.exception("writing %s failed", channel.name)
        return CAStatus.ECA_PUTFAIL
    return _NORMAL


def at_once(coroutine: Coroutine[Any, Any, CAStatus]) -> CAStatus:
    """Run a coroutine that does not wait, and return its result; one that does is a mistake of ours."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        status: CAStatus = stop.value
        return status
    coroutine.close()
    logger.error("a write waits, although `writes_at_once` says that it does not; it was given up")
    return CAStatus.ECA_PUTFAIL


def write(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """WRITE: silent if it succeeds."""
    _written(circuit, channel, frame, at_once(_put(circuit, channel, frame)))


async def hooked_write(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """WRITE of a PV with a putter."""
    _written(circuit, channel, frame, await _put(circuit, channel, frame))


def _written(circuit: ServerCircuit, channel: Channel, frame: Any, status: CAStatus) -> None:
    if status is not CAStatus.ECA_NORMAL and not circuit.lost:
        circuit.refuse(channel, frame, status, "cannot be written")


def write_notify(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """WRITE_NOTIFY: answered with a status."""
    _confirm(circuit, frame, at_once(_put(circuit, channel, frame)))


async def hooked_write_notify(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """WRITE_NOTIFY of a PV with a putter."""
    status = await _put(circuit, channel, frame)
    if channel.sid in circuit.channels:  # it may have been cleared meanwhile
        _confirm(circuit, frame, status)


def refuse_write(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """WRITE that was cancelled."""
    _written(circuit, channel, frame, CAStatus.ECA_PUTFAIL)


def refuse_write_notify(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """WRITE_NOTIFY that was cancelled."""
    _confirm(circuit, frame, CAStatus.ECA_PUTFAIL)


def _confirm(circuit: ServerCircuit, frame: Any, status: CAStatus) -> None:
    if circuit.lost:
        return
    code = _NORMAL_CODE if status is _NORMAL else status.value.code_with_severity
    data_type, count, ioid = frame._data_type, frame._data_count, frame._parameter2
    if count < _LARGE_COUNT:
        circuit.output.send(_SHORT(_WRITE_NOTIFY, 0, data_type, count, code, ioid))
    else:
        circuit.output.send(bytes(ca.WriteNotifyResponse(data_type, count, code, ioid)))


# Subscriptions ------------------------------------------------------------------------------------------


def subscribe(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """EVENT_ADD: the first update at once, whatever the mask says (section 3.7)."""
    payload = bytes(frame._payload[:16])
    mask = int.from_bytes(payload[12:14], "big")
    data_type, count = frame._data_type, frame._data_count
    if data_type > LAST_DBR:
        circuit.refuse(channel, frame, CAStatus.ECA_BADTYPE, f"there is no DBR type {data_type}")
    elif len(payload) < 16 or not 0 < mask < 0x100:
        circuit.refuse(channel, frame, CAStatus.ECA_BADMASK, f"mask {mask} is none of 1..255")
    elif not channel.view.allowed(data_type, count):
        circuit.refuse(channel, frame, CAStatus.ECA_BADCOUNT, f"{count} elements are too many")
    else:
        number = frame._parameter2.to_bytes(_NUMBER_SIZE, "big")
        subscription = Subscription(
            channel.view, data_type, count, mask, circuit.output, number, channel.target.gates()
        )
        channel.add(subscription)
        circuit.subscriptions += 1
        circuit.begin(channel, subscription)


async def hooked_subscribe(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """EVENT_ADD of a PV with a getter, which is asked for the first update."""
    if frame._data_type <= LAST_DBR:
        await _run_read(circuit, channel, frame._data_type, 0)
    if not circuit.lost:
        subscribe(circuit, channel, frame)


def cancel(circuit: ServerCircuit, channel: Channel, frame: Any) -> None:
    """EVENT_CANCEL: confirmed with type and count of the subscription."""
    number = frame._parameter2.to_bytes(_NUMBER_SIZE, "big")
    for subscription in channel.subscriptions:
        if subscription.number == number:
            channel.remove(subscription)
            circuit.end(channel, subscription)
            return
    circuit.refuse(channel, frame, CAStatus.ECA_BADMONID, f"there is no subscription {frame._parameter2}")
