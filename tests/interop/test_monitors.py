"""Subscriptions to a real IOC: masks, types, cancel races, high rates, filters, and an IOC that goes away."""

from __future__ import annotations

import time
from typing import Any

import pytest

import caproto
from tests import dbr_table, view
from tests.interop.ioc import Ioc
from tests.interop.talk import Talk

pytestmark = pytest.mark.interop

VALUE, LOG, ALARM, PROPERTY = 1, 2, 4, 8


def update(talk: Talk, timeout: float = 5.0) -> Any:
    return talk.next("EventAddResponse", timeout=timeout)


@pytest.mark.parametrize("data_type", dbr_table.READABLE, ids=lambda number: dbr_table.TYPES[number][0])
def test_first_update_comes_at_once_in_every_type(talk: Talk, data_type: int) -> None:
    channel = talk.channel("ioc:ai")
    subscription = talk.subscribe(channel, data_type=data_type, data_count=0, mask=VALUE)
    first = update(talk)
    assert (first.subscriptionid, int(first.data_type)) == (subscription, data_type)
    want = {4: [12], 3: [12], 5: [12], 1: [12], 0: ["12.500"]}.get(dbr_table.native(data_type), [12.5])
    assert view.values(first) == (["ai"] if data_type == 38 else want)


@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_arrays_in_every_count(talk: Talk, count: int) -> None:
    talk.subscribe(talk.channel("ioc:wf:float"), data_type=16, data_count=count, mask=VALUE)
    first = update(talk)
    want = [1.5, -2.25, 3.0, 0.0, 0.0]
    assert view.values(first) == want[: count or 3]


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (VALUE, [1.0, 10.0, 60.0, 61.0]),
        (LOG, [10.0, 60.0]),
        (ALARM, [60.0]),
        (VALUE | ALARM, [1.0, 10.0, 60.0, 61.0]),
        (PROPERTY, []),
    ],
)
def test_masks(talk: Talk, mask: int, expected: list[float]) -> None:
    """MDEL 0, ADEL 5, HIGH 50: small steps fire VALUE only, large ones LOG too, crossing HIGH fires ALARM."""
    channel = talk.channel("ioc:masks")
    assert talk.write(channel, [0.0]).status.success
    talk.subscribe(channel, data_type=20, mask=mask)
    assert view.values(update(talk)) == [0.0]
    seen = []
    for value in (1.0, 10.0, 60.0, 61.0):
        talk.send(channel.write([value], notify=True))
        talk.next("WriteNotifyResponse")
        settled = talk.read(channel)
        assert settled.data[0] == value
    talk.quiet("EventAddResponse", 0.1)
    start = next(n for n, command in enumerate(talk.seen) if type(command).__name__ == "EventAddResponse")
    seen = [c.data[0] for c in talk.seen[start + 1 :] if type(c).__name__ == "EventAddResponse"]
    assert seen == expected


def test_property_mask_fires_for_metadata(talk: Talk) -> None:
    talk.subscribe(talk.channel("ioc:ao"), data_type=34, mask=PROPERTY)
    assert view.text(update(talk).metadata.units) == "mm"
    units = talk.channel("ioc:ao.EGU")
    try:
        assert talk.write(units, [b"km"]).status.success
        # The update usually precedes the answer to the write, but nothing guarantees that.
        deadline = time.monotonic() + 5
        while view.text([c for c in talk.seen if type(c).__name__ == "EventAddResponse"][-1].metadata.units) != "km":
            assert time.monotonic() < deadline
            talk.pump()
    finally:
        talk.write(units, [b"mm"])


def test_ten_hertz_counter_loses_nothing(talk: Talk) -> None:
    talk.subscribe(talk.channel("ioc:counter"), data_type=20, mask=VALUE)
    got = [update(talk) for _ in range(8)]
    numbers = [int(command.data[0]) for command in got]
    assert numbers == list(range(numbers[0], numbers[0] + 8))
    stamps = [command.metadata.timestamp for command in got]
    assert stamps == sorted(stamps)
    assert abs(stamps[-1] - time.time()) < 60


def test_a_million_doubles_at_their_full_rate(talk: Talk) -> None:
    numpy = pytest.importorskip("numpy")
    source = talk.channel("ioc:wf:mega")
    values = numpy.arange(1_000_000, dtype=float)
    assert talk.write(source, values).status.success
    talk.subscribe(talk.channel("ioc:wf:mega10hz"), data_type=20, data_count=0, mask=VALUE)
    got = [update(talk) for _ in range(10)][3:]
    assert {len(command.data) for command in got} == {1_000_000}
    assert all(numpy.array_equal(command.data, values) for command in got)
    stamps = [command.metadata.timestamp for command in got]
    gaps = [later - earlier for earlier, later in zip(stamps, stamps[1:], strict=False)]
    assert max(gaps) < 0.19, gaps


def test_socket_writes_straight_into_circuit_memory(talk: Talk) -> None:
    """``get_buffer`` and ``buffer_updated`` give the same updates as ``recv``."""
    numpy = pytest.importorskip("numpy")
    values = numpy.arange(1_000_000, dtype=float)
    assert talk.write(talk.channel("ioc:wf:mega"), values).status.success
    talk.subscribe(talk.channel("ioc:wf:mega10hz"), data_type=20, data_count=0, mask=VALUE)
    got: list[Any] = []
    while len(got) < 5:
        size = talk.sock.recv_into(talk.circuit.get_buffer())
        assert size
        for command in talk.circuit.buffer_updated(size):
            talk.circuit.process_command(command)
            got.append(command)
    for command in got[2:]:
        assert numpy.array_equal(command.data, values)
        assert command.data.dtype.isnative
        assert command.data.flags.aligned
        assert command.data.flags.writeable


def test_empty_update_is_an_update_and_the_cancel_confirmation_is_not(talk: Talk) -> None:
    channel = talk.channel("ioc:wf:empty")
    subscription = talk.subscribe(channel, data_type=6, data_count=0, mask=VALUE)
    first = update(talk)
    assert (first.subscriptionid, list(first.data), first.status.name) == (subscription, [], "ECA_NORMAL")
    assert subscription in talk.circuit.event_add_commands
    end = talk.cancel(channel, subscription)
    assert (end.subscriptionid, end.header.payload_size) == (subscription, 0)
    assert subscription not in talk.circuit.event_add_commands


def test_updates_in_flight_while_cancelling(talk: Talk) -> None:
    """Cancel right behind the subscription, many times: one confirmation each, and the circuit lives."""
    channel = talk.channel("ioc:counter")
    for _ in range(50):
        request = channel.subscribe(data_type=20, mask=VALUE)
        talk.send(request)
        talk.send(channel.unsubscribe(request.subscriptionid))
    while len(talk.cancelled) < 50:
        assert talk.pump()
    assert len({command.subscriptionid for command in talk.cancelled}) == 50
    talk.quiet("EventAddResponse", 0.1)
    assert talk.quiet("EventAddResponse", 0.3) == []
    assert talk.read(channel).status.success


def test_clear_with_a_live_subscription(talk: Talk) -> None:
    channel = talk.channel("ioc:counter")
    talk.subscribe(channel, data_type=20, mask=VALUE)
    update(talk)
    talk.send(channel.clear())
    talk.next("ClearChannelResponse")
    assert talk.read(talk.channel("ioc:ai")).status.success
    assert channel.cid not in talk.circuit.channels


def test_events_off_holds_and_events_on_delivers_the_newest(talk: Talk) -> None:
    channel = talk.channel("ioc:dbnd")
    talk.write(channel, [0.0])
    talk.subscribe(channel, data_type=6, mask=VALUE)
    update(talk)
    talk.send(caproto.EventsOffRequest())
    for value in range(1, 6):
        talk.write(channel, [float(value)])
    assert talk.quiet("EventAddResponse", 0.2) == []
    talk.send(caproto.EventsOnRequest())
    assert view.values(update(talk)) == [5.0]


FILTERS: list[tuple[str, list[float]]] = [
    ('{"dbnd":{"abs":1.5}}', [0.0, 2.0, 4.0]),
    ('{"dbnd":{"d":1.5,"m":"abs"}}', [0.0, 2.0, 4.0]),
    ('{"dec":{"n":2}}', [0.0, 2.0, 4.0]),
]


@pytest.mark.parametrize(("text", "expected"), FILTERS)
def test_filters_thin_the_updates(talk: Talk, text: str, expected: list[float]) -> None:
    plain = talk.channel("ioc:dbnd")
    talk.write(plain, [0.0])
    filtered = talk.channel(f"ioc:dbnd.{text}")
    subscription = talk.subscribe(filtered, data_type=6, mask=VALUE)
    update(talk)
    for value in (1.0, 2.0, 3.0, 4.0):
        talk.write(plain, [value])
    talk.quiet("EventAddResponse", 0.1)
    mine = [c for c in talk.seen if getattr(c, "subscriptionid", None) == subscription]
    assert [c.data[0] for c in mine] == expected


@pytest.mark.parametrize(
    ("suffix", "want"),
    [
        (".[0:1]", [1.5, -2.25]),
        (".[1]", [-2.25]),
        (".[-2:]", [-2.25, 3.0]),
        (".[0:2:2]", [1.5, 3.0]),
        ('.{"arr":{"s":1}}', [-2.25, 3.0]),
        ('.{"arr":{"s":0,"i":2,"e":-1}}', [1.5, 3.0]),
    ],
)
def test_array_filters(talk: Talk, suffix: str, want: list[float]) -> None:
    assert view.values(talk.read(talk.channel(f"ioc:wf:float{suffix}"), None, 0)) == want


def test_time_stamp_filter(talk: Talk) -> None:
    response = talk.read(talk.channel('ioc:ai.{"ts":{}}'), 20, 0)
    assert view.values(response) == [12.5]
    channel = talk.channel('ioc:ai.{"ts":{"num":"ts"}}')
    assert (channel.native_data_type, channel.native_data_count) == (6, 2)


def test_filter_that_does_not_exist_fails_its_own_channel(talk: Talk) -> None:
    with pytest.raises(LookupError):
        talk.channel('ioc:ai.{"nosuchfilter":{}}')
    assert talk.read(talk.channel("ioc:ai")).status.success


def test_bad_mask_closes_after_the_error_is_read(talk: Talk) -> None:
    channel = talk.channel("ioc:ai")
    request = channel.subscribe(data_type=6, mask=VALUE)
    wire = bytearray(bytes(request))
    wire[28:30] = b"\1\1"
    talk.circuit.send(request)
    talk.sock.sendall(wire)
    error = talk.next("ErrorResponse")
    assert error.status.name == "ECA_ALLOCMEM"


def test_many_channels_on_one_circuit(talk: Talk) -> None:
    channels = [caproto.ClientChannel(f"ioc:many{number:02d}", talk.circuit) for number in range(40)]
    talk.send(*(channel.create() for channel in channels))
    for _ in channels:
        talk.next("CreateChanResponse")
    talk.send(*(channel.read(data_type=20) for channel in channels))
    assert sorted(talk.next("ReadNotifyResponse").data[0] for _ in channels) == list(range(40))


def test_killed_and_restarted(own_ioc: Ioc) -> None:
    with Talk(own_ioc.address) as talk:
        channel = talk.channel("ioc:counter")
        talk.subscribe(channel, data_type=20, mask=VALUE)
        update(talk)
        own_ioc.kill()
        deadline = time.monotonic() + 5
        try:
            while talk.pump():
                assert time.monotonic() < deadline
        except ConnectionError:
            talk.circuit.disconnect()
        assert repr(talk.circuit.states[caproto.CLIENT]) == "DISCONNECTED"
        with pytest.raises(caproto.LocalProtocolError):
            talk.circuit.send(channel.read())
    own_ioc.start()
    with Talk(own_ioc.address) as talk:
        channel = talk.channel("ioc:counter")
        talk.subscribe(channel, data_type=20, mask=VALUE)
        assert len(update(talk).data) == 1


def test_killed_in_the_middle_of_a_large_message(own_ioc: Ioc) -> None:
    numpy = pytest.importorskip("numpy")
    with Talk(own_ioc.address) as talk:
        assert talk.write(talk.channel("ioc:wf:mega"), numpy.arange(1e6)).status.success
        talk.subscribe(talk.channel("ioc:wf:mega10hz"), data_type=20, data_count=0, mask=VALUE)
        talk.circuit.recv(talk.sock.recv(100_000))
        own_ioc.kill()
        try:
            while talk.pump():
                pass
        except ConnectionError:
            talk.circuit.disconnect()
        assert repr(talk.circuit.states[caproto.CLIENT]) == "DISCONNECTED"
