"""What every client does, told once; each scenario runs over all clients that offer what it needs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

import caproto
import caproto as ca
from tests.flavours.adapters import CONTEXT, PATIENCE, RESPONSES, Adapter
from tests.interop.ioc import Ioc
from tests.interop.mini_server import MiniServer

Scenario = Callable[[Adapter, Any], Awaitable[None]]

#: The scenarios, with what they need, by the server they talk to: the shared IOC, one that they may end, and one that
#: sends much at once.
SHARED, OWN, FLOOD = "ioc", "own_ioc", "flooder"
SCENARIOS: dict[str, dict[str, tuple[Scenario, frozenset[str]]]] = {SHARED: {}, OWN: {}, FLOOD: {}}


def scenario(needs: Iterable[str] = (), *, server: str = SHARED) -> Callable[[Scenario], Scenario]:
    def note(function: Scenario) -> Scenario:
        SCENARIOS[server][function.__name__] = (function, frozenset(needs))  # type: ignore[attr-defined]
        return function

    return note


class Flooder(MiniServer):
    """Sends :data:`BURST` updates, in one segment and a few more, to whoever subscribes, and heeds no EVENTS_OFF."""

    def _on_EventAddRequest(self, circuit: Any, command: Any) -> list[Any]:
        return [
            caproto.EventAddResponse([float(n)], command.data_type, 1, 1, command.subscriptionid) for n in range(BURST)
        ]


BURST = 1000


VALUES = {
    "ioc:ai": [12.5],
    "ioc:longin": [42],
    "ioc:stringin": [b"Hello, CA"],
    "ioc:mbbi": [2],
    "ioc:wf:string": [b"one", b"two", b"", b"four"],
    "ioc:wf:char": [1, 2, 3],
    "ioc:wf:short": [1, 2, 3],
    "ioc:wf:long": [1, 2, 3],
    "ioc:wf:float": [1.5, -2.25, 3.0],
    "ioc:wf:double": [1.5, -2.25, 3.0],
    "ioc:wf:empty": [],
}


@scenario({RESPONSES})
async def reads_every_kind_of_value(client: Adapter, ioc: Ioc) -> None:
    for pv, (name, expected) in zip(await client.connect(*VALUES), VALUES.items(), strict=True):
        assert list((await client.read(pv)).data) == expected, name


@scenario({RESPONSES})
async def reads_with_metadata_and_counts(client: Adapter, ioc: Ioc) -> None:
    ai, array, state = await client.connect("ioc:ai", "ioc:wf:double", "ioc:mbbi")
    assert (await client.read(ai, data_type="control")).metadata.units == b"mm"
    # The time at which the IOC started.
    assert abs((await client.read(ai, data_type="time")).metadata.timestamp - time.time()) < 3600
    assert (await client.read(state, data_type="control")).metadata.enum_strings[2] == b"state 2"
    assert (await client.read(state, data_type=ca.ChannelType.STRING)).data == [b"state 2"]
    assert list((await client.read(array, data_count=2)).data) == [1.5, -2.25]
    assert list((await client.read(ai, notify=False)).data) == [12.5]


@scenario({RESPONSES})
async def writes_with_and_without_notification(client: Adapter, ioc: Ioc) -> None:
    pv, state = await client.connect("ioc:many11", "ioc:bo")
    assert (await client.write(pv, 3.5, notify=True)).status.name == "ECA_NORMAL"
    assert list((await client.read(pv)).data) == [3.5]
    assert await client.write(pv, 11, notify=False) is None
    assert list((await client.read(pv)).data) == [11.0]
    await client.write(state, "On it is")
    assert list((await client.read(state)).data) == [1]


@scenario({CONTEXT, RESPONSES})
async def a_write_without_notification_has_nobody_to_call_back(client: Adapter, ioc: Ioc) -> None:
    (pv,) = await client.connect("ioc:longout")
    with pytest.raises(ca.CaprotoValueError, match="ioc:longout: a write without notification has no answer"):
        await client.write(pv, 11, notify=False, callback=print)


@scenario({RESPONSES})
async def a_refused_write_raises_what_the_server_says(client: Adapter, ioc: Ioc) -> None:
    (pv,) = await client.connect("ioc:readonly")
    with pytest.raises(ca.ErrorResponseReceived, match="ioc:readonly: write refused by .*ECA_NOWTACCESS"):
        await client.write(pv, 1)
    assert list((await client.read(pv)).data) == [7.0]


@scenario({RESPONSES})
async def a_value_that_cannot_be_sent_is_refused_here(client: Adapter, ioc: Ioc) -> None:
    (pv,) = await client.connect("ioc:longin")
    with pytest.raises((ca.CaprotoValueError, ca.CaprotoTypeError), match="ioc:longin"):
        await client.write(pv, object())
    assert list((await client.read(pv)).data) == [42]


@scenario({RESPONSES})
async def time_outs_say_what_was_waited_for(client: Adapter, ioc: Ioc) -> None:
    with pytest.raises(TimeoutError, match=f"no:such:pv: .* 0.2 s.* searching: no server answered .*:{ioc.port}"):
        await client.connect("no:such:pv", timeout=0.2)
    (slow,) = await client.connect("ioc:slow.PROC")
    with pytest.raises(TimeoutError, match=f"ioc:slow.PROC: .* 0.1 s .*the end of a write from 127.0.0.1:{ioc.port}"):
        await client.write(slow, 1, timeout=0.1)


@scenario()
async def updates_come_in_order_to_all_callbacks(client: Adapter, ioc: Ioc) -> None:
    (pv,) = await client.connect("ioc:counter")
    subscription = client.subscribe(pv, data_type="time")
    first: list[float] = []
    second: list[float] = []
    stamps: list[float] = []

    def collect(sub: Any, response: Any) -> None:
        assert sub is subscription
        first.append(response.data[0])
        stamps.append(response.metadata.timestamp)

    subscription.add_callback(collect)
    subscription.add_callback(lambda response: second.append(response.data[0]))
    await client.until(lambda: len(first) >= 4 and len(second) >= 4)
    await client.clear(subscription)
    assert first[:4] == second[:4] == [first[0] + step for step in range(4)]
    assert stamps == sorted(stamps)


@scenario()
async def a_removed_callback_is_called_no_more(client: Adapter, ioc: Ioc) -> None:
    (pv,) = await client.connect("ioc:counter")
    subscription = client.subscribe(pv)
    removed: list[float] = []
    stays: list[float] = []
    token = subscription.add_callback(lambda sub, response: removed.append(response.data[0]))
    subscription.add_callback(lambda sub, response: stays.append(response.data[0]))
    await client.remove(subscription, token)
    await client.remove(subscription, 12345)
    seen = list(removed)
    await client.until(lambda: len(stays) >= 3)
    assert removed == seen
    await client.clear(subscription)


@scenario()
async def a_million_elements_go_both_ways(client: Adapter, ioc: Ioc) -> None:
    (pv,) = await client.connect("ioc:wf:mega")
    values = [float(number) for number in range(1_000_000)]
    await client.write(pv, values, timeout=20)
    data = (await client.read(pv, timeout=20)).data
    assert (len(data), data[0], data[999_999]) == (1_000_000, 0.0, 999_999.0)


@scenario({RESPONSES})
async def a_bad_filter_fails_alone(client: Adapter, ioc: Ioc) -> None:
    (good,) = await client.connect("ioc:longin")
    with pytest.raises(ca.ErrorResponseReceived, match="refused by .*wrong modifier or filter"):
        await client.connect('ioc:counter.{"nonsense":{}}')
    assert list((await client.read(good)).data) == [42]


# With a context


@scenario({CONTEXT})
async def a_late_callback_gets_the_most_recent_update(client: Adapter, ioc: Ioc) -> None:
    (pv,) = await client.connect("ioc:longin")
    subscription = client.subscribe(pv)
    first: list[int] = []
    late: list[int] = []
    subscription.add_callback(lambda sub, response: first.append(response.data[0]))
    await client.until(lambda: first)
    # The record does not change, so the server sends nothing.
    subscription.add_callback(lambda sub, response: late.append(response.data[0]))
    await client.until(lambda: late)
    assert (first, late) == ([42], [42])


@scenario({CONTEXT})
async def a_callback_that_raises_harms_nobody_else(client: Adapter, ioc: Ioc) -> None:
    (pv,) = await client.connect("ioc:counter")
    subscription = client.subscribe(pv)
    seen: list[float] = []
    subscription.add_callback(lambda sub, response: 1 / 0)
    subscription.add_callback(lambda sub, response: seen.append(response.data[0]))
    await client.until(lambda: len(seen) >= 3)
    assert pv.connected


@scenario({CONTEXT})
async def blocks_hold_updates_as_columns(client: Adapter, ioc: Ioc) -> None:
    (pv,) = await client.connect("ioc:counter")
    subscription = client.subscribe(pv, data_type="time")
    values: list[float] = []
    stamps: list[int] = []

    def collect(sub: Any, block: Any) -> None:
        assert len(block.values) == len(block.timestamps) == len(block.severity) == len(block.status) == len(block)
        assert (block.data_type, block.count, block.dropped) == (ca.ChannelType.TIME_DOUBLE, 1, 0)
        values.extend(block.values)
        stamps.extend(block.timestamps)

    subscription.add_block_callback(collect)
    await client.until(lambda: len(values) >= 4)
    assert values == [values[0] + step for step in range(len(values))]
    assert abs(stamps[-1] / 1e9 - time.time()) < 60
    # One by one and as columns at the same time.
    single: list[float] = []
    subscription.add_callback(lambda sub, response: single.append(response.data[0]))
    await client.until(lambda: len(single) >= 3 and values[-1] >= single[2])
    assert set(single[1:3]) <= set(values)


@scenario({CONTEXT})
async def a_slow_consumer_gets_the_newest_value(client: Adapter, ioc: Ioc) -> None:
    (pv,) = await client.connect("ioc:many12")
    subscription = client.subscribe(pv, limit=3)
    seen: list[float] = []
    subscription.add_callback(client.slow(seen, 0.03))
    await client.until(lambda: seen)
    for number in range(100, 201):
        await client.write(pv, number)
    await client.until(lambda: seen[-1] == 200.0)
    assert seen == sorted(seen)
    # Each update came once at most, also where the server was asked to hold back.
    assert len(set(seen)) == len(seen)
    assert len(seen) + subscription.dropped <= 102
    await client.clear(subscription)
    await client.write(pv, 12)


@scenario({CONTEXT}, server=FLOOD)
async def a_slow_consumer_loses_the_oldest_and_knows_how_many(client: Adapter, server: Flooder) -> None:
    (pv,) = await client.connect("mini:double")
    subscription = client.subscribe(pv, limit=5)
    seen: list[float] = []
    subscription.add_callback(client.slow(seen, 0.01))
    await client.until(lambda: seen and seen[-1] == BURST - 1)
    assert seen == sorted(seen)
    assert seen[-5:] == [float(BURST - number) for number in (5, 4, 3, 2, 1)]
    assert len(seen) < BURST
    assert len(seen) + subscription.dropped == BURST


@scenario(server=FLOOD)
async def nothing_is_lost_by_a_consumer_that_keeps_up(client: Adapter, server: Flooder) -> None:
    (pv,) = await client.connect("mini:double")
    seen: list[float] = []
    client.subscribe(pv).add_callback(lambda sub, response: seen.append(response.data[0]))
    await client.until(lambda: len(seen) >= BURST)
    assert seen == [float(number) for number in range(BURST)]


@scenario({CONTEXT})
async def access_rights_are_told_when_they_change(client: Adapter, ioc: Ioc) -> None:
    rights: list[Any] = []
    pv, gate = await client.connect(
        "ioc:dynamic", "ioc:gate", access_rights_callback=lambda pv, now: rights.append((pv.name, now))
    )
    both, read_only = ca.AccessRights.READ | ca.AccessRights.WRITE, ca.AccessRights.READ
    await client.until(lambda: ("ioc:dynamic", both) in rights)
    try:
        await client.write(gate, 0)
        await client.until(lambda: ("ioc:dynamic", read_only) in rights)
        assert pv.access_rights == read_only
    finally:
        await client.write(gate, 1)
    await client.until(lambda: pv.access_rights == both)


@scenario({CONTEXT})
async def a_batch_reads_and_writes_together(client: Adapter, ioc: Ioc) -> None:
    pvs = await client.connect(*(f"ioc:many{number}" for number in range(20, 40)))
    values: dict[int, float] = {}
    done: list[Any] = []

    def fill(batch: Any) -> None:
        for number, pv in enumerate(pvs, 20):
            batch.read(pv, lambda response, number=number: values.__setitem__(number, response.data[0]))
        batch.write(pvs[0], 20, callback=done.append)

    await client.batch(fill)
    await client.until(lambda: len(values) == 20 and done)
    assert values == {number: float(number) for number in range(20, 40)}


@scenario({CONTEXT})
async def reads_and_writes_answer_by_callback(client: Adapter, ioc: Ioc) -> None:
    (pv,) = await client.connect("ioc:many13")
    answers: list[Any] = []
    await client.write(pv, 13, wait=False, callback=answers.append)
    await client.until(lambda: answers)
    await client.read(pv, wait=False, callback=answers.append)
    await client.until(lambda: len(answers) == 2)
    assert list(answers[1].data) == [13.0]


@scenario({CONTEXT})
async def a_pv_that_rests_comes_back_when_used(client: Adapter, ioc: Ioc) -> None:
    (pv,) = await client.connect("ioc:many14")
    outcome = pv.go_idle()
    if outcome is not None:
        await outcome
    assert not pv.connected
    assert list((await client.read(pv)).data) == [14.0]


@scenario({CONTEXT})
async def leaving_closes_everything(client: Adapter, ioc: Ioc) -> None:
    (pv,) = await client.connect("ioc:counter")
    seen: list[float] = []
    client.subscribe(pv).add_callback(lambda sub, response: seen.append(response.data[0]))
    await client.until(lambda: seen)
    sockets = open_sockets()
    assert sockets
    await client.close()
    # Those of the loop itself stay.
    assert not any(peer_of(number) == ioc.address for number in open_sockets())
    threads = set(threading.enumerate()) - client.threads_before
    assert not [thread for thread in threads if thread.name.startswith("caproto")]
    with pytest.raises(ca.CaprotoError, match="closed by disconnect"):
        await client.read(pv)


def open_sockets() -> list[int]:
    """Descriptors of this process that are sockets."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                found.append(int(name))
        except FileNotFoundError:  # that of the listing itself
            continue
    return found


def peer_of(descriptor: int) -> Any:
    import socket

    sock = socket.socket(fileno=os.dup(descriptor))
    try:
        return sock.getpeername()
    except OSError:  # not connected
        return None
    finally:
        sock.close()


@scenario({CONTEXT}, server=OWN)
async def everything_comes_back_when_the_server_does(client: Adapter, ioc: Ioc) -> None:
    states: list[str] = []
    (pv,) = await client.connect("ioc:counter", connection_state_callback=lambda pv, state: states.append(state))
    subscription = client.subscribe(pv)
    seen: list[float] = []
    subscription.add_callback(lambda sub, response: seen.append(response.data[0]))
    for _ in range(2):
        await client.until(lambda: len(seen) >= 2)
        ioc.kill()
        await client.until(lambda: not pv.connected)
        with pytest.raises(ca.CaprotoTimeoutError, match="searching"):
            await client.read(pv, timeout=0.1)
        ioc.start()
        seen.clear()
        began = time.monotonic()
        await client.until(lambda: seen, PATIENCE)
        assert time.monotonic() - began < 2.5
    assert list((await client.read(pv)).data)[0] >= seen[0]
    assert states == ["connected", "disconnected"] * 2 + ["connected"]
    assert pv.connected
