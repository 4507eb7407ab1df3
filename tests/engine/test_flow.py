"""Slow consumers: bounded queues that keep the newest, and EVENTS_OFF/ON (section 9)."""

from __future__ import annotations

from typing import Any

import pytest

from caproto.client import _channel
from tests.engine.world import Client, Pv, Server, Subscriber, World, _list

LIMIT = 64


def slow(limit: int | None = LIMIT, columns: bool = False) -> tuple[World, Server, Client, Subscriber]:
    """A subscription whose owner takes nothing."""
    world = World()
    server, client = world.server("pv", "other"), world.client()
    channel = client.connected("pv")
    client.connected("other")
    subscriber = client.subscribe(channel, limit=limit, columns=columns)
    world.run(0.0)
    subscriber.slow = True
    return world, server, client, subscriber


def post(world: World, server: Server, first: int, last: int) -> None:
    """Write a ramp, each value in a chunk of its own."""
    for value in range(first, last):
        server.put("pv", float(value), value % 4)
        world.settle()


def awake(server: Server) -> None:
    """Much may already be on its way when EVENTS_OFF arrives."""
    server.session.events_off = False


both_forms = pytest.mark.parametrize("columns", [False, True])


@both_forms
def test_a_slow_consumer_holds_the_server_back_until_it_has_caught_up(columns: bool) -> None:
    world, server, client, subscriber = slow(columns=columns)
    post(world, server, 1, 200)
    assert server.session.names()[-1] == "EventsOffRequest"
    assert len(subscriber.monitor.sink) <= LIMIT / 2 + 1
    assert subscriber.monitor.dropped == 0
    subscriber.slow = False
    subscriber.take()
    world.run(1.0)
    assert server.session.names()[-2:] == ["EventsOffRequest", "EventsOnRequest"]
    assert subscriber.seen[-1] == server.pvs["pv"].state
    post(world, server, 200, 210)
    assert subscriber.values[-10:] == [float(value) for value in range(200, 210)]


@both_forms
def test_updates_beyond_the_limit_drop_the_oldest_and_are_counted(columns: bool) -> None:
    world, server, client, subscriber = slow(columns=columns)
    for value in range(1, 1000):
        awake(server)
        server.put("pv", float(value), value % 4)
        world.settle()
    assert len(subscriber.monitor.sink) == LIMIT
    subscriber.take()
    assert subscriber.values == [0.0, *(float(value) for value in range(1000 - LIMIT, 1000))]
    assert subscriber.monitor.dropped == 999 - LIMIT
    assert subscriber.seen[-1] == server.pvs["pv"].state


@both_forms
def test_many_updates_in_one_chunk_are_bounded_too(columns: bool) -> None:
    world, server, client, subscriber = slow(columns=columns)
    for value in range(1, 1000):
        server.put("pv", float(value))
    world.settle()
    assert len(subscriber.monitor.sink) == LIMIT
    subscriber.take()
    assert subscriber.values[-1] == 999.0
    assert len(subscriber.values) + subscriber.monitor.dropped == 1000


@both_forms
def test_newest_only_keeps_one_and_never_holds_the_server_back(columns: bool) -> None:
    world, server, client, subscriber = slow(limit=1, columns=columns)
    post(world, server, 1, 500)
    assert len(subscriber.monitor.sink) == 1
    assert "EventsOffRequest" not in server.session.names()
    subscriber.take()
    assert subscriber.values == [0.0, 499.0]
    assert subscriber.monitor.dropped == 498
    assert subscriber.seen[-1] == server.pvs["pv"].state


@pytest.mark.parametrize("values", [[[1.0], []], [[], [1.0]], [[], [], [2.0], []]])
def test_an_empty_update_is_seen_in_its_place(values: list[list[float]]) -> None:
    world = World()
    server, client = world.server("pv"), world.client()
    subscriber = client.subscribe(client.connected("pv"), data_type=None, data_count=0)
    subscriber.slow = True
    world.settle()
    sink = subscriber.monitor.sink
    assert len(sink.take()) == 1
    for value in values:
        server.put("pv", value)
    world.settle()  # in one chunk
    assert [_list(update.data) for update in sink.take()] == values
    server.put("pv", [])
    client.engine.cancel(subscriber.monitor)
    world.settle()
    assert client.sizes["circuit.event_add_commands"] == client.sizes["circuit._cancelling"] == 0
    assert len(sink) == 0


def test_without_a_limit_memory_is_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_channel, "MOST_BYTES", 100_000)
    world = World()
    server, client = world.server(), world.client()
    server.pvs["pv"] = Pv([0.0] * 1000, count=1000)
    subscriber = client.subscribe(client.connected("pv"), data_count=1000)
    assert subscriber.monitor.keep == 12
    monkeypatch.setattr(_channel, "MOST_BYTES", 1)
    assert client.subscribe(client.connected("pv")).monitor.keep == 4


def test_an_array_of_unknown_length_is_bounded_by_the_longest() -> None:
    world = World()
    server, client = world.server(), world.client()
    server.pvs["pv"] = Pv([0.0] * 10, count=1_000_000)
    subscriber = client.subscribe(client.connected("pv"))
    assert subscriber.monitor.keep == _channel.MOST_BYTES // (8_000_216)


def test_a_slow_subscription_holds_back_no_other() -> None:
    world, server, client, subscriber = slow()
    other = client.subscribe(next(c for c in client.engine.channels.values() if c.name == "other"))
    post(world, server, 1, 200)
    server.put("other", 5.0)
    world.run(1.0)
    assert not server.session.events_off
    assert other.values[-1] == 5.0
    assert (len(subscriber.monitor.sink), subscriber.monitor.dropped > 0) == (LIMIT, True)


def test_a_slow_subscription_that_is_cancelled_lets_the_next_one_go_on() -> None:
    world, server, client, subscriber = slow()
    channel: Any = subscriber.monitor.channel
    post(world, server, 1, 200)
    assert server.session.events_off
    client.engine.cancel(subscriber.monitor)
    other = client.subscribe(channel)
    post(world, server, 5, 6)
    assert not server.session.events_off
    assert other.values[-1] == 5.0


def test_a_slow_subscription_whose_channel_is_closed_lets_the_next_one_go_on() -> None:
    world, server, client, subscriber = slow()
    channel = next(c for c in client.engine.channels.values() if c.name == "other")
    post(world, server, 1, 200)
    assert server.session.events_off
    assert subscriber.monitor.channel is not None
    client.engine.close(subscriber.monitor.channel)
    other = client.subscribe(channel)
    server.put("other", 5.0)
    world.run(1.0)
    assert other.values[-1] == 5.0


@both_forms
def test_a_queue_is_bounded_across_reconnects(columns: bool) -> None:
    world, server, client, subscriber = slow(columns=columns)
    for number in range(20):
        for value in range(20):
            server.put("pv", float(100 * number + value))
        world.settle()
        server.session.pipe.cut()
        world.run(2.0)
    assert len(subscriber.monitor.sink) <= LIMIT
    server.put("pv", 7777.0)
    awake(server)
    world.run(2.0)
    subscriber.slow = False
    subscriber.take()
    world.run(1.0)
    assert subscriber.seen[-1] == server.pvs["pv"].state


def test_a_new_circuit_is_not_held_back() -> None:
    world, server, client, subscriber = slow()
    post(world, server, 1, 200)
    assert server.session.events_off
    subscriber.slow = False
    server.session.pipe.cut()
    subscriber.take()
    world.run(2.0)
    post(world, server, 200, 203)
    assert subscriber.values[-3:] == [200.0, 201.0, 202.0]


def test_the_server_goes_on_when_one_of_two_slow_subscriptions_is_taken() -> None:
    world, server, client, subscriber = slow()
    channel: Any = subscriber.monitor.channel
    second = client.subscribe(channel, limit=LIMIT)
    second.slow = True
    post(world, server, 1, 200)
    assert server.session.events_off
    subscriber.take()
    world.run(1.0)
    assert not server.session.events_off
