"""Whatever happens: once things settle, what every subscriber saw last is what the server has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from caproto import ChannelType
from tests.engine.world import Client, Pv, Request, Server, Subscriber, World

pytest.importorskip("hypothesis")
from hypothesis import given, note
from hypothesis import strategies as st

ADDRESSES = ("10.0.1.1", 5064), ("10.0.1.1", 6000)
LONGEST = 60.0


class Story:
    """Two incarnations of one server, of which one is up, and every kind of subscription to each of its PVs."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.pvs = {
            "scalar": Pv(0.0),
            "array": Pv([1.0, 2.0, 3.0], count=3),
            "long": Pv(7, ChannelType.LONG),
        }
        self.servers = [Server(self.world, address, self.pvs) for address in ADDRESSES]
        self.servers[1].up = False
        self.client = Client(self.world, max_search_period=LONGEST)
        self.channels = [self.client.open(name) for name in self.pvs]
        self.subscribers: list[Subscriber] = [
            self.client.subscribe(channel, columns=columns, limit=limit)
            for channel in self.channels
            for columns in (False, True)
            for limit in (1, 4, None)
        ]
        self.requests: list[Request] = []

    @property
    def server(self) -> Server:
        return next((server for server in self.servers if server.up), self.servers[0])

    # What may happen

    def write(self, number: int) -> None:
        name = ("scalar", "array", "long")[number % 3]
        value: Any = [float(number)] * (number % 4) if name == "array" else number
        self.server.put(name, value, severity=number % 4)

    def flip(self, number: int) -> None:
        name = ("scalar", "array", "long")[number % 3]
        self.server.put(name, self.pvs[name].value, severity=number // 3 % 4)

    def burst(self, number: int) -> None:
        for value in range(number % 30):
            self.write(3 * value + number % 3)

    def lie_down(self, number: int) -> None:
        self.subscribers[number % len(self.subscribers)].slow = True

    def get_up(self, number: int) -> None:
        subscriber = self.subscribers[number % len(self.subscribers)]
        subscriber.slow = False
        subscriber.take()

    def wait(self, number: int) -> None:
        self.world.run((0.0, 0.0005, 0.01, 0.2, 3.0, 40.0)[number % 6])

    def suspend(self, number: int) -> None:
        self.world.jump((1.0, 40.0, 4000.0)[number % 3])

    def cut(self, number: int) -> None:
        for session in list(self.server.sessions):
            pipe = session.pipe
            pipe.budget = pipe.delivered + number % 200

    def kill(self, number: int) -> None:
        self.server.kill()

    def restart(self, number: int) -> None:
        if not any(server.up for server in self.servers):
            self.servers[number % 2].restart()

    def move(self, number: int) -> None:
        self.kill(number)
        self.restart(number)

    def freeze(self, number: int) -> None:
        self.server.frozen = True

    def thaw(self, number: int) -> None:
        for server in self.servers:
            server.thaw()

    def storm(self, number: int) -> None:
        self.world.loss, self.world.doubling = (0.0, 0.3, 0.9)[number % 3], (0.0, 0.5)[number % 2]
        self.world.delay = (0.0, (0.001, 0.1, 2.0)[number % 3])

    def crumble(self, number: int) -> None:
        self.world.chunk = (1, 5, 24, 100, 65536)[number % 5]

    def beacon(self, number: int) -> None:
        if self.server.up:
            self.server.beacon()

    def resubscribe(self, number: int) -> None:
        subscriber = self.subscribers[number % len(self.subscribers)]
        channel = subscriber.monitor.channel
        assert channel is not None
        self.client.engine.cancel(subscriber.monitor)
        self.client.engine.subscribe(channel, subscriber.monitor)

    def reshape(self, number: int) -> None:
        monitor = self.subscribers[number % len(self.subscribers)].monitor
        self.client.engine.reshape(monitor, columns=not monitor.columns)

    def forbid(self, number: int) -> None:
        for session in self.server.sessions:
            for channel in session.circuit.channels.values():
                self.pvs[channel.name].rights = number % 4  # type: ignore[index]
                session.send(channel.rights(number % 4))  # type: ignore[attr-defined]

    def ask(self, number: int) -> None:
        channel = self.channels[number % 3]
        if channel.connected:
            self.requests.append(self.client.read(channel))

    def tell(self, number: int) -> None:
        channel = self.channels[0]
        if channel.connected:
            notify = number % 2 == 0
            request = self.client.engine.write(channel, [float(number)], ChannelType.DOUBLE, notify=notify)
            if notify:
                self.requests.append(request)

    # The end

    def settle(self) -> None:
        """Let the weather be fine and everybody awake, and wait as long as the slowest rule says."""
        self.storm(0)
        self.thaw(0)
        self.restart(0)
        for pipe in self.client.pipes:
            pipe.budget = None
        for subscriber in self.subscribers:
            subscriber.slow = False
            subscriber.take()
        self.world.run(3 * LONGEST)

    def check(self) -> None:
        for channel in self.channels:
            assert channel.connected, channel.waiting_for()
            assert channel.rights == self.pvs[channel.name].rights
        for subscriber in self.subscribers:
            monitor = subscriber.monitor
            assert monitor.channel is not None
            assert subscriber.seen[-1] == self.pvs[monitor.channel.name].state
            stamps = [stamp for _, stamp, _ in subscriber.seen]
            assert stamps == sorted(stamps), "updates came out of order"
            assert not subscriber.errors
        assert all(request.done for request in self.requests)
        sizes = self.client.sizes
        assert sizes["links"] == 1 and sizes["channels"] == sizes["link.channels"] == sizes["circuit.channels"] == 3
        assert sizes["link.sinks"] == sizes["link.monitors"] == sizes["circuit.event_add_commands"] == 18
        assert sizes["link.requests"] == sizes["circuit._ioids"] == sizes["link.waiting"] == sizes["searched"] == 0


EVENTS: list[Callable[[Story, int], None]] = [
    Story.write, Story.write, Story.flip, Story.burst, Story.lie_down, Story.get_up, Story.wait, Story.wait,
    Story.suspend, Story.cut, Story.kill, Story.restart, Story.restart, Story.move, Story.freeze, Story.thaw,
    Story.storm, Story.crumble, Story.beacon, Story.resubscribe, Story.reshape, Story.forbid, Story.ask, Story.tell,
]  # fmt: skip


@given(
    seed=st.integers(0, 1000),
    script=st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 999)), max_size=40),
)
def test_the_last_value_time_stamp_and_severity_are_the_server_s(
    seed: int, script: list[tuple[Callable[[Story, int], None], int]]
) -> None:
    story = Story(seed)
    story.world.run(1.0)
    for event, number in script:
        note(f"{story.world.now}: {event.__name__}({number})")
        event(story, number)
        story.world.settle()
    story.settle()
    story.check()
