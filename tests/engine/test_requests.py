"""Requests and subscriptions: errors reach whoever asked, time-outs, races between cancel and update, identifiers."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import caproto as ca
from caproto import CaprotoError, CaprotoNetworkError, CaprotoTimeoutError, ErrorResponseReceived
from caproto._ids import ThreadsafeCounter
from caproto.client import Channel, Request
from caproto.client._engine import REMEMBERED_WRITES
from tests.engine.world import Client, Pv, Server, World


def up(**pvs: Pv) -> tuple[World, Server, Client, Channel]:
    """A client connected to all PVs, and the channel of the first; ``pv`` if none is given."""
    world = World()
    server, client = world.server(), world.client()
    server.pvs = pvs or {"pv": Pv()}
    channels = [client.open(name) for name in server.pvs]
    world.run(1.0)
    assert all(channel.connected for channel in channels)
    return world, server, client, channels[0]


def ask(client: Client, channel: Channel, command: type) -> Request:
    if command is ca.ReadNotifyRequest:
        return client.read(channel)
    return client.engine.write(channel, [5.0], 6, notify=command is ca.WriteNotifyRequest)


class TestErrors:
    @pytest.mark.parametrize("command", [ca.ReadNotifyRequest, ca.WriteNotifyRequest, ca.WriteRequest])
    def test_an_error_ends_its_own_request_at_once_with_the_server_s_text(self, command: type) -> None:
        world, server, client, channel = up(pv=Pv(), other=Pv())
        server.pvs["pv"].denied[command] = "ECA_NOWTACCESS", "not you"
        other = client.read(list(client.engine.channels.values())[1])
        request = ask(client, channel, command)
        world.run(0.0)
        with pytest.raises(ErrorResponseReceived, match=r'pv: .* refused by 10\.0\.1\.1:5064: .*"not you"'):
            request.result()
        assert other.response is not None
        server.pvs["pv"].denied.clear()
        again = ask(client, channel, ca.ReadNotifyRequest)
        world.run(0.0)
        assert again.response is not None
        assert client.sizes["link.requests"] == client.sizes["circuit._ioids"] == 0

    def test_too_large_says_which_variable_to_change_and_where(self) -> None:
        world, server, client, channel = up()
        server.pvs["pv"].denied[ca.ReadNotifyRequest] = "ECA_TOLARGE", "pv"
        request = client.read(channel)
        world.run(0.0)
        with pytest.raises(ErrorResponseReceived, match="EPICS_CA_MAX_ARRAY_BYTES.*of the server"):
            request.result()

    def test_an_answer_above_our_own_limit_fails_its_request_and_leaves_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EPICS_CA_AUTO_ARRAY_BYTES", "NO")
        monkeypatch.setenv("EPICS_CA_MAX_ARRAY_BYTES", "16384")
        world, server, client, channel = up(pv=Pv(value=[0.0] * 5000, count=5000))
        for _ in range(3):
            request = client.read(channel)
            world.run(0.0)
            with pytest.raises(CaprotoError, match="40016 bytes is above the limit of 16384"):
                request.result()
        assert channel.connected and client.connects == 1
        assert client.sizes["link.requests"] == client.sizes["circuit._ioids"] == 0

    def test_a_status_in_the_answer_fails_the_request(self) -> None:
        world, server, client, channel = up()
        server.deaf = True
        requests = client.read(channel), client.engine.write(channel, [1.0], 6, notify=True)
        world.run(0.0)
        bad = ca.CAStatus.ECA_GETFAIL
        server.session.send(ca.WriteNotifyResponse(6, 1, ca.CAStatus.ECA_PUTFAIL, ioid(requests[1])))
        server.session.send(ca.ReadNotifyResponse([0.0], 20, 1, bad, ioid(requests[0]), metadata=(0, 0, 0, 0)))
        world.run(0.0)
        with pytest.raises(ErrorResponseReceived, match="ECA_GETFAIL"):
            requests[0].result()
        with pytest.raises(ErrorResponseReceived, match="ECA_PUTFAIL"):
            requests[1].result()

    def test_an_error_about_something_else_ends_no_request_with_the_same_number(self) -> None:
        world, server, client, channel = up()
        server.deaf = True
        requests = [client.read(channel) for _ in range(20)]
        world.run(0.0)
        for command in (
            ca.CreateChanRequest("pv", 77, ioid(requests[13])),
            ca.EventCancelRequest(6, 100, ioid(requests[5])),
            ca.ClearChannelRequest(999, ioid(requests[6])),
            ca.EventsOffRequest(),
            ca.EchoRequest(),
        ):
            error = ca.ErrorResponse(command, 0xFFFFFFFF, ca.CAStatus.ECA_INTERNAL, "about nothing")
            server.session.pipe.to_client += bytes(error)
        world.run(0.0)
        assert not any(request.done for request in requests)
        assert channel.connected

    def test_a_plain_write_can_be_told_of_its_failure_later(self) -> None:
        world, server, client, channel = up()
        server.pvs["pv"].denied[ca.WriteRequest] = "ECA_PUTFAIL", "no"
        server.frozen = True
        request = client.engine.write(channel, [1.0], 6, notify=False)
        barrier = client.engine.barrier(channel, world.now)
        world.run(3.0)
        assert not request.done
        server.thaw()
        world.run(0.0)
        assert barrier.response is not None and isinstance(request.error, ErrorResponseReceived)

    def test_plain_writes_leave_no_more_than_a_few_behind_and_never_their_data(self) -> None:
        world, _, client, channel = up()
        for value in range(3 * REMEMBERED_WRITES):
            client.engine.write(channel, [float(value)], 6, notify=False)
        world.run(0.0)
        assert channel.link is not None
        assert len(channel.link.writes) == REMEMBERED_WRITES
        assert all(request.command is None for request in channel.link.writes.values())

    def test_a_refused_subscription_is_told_to_its_owner_alone_and_tried_again_after_a_reconnect(self) -> None:
        world, server, client, channel = up(pv=Pv(), other=Pv())
        server.pvs["pv"].denied[ca.EventAddRequest] = "ECA_ADDFAIL", "too many"
        refused = client.subscribe(channel)
        other = client.subscribe(list(client.engine.channels.values())[1])
        world.run(0.0)
        assert len(refused.errors) == 1 and '"too many"' in refused.errors[0] and "pv" in refused.errors[0]
        assert other.seen and not other.errors
        assert client.sizes["link.sinks"] == 1
        server.pvs["pv"].denied.clear()
        server.session.pipe.cut()
        world.run(2.0)
        assert refused.seen and len(refused.errors) == 1

    def test_a_subscription_that_cannot_be_composed_is_told_to_its_owner(self) -> None:
        world, server, client, channel = up()
        wrong = client.subscribe(channel, data_type="nonsense")
        count = client.subscribe(channel, data_count=2**40)
        fine = client.subscribe(channel)
        world.run(0.0)
        assert "nonsense" in wrong.errors[0] and count.errors
        assert fine.seen and channel.connected
        client.engine.cancel(wrong.monitor)
        assert len(channel.monitors) == 2

    def test_a_status_instead_of_an_update_is_told_and_updates_go_on(self) -> None:
        world, server, client, channel = up()
        subscriber = client.subscribe(channel)
        world.run(0.0)
        (number,) = server.session.subscriptions
        update = ca.EventAddResponse([1.0], 20, 1, ca.CAStatus.ECA_NORDACCESS, number, metadata=(0, 0, 1, 0))
        server.session.send(update)
        server.put("pv", 8.0)
        world.run(0.0)
        assert "ECA_NORDACCESS" in subscriber.errors[0]
        assert subscriber.values == [0.0, 8.0]

    @pytest.mark.parametrize("columns", [False, True])
    def test_updates_that_are_wrong_fail_their_own_subscription(self, columns: bool) -> None:
        world, server, client, channel = up(pv=Pv(), other=Pv())
        subscriber = client.subscribe(channel, columns=columns)
        other = client.subscribe(list(client.engine.channels.values())[1], columns=columns)
        world.run(0.0)
        number = min(server.session.subscriptions)
        wrong_type = bytes(ca.EventAddResponse([1, 2], ca.ChannelType.LONG, 2, 1, number))
        good = bytes(ca.EventAddResponse([1.0], 20, 1, 1, number, metadata=(0, 0, 1, 0)))
        short = good[:2] + b"\0\x08" + good[4:24]
        server.session.pipe.to_client += wrong_type + short + wrong_type
        server.put("other", 3.0)
        server.put("pv", 4.0)
        world.run(0.0)
        assert subscriber.errors
        assert other.values[-1] == 3.0 and subscriber.values[-1] == 4.0
        assert channel.connected and client.connects == 1


def ioid(request: Request) -> int:
    assert request.ioid is not None
    return request.ioid


@pytest.mark.parametrize("seed", range(40))
def test_a_server_that_sends_garbage_loses_its_circuit_at_most(seed: int) -> None:
    world, server, client, channel = up(pv=Pv(), other=Pv([1.0, 2.0, 3.0], count=3))
    channels = list(client.engine.channels.values())
    subscribers = [client.subscribe(channel, columns=bool(i)) for i, channel in enumerate(channels)]
    for _ in range(30):
        for channel in channels:
            if channel.connected:
                client.read(channel)
        for session in list(server.sessions):
            session.pipe.step()
            server.put("pv", world.random.random())
            data = session.pipe.to_client
            for _ in range(world.random.randrange(4)):
                # Sizes are left alone: a wrong one only makes the client wait for what never comes.
                at = 16 * world.random.randrange(max(1, len(data) // 16)) + world.random.choice((0, 1, 4, 5, 8, 11, 15))
                if at < len(data):
                    data[at] = world.random.randrange(256)
        world.run(0.1)
    for session in list(server.sessions):
        session.pipe.cut()
    world.run(5.0)
    server.put("pv", 77.0)
    world.run(5.0)
    assert all(channel.connected for channel in channels)
    assert subscribers[0].values[-1] == 77.0
    assert subscribers[1].seen[-1] == server.pvs["other"].state


class TestTimeOuts:
    def test_a_request_that_nobody_waits_for_ends_in_time_and_names_what_was_waited_for(self) -> None:
        world, server, client, channel = up()
        server.deaf = True
        requests = [
            client.engine.read(channel, 6, 0, on_done=print),
            client.engine.write(channel, [1.0], 6, notify=True, on_done=print),
            client.engine.when_connected(client.open("nobody"), on_done=print),
        ]
        for request in requests:
            client.engine.expect(request, 2.0, world.now)
        world.run(1.9)
        assert not client.finished
        world.run(0.2)
        assert client.finished == requests
        texts = [str(request.error) for request in requests]
        assert all(isinstance(request.error, CaprotoTimeoutError) for request in requests)
        assert texts[0] == "pv: timed out after 2 s waiting for the answer to a read from 10.0.1.1:5064 (connected)"
        assert texts[1].startswith("pv: timed out after 2 s waiting for the end of a write")
        assert texts[2].startswith("nobody: no connection within 2 s: searching: no server answered (asked 255.")

    def test_a_late_answer_is_dropped_and_its_number_was_not_used_again(self) -> None:
        world, server, client, channel = up()
        server.frozen = True
        late = client.read(channel)
        client.engine.expect(late, 1.0, world.now)
        world.run(2.0)
        assert isinstance(late.error, CaprotoTimeoutError)
        fresh = client.read(channel)
        assert ioid(fresh) != ioid(late)
        server.thaw()
        world.run(0.0)
        assert isinstance(late.error, CaprotoTimeoutError)
        assert fresh.response is not None
        assert client.sizes["circuit._ioids"] == 0

    def test_a_barrier_given_up_leaves_the_next_answers_to_their_owners(self) -> None:
        world, server, client, channel = up()
        server.frozen = True
        first, second = (client.engine.barrier(channel, world.now) for _ in range(2))
        assert isinstance(client.engine.give_up(first, 1.0), CaprotoTimeoutError)
        server.thaw()
        world.run(0.0)
        assert first.response is None and second.response is not None

    def test_deadlines_of_what_is_done_are_forgotten(self) -> None:
        world, _, client, channel = up()
        for _ in range(20_000):
            client.engine.expect(client.read(channel), 3600.0, world.now)
            world.settle()
        assert client.sizes["deadlines"] <= 1024
        world.run(7200.0)
        assert client.sizes["deadlines"] == 0

    def test_requests_of_a_channel_that_is_not_there_say_why(self) -> None:
        world, server, client, channel = up()
        server.kill()
        world.run(1.0)
        with pytest.raises(CaprotoNetworkError, match="Connection reset"):
            client.read(channel)

    def test_when_connected_and_when_found(self) -> None:
        world, server, client, channel = up()
        assert client.engine.when_connected(channel).response is True
        later = client.open("later")
        waiting = client.engine.when_found(later), client.engine.when_connected(later)
        world.run(10.0)
        assert not any(request.done for request in waiting)
        server.pvs["later"] = Pv()
        world.run(20.0)
        assert all(request.response is True for request in waiting)


class TestCancelRaces:
    @pytest.mark.parametrize("columns", [False, True])
    def test_cancelled_while_updates_are_on_their_way(self, columns: bool) -> None:
        world, server, client, channel = up()
        subscriber = client.subscribe(channel, columns=columns)
        world.run(0.0)
        for value in range(5):
            server.put("pv", float(value))
        client.engine.cancel(subscriber.monitor)
        world.run(1.0)
        assert subscriber.values == [0.0]
        assert not subscriber.errors
        assert not server.session.subscriptions
        assert client.sizes["circuit.event_add_commands"] == client.sizes["circuit._cancelling"] == 0

    @pytest.mark.parametrize("columns", [False, True])
    def test_subscribed_again_at_once(self, columns: bool) -> None:
        world, server, client, channel = up()
        subscriber = client.subscribe(channel, columns=columns)
        world.run(0.0)
        for value in range(10):
            server.put("pv", float(value))
            client.engine.cancel(subscriber.monitor)
            client.engine.subscribe(channel, subscriber.monitor)
            if value % 3 == 0:
                world.run(0.0)
        server.put("pv", 99.0)
        world.run(1.0)
        assert subscriber.values[-1] == 99.0
        assert len(server.session.subscriptions) == client.sizes["circuit.event_add_commands"] == 1

    def test_cancelled_before_the_channel_is_there(self) -> None:
        world = World()
        server, client = world.server("pv"), world.client()
        channel = client.open("pv")
        subscriber = client.subscribe(channel)
        client.engine.cancel(subscriber.monitor)
        client.engine.cancel(subscriber.monitor)
        world.run(1.0)
        assert channel.connected and not subscriber.seen
        assert server.session.names() == ["CreateChanRequest"]

    def test_cancelled_while_the_server_is_silent(self) -> None:
        world, server, client, channel = up()
        subscriber, stays = client.subscribe(channel), client.subscribe(channel)
        world.run(0.0)
        server.frozen = True
        world.run(60.0)
        assert not channel.connected
        client.engine.cancel(subscriber.monitor)
        server.thaw()
        world.run(1.0)
        server.put("pv", 5.0)
        world.run(0.0)
        assert len(server.session.subscriptions) == 1
        assert subscriber.values == [0.0] and stays.values[-1] == 5.0

    def test_a_channel_closed_while_updates_are_on_their_way(self) -> None:
        world, server, client, channel = up(pv=Pv(), other=Pv())
        subscriber = client.subscribe(channel)
        world.run(0.0)
        server.put("pv", 1.0)
        client.engine.close(channel)
        server.put("pv", 2.0)
        world.run(1.0)
        assert subscriber.values == [0.0]
        assert len(server.session.circuit.channels) == 1

    def test_reshaped_while_updates_are_on_their_way(self) -> None:
        world, server, client, channel = up()
        subscriber = client.subscribe(channel)
        world.run(0.0)
        server.put("pv", 1.0)
        client.engine.reshape(subscriber.monitor, columns=True)
        server.put("pv", 2.0)
        world.run(0.0)
        assert subscriber.values == [0.0, 1.0, 2.0]


class TestIdentifiers:
    def wrapping(self, client: Client, channel: Channel) -> None:
        """Let all counters be about to start again."""
        link = channel.link
        assert link is not None
        for owner, name in ((client.engine, "_cids"), (link.circuit, "_subscription_ids"),
                            (link.circuit, "_request_ids")):  # fmt: skip
            getattr(owner, name)._count = itertools.count(ThreadsafeCounter.MAX_ID - 5)

    def test_everything_goes_on_when_numbers_start_again(self) -> None:
        world, server, client, channel = up()
        self.wrapping(client, channel)
        stays = client.subscribe(channel)
        world.run(0.0)
        numbers = set()
        for _ in range(20):
            request, subscriber, other = client.read(channel), client.subscribe(channel), client.open("pv")
            world.run(0.5)
            assert request.response is not None and subscriber.seen and other.connected
            numbers |= {ioid(request), other.cid}
            client.engine.cancel(subscriber.monitor)
            client.engine.close(other)
        world.run(0.5)
        server.put("pv", 6.0)
        world.run(0.0)
        assert stays.values[-1] == 6.0
        assert ThreadsafeCounter.MAX_ID - 1 in numbers and min(numbers) < 20

    def test_all_of_a_small_range_in_use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world, server, client, channel = up()
        monkeypatch.setattr(ThreadsafeCounter, "MAX_ID", 8)
        server.deaf = True
        requests = [client.read(channel) for _ in range(8)]
        assert {ioid(request) for request in requests} == set(range(8))
        with pytest.raises(ca.CaprotoRuntimeError, match="all 8 identifiers are in use"):
            client.read(channel)
        world.run(0.0)
        server.session.send(ca.ReadNotifyResponse([7.0], 20, 1, 1, 3, metadata=(0, 0, 1, 0)))
        world.run(0.0)
        assert requests[3].response is not None
        assert ioid(client.read(channel)) == 3

    def test_subscriptions_beyond_a_small_range_fail_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world, server, client, channel = up()
        monkeypatch.setattr(ThreadsafeCounter, "MAX_ID", 4)
        subscribers = [client.subscribe(channel) for _ in range(5)]
        world.run(0.0)
        assert [len(subscriber.errors) for subscriber in subscribers] == [0, 0, 0, 0, 1]
        client.engine.cancel(subscribers[1].monitor)
        world.run(0.0)
        again: Any = client.subscribe(channel)
        world.run(0.0)
        assert again.seen
