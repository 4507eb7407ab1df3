"""Mistakes of the user in what is asked beside hooks: they cost one request, and others are served."""

from __future__ import annotations

from typing import Any

import pytest

import caproto._commands as ca
from caproto._data import ChannelData, ChannelDouble
from caproto._status import CAStatus
from caproto.server._engine import ServerEngine
from tests.server.talk import Client, Loop, Pause, Slow


class Broken(ChannelDouble):
    def _elements_as(self, native: int, stop: int | None = None) -> Any:
        raise ZeroDivisionError


class Waits(Slow):
    def _elements_as(self, native: int, stop: int | None = None) -> Any:
        if native == 5:
            raise ZeroDivisionError
        return super()._elements_as(native, stop)


def test_a_mistake_in_a_pv_costs_one_request_and_no_circuit(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    pvdb = {"good": ChannelDouble(value=1.5), "broken": Broken(value=1.0)}
    client = Client(ServerEngine(pvdb, port=5555, spawn=loop.spawn))
    good, broken = client.create("good"), client.create("broken", 2)
    for bad in (ca.ReadRequest(6, 1, broken, 1), ca.ReadNotifyRequest(6, 0, broken, 1)):
        refused, answer = client.ask(bad, ca.ReadNotifyRequest(6, 0, good, 2))
        assert refused.status is CAStatus.ECA_INTERNAL.value
        assert answer.status.success
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_a_mistake_behind_a_hook_costs_one_request(loop: Loop) -> None:
    client = Client(ServerEngine({"waits": Waits(value=1.0)}, port=5555, spawn=loop.spawn))
    sid = client.create("waits")
    subscription = ca.EventAddRequest(5, 0, sid, 9, 0, 0, 0, 1)
    assert client.ask(subscription, ca.ReadNotifyRequest(6, 0, sid, 2)) == []
    for _ in range(5):
        loop.step()
    assert [type(answer) for answer in client.answers()] == [ca.ErrorResponse, ca.ReadNotifyResponse]
    assert not loop.coroutines and client.circuit.jobs == 0


def test_a_mistake_of_what_passes_a_put_leaves_the_put_alone(loop: Loop) -> None:
    class Puts(Broken):
        async def verify_value(self, data: Any) -> Any:
            await Pause()
            return data

    puts = Puts(value=1.0)
    client = Client(ServerEngine({"puts": puts}, port=5555, spawn=loop.spawn))
    sid = client.create("puts")
    assert client.ask(ca.WriteNotifyRequest([2.0], 6, 1, sid, 1), ca.ReadNotifyRequest(6, 0, sid, 2)) == []
    loop.step()
    assert [type(answer) for answer in client.answers()] == [ca.ErrorResponse]
    loop.step()
    assert [(answer.ioid, answer.status.success) for answer in client.answers()] == [(1, 1)]
    assert puts.value == 2.0 and client.circuit.jobs == 0


def test_a_mistake_of_what_is_given_up_leaves_the_others_alone(loop: Loop) -> None:
    client = Client(ServerEngine({"waits": Waits(value=1.0)}, port=5555, spawn=loop.spawn))
    sid = client.create("waits")
    subscription = ca.EventAddRequest(5, 0, sid, 9, 0, 0, 0, 1)
    client.send(ca.ReadNotifyRequest(6, 0, sid, 1), subscription, ca.ReadNotifyRequest(6, 0, sid, 2))
    loop.step()
    (work,) = loop.coroutines
    with pytest.raises(KeyboardInterrupt):
        work.throw(KeyboardInterrupt())
    answers = client.answers()
    assert [type(answer) for answer in answers] == [ca.ReadNotifyResponse, ca.ErrorResponse, ca.ReadNotifyResponse]
    assert [answer.status.success for answer in answers] == [0, 0, 0]


def test_a_mistake_of_a_pvdb_of_the_user_is_no_answer(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    class Making(dict[str, ChannelData]):
        def __contains__(self, name: object) -> bool:
            raise ZeroDivisionError

    engine = ServerEngine(Making(), port=5555, spawn=loop.spawn)
    asked = bytes(ca.VersionRequest(0, 13)) + bytes(ca.SearchRequest("any", 3, 13))
    assert engine.datagram(asked, ("127.0.0.1", 1)) == []
    assert "looking for any failed" in caplog.text


def test_a_request_that_was_answered_is_not_given_up(loop: Loop) -> None:
    """Others have their turn behind a hook that blocks; the server may end just then."""
    ticks = iter(range(1000))

    async def pause(seconds: float) -> None:
        await Pause()

    pvdb = {"slow": Slow(value=0.0)}
    engine = ServerEngine(pvdb, port=5555, spawn=loop.spawn, clock=lambda: float(next(ticks)), pause=pause)
    client = Client(engine)
    sid = client.create("slow")
    client.send(*(ca.WriteNotifyRequest([float(ioid)], 6, 1, sid, ioid) for ioid in (1, 2)))
    loop.step()
    loop.step()  # the first one is written, and others have their turn
    (work,) = loop.coroutines
    with pytest.raises(KeyboardInterrupt):
        work.throw(KeyboardInterrupt())
    assert [(answer.ioid, answer.status.success) for answer in client.answers()] == [(1, 1), (2, 0)]
