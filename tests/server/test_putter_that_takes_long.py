"""A putter that takes long, as a motor moves, holds up other puts to its PV and nothing else, as in EPICS Base."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import caproto._commands as ca
from caproto._data import ChannelData, ChannelDouble
from caproto.server._engine import ServerEngine
from tests.server.talk import Client, Loop, Pause


class Slow(ChannelDouble):
    cancelled = False

    async def verify_value(self, data: Any) -> Any:
        if self.cancelled:
            self.cancelled = False
            raise asyncio.CancelledError
        for _ in range(1000):
            await Pause()
        return data


@pytest.fixture
def pvdb() -> dict[str, ChannelData]:
    return {"slow": Slow(value=1.0)}


@pytest.fixture
def client(pvdb: dict[str, ChannelData], loop: Loop) -> Client:
    return Client(ServerEngine(pvdb, port=5555, spawn=loop.spawn))


def step(loop: Loop) -> None:
    for _ in range(20):
        loop.step()


def test_reads_and_subscriptions_pass_a_putter_that_waits(client: Client, loop: Loop) -> None:
    sid = client.create("slow", 1)
    client.send(
        ca.WriteNotifyRequest((5.0,), 6, 1, sid, 1),
        ca.ReadNotifyRequest(6, 1, sid, 2),
        ca.WriteNotifyRequest((6.0,), 6, 1, sid, 3),
        ca.EventAddRequest(6, 1, sid, 4, 0, 0, 0, 1),
    )
    step(loop)
    client.send(ca.ReadNotifyRequest(6, 1, sid, 5), ca.EventCancelRequest(6, sid, 4))
    read, update, again, cancelled = client.answers()
    assert (read.ioid, read.data[0], update.data[0]) == (2, 1.0, 1.0)
    assert again.ioid == 5 and cancelled.data_count == 1
    assert client.circuit.jobs == 2
    for _ in range(2000):
        loop.step()
    assert [(answer.ioid, answer.status.name) for answer in client.answers()] == [(1, "ECA_NORMAL"), (3, "ECA_NORMAL")]
    assert client.circuit.jobs == 0 and client.ask(ca.ReadNotifyRequest(6, 1, sid, 6))[0].data[0] == 6.0


def test_a_channel_is_cleared_while_its_putter_waits(client: Client, loop: Loop) -> None:
    sid = client.create("slow", 1)
    client.send(ca.WriteNotifyRequest((5.0,), 6, 1, sid, 1), ca.WriteNotifyRequest((6.0,), 6, 1, sid, 2))
    step(loop)
    assert client.ask(ca.ClearChannelRequest(sid, 1)) == [ca.ClearChannelResponse(sid, 1)]
    for _ in range(2000):
        loop.step()
    assert client.answers() == [] and client.circuit.jobs == 0


def test_a_putter_that_is_cancelled_fails_its_own_request(client: Client, loop: Loop, pvdb: Any) -> None:
    pvdb["slow"].cancelled = True
    sid = client.create("slow", 1)
    client.send(ca.WriteNotifyRequest((5.0,), 6, 1, sid, 1), ca.ReadNotifyRequest(6, 1, sid, 2))
    with pytest.raises(asyncio.CancelledError):
        loop.step()
    loop.coroutines.clear()  # what a loop does with a task that raises it
    assert [answer.ioid for answer in client.answers()] == [1, 2]
    assert client.ask(ca.ReadNotifyRequest(6, 1, sid, 3))[0].data[0] == 1.0
