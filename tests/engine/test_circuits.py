"""Circuits and channels: silence, cuts, refusals, removal, closing (sections 8.4, 11.2, 11.3)."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import caproto as ca
from caproto import CaprotoNetworkError, CaprotoTimeoutError, ErrorResponseReceived
from caproto.client._channel import CREATING, IDLE, SILENT
from tests.engine.world import Client, Pv, Server, Subscriber, World


@pytest.fixture(autouse=True)
def warnings_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


def up(*names: str, **settings: Any) -> tuple[World, Server, Client]:
    """A client that is connected to all PVs of a server; ``pv`` if no names are given."""
    world = World()
    server, client = world.server(*(names or ("pv",))), world.client(**settings)
    for name in server.pvs:
        client.open(name)
    world.run(1.0)
    assert all(channel.connected for channel in client.engine.channels.values())
    return world, server, client


def only(client: Client) -> Any:
    (channel,) = client.engine.channels.values()
    return channel


def creating(server: Server, client: Client) -> Any:
    """A channel that was found, on a circuit that is up; its server has not read CREATE_CHAN so far."""
    server.frozen = True
    channel = client.open("pv")
    client.engine.found(channel.cid, server.address, None, client.world.now)
    assert channel.state == CREATING
    return channel


def told(client: Client, channel: Any, what: str) -> Any:
    """A read or a write with a callback."""
    if what == "read":
        return client.engine.read(channel, 6, 0, on_done=print)
    return client.engine.write(channel, [5.0], 6, notify=what == "write", on_done=print)


class TestSilence:
    """Section 8.4, row by row."""

    def test_silence_brings_an_echo_after_conn_tmo(self) -> None:
        world, server, _ = up(conn_tmo=30.0)
        world.run(28.0)
        assert server.session.names() == ["CreateChanRequest"]
        world.run(2.0)
        assert server.session.names() == ["CreateChanRequest", "EchoRequest"]

    def test_an_echo_answered_in_time_restarts_the_timer(self) -> None:
        world, server, client = up(conn_tmo=30.0)
        world.run(300.0)
        assert server.session.names().count("EchoRequest") == 10
        assert only(client).connected
        assert client.changes == [("pv", "connected")]

    def test_data_restart_the_timer(self) -> None:
        world, server, client = up(conn_tmo=30.0)
        client.subscribe(only(client))
        for value in range(50):
            world.run(20.0)
            server.put("pv", float(value))
        assert "EchoRequest" not in server.session.names()

    def silent(self) -> tuple[World, Server, Client, Subscriber, Any]:
        world, server, client = up()
        subscriber = client.subscribe(only(client))
        world.run(1.0)
        server.frozen = True
        request = client.read(only(client))
        request.on_done = print
        world.run(33.0)
        assert only(client).connected
        world.run(2.0)
        return world, server, client, subscriber, request

    def test_no_answer_for_5_s_disconnects_channels_fails_requests_and_keeps_the_connection(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        world, server, client, subscriber, request = self.silent()
        channel = only(client)
        assert channel.state == SILENT
        assert client.changes[-1] == ("pv", "disconnected")
        assert isinstance(request.error, CaprotoTimeoutError)
        assert client.finished == [request]
        with pytest.raises(CaprotoTimeoutError, match="silent"):
            client.read(channel)
        asked = len(client.datagrams)
        world.run(600.0)
        assert len(client.datagrams) == asked, "a silent server is not searched"
        assert len(server.sessions) == 1
        assert len(caplog.records) == 1
        assert "10.0.1.1:5064: silent for 35 s" in caplog.text

    def test_a_late_answer_is_tested_by_one_more_echo_which_restores_and_refreshes(self) -> None:
        world, server, client, subscriber, _ = self.silent()
        world.run(100.0)
        server.pvs["pv"].value, server.pvs["pv"].stamp = 77.0, 9
        before = len(server.session.saw)
        server.thaw()
        world.run(1.0)
        assert only(client).connected
        assert client.changes[-1] == ("pv", "connected")
        # The read, the ECHO that was not answered in time, the one queued then, and the one that proves it.
        came = [type(command).__name__ for command in server.session.saw[before:]]
        assert came[:4] == ["ReadNotifyRequest", "EchoRequest", "EchoRequest", "EchoRequest"]
        assert subscriber.seen[-1] == ((77.0,), 9, 0)
        assert client.connects == 1

    def test_an_answer_that_is_late_again_proves_nothing(self) -> None:
        world, server, client, _, _ = self.silent()
        for _ in range(3):
            world.run(60.0)
            # One answer comes, and then the server hangs again.
            server.session.send(ca.EchoResponse())
            world.run(1.0)
            assert not only(client).connected
        server.thaw()
        world.run(1.0)
        assert only(client).connected

    def test_answers_that_are_all_late_are_not_taken_for_each_other(self) -> None:
        world, server, client, _, _ = self.silent()
        # Two ECHOs are without answer: the one that was not answered in time, and the one sent then.
        for _ in range(2):
            world.run(1.0)
            server.session.send(ca.EchoResponse())
            world.run(5.0)
            assert not only(client).connected

    def test_a_server_that_hangs_is_noticed_although_we_keep_writing(self) -> None:
        world, server, client = up()
        server.frozen = True
        for _ in range(40):
            if only(client).connected:
                client.engine.write(only(client), [1.0], 6, notify=False)
            world.run(1.0)
        assert only(client).state == SILENT

    def test_a_large_write_to_a_busy_server_that_makes_progress_is_no_silence(self) -> None:
        world, server, client = up()
        server.pvs["pv"].count = 1_000_000
        server.frozen, world.room = True, 0
        request = client.engine.write(only(client), [0.0] * 100_000, 6, notify=True)
        link = only(client).link
        for _ in range(100):
            world.run(10.0)
            world.room = 2000
            client.engine.writable[link] = None
        assert only(client).connected
        server.frozen = False
        client.engine.writable[link] = None
        world.run(1.0)
        assert request.response is not None

    def test_a_send_that_blocks_for_good_is_silence(self) -> None:
        world, server, client = up()
        server.frozen, world.room = True, 0
        client.engine.write(only(client), [1.0], 6, notify=False)
        world.run(36.0)
        assert only(client).state == SILENT

    def test_a_reset_of_a_silent_connection_searches_again(self) -> None:
        world, server, client, subscriber, _ = self.silent()
        server.kill()
        server.thaw()
        server.restart()
        world.run(1.0)
        assert only(client).connected
        assert subscriber.seen

    def test_a_barrier_that_takes_long_is_no_silence(self) -> None:
        world, server, client = up()
        server.frozen = True
        request = client.engine.barrier(only(client), world.now)
        world.run(20.0)
        assert only(client).connected
        server.thaw()
        world.run(0.0)
        assert request.response is not None

    def test_barriers_are_answered_in_order_beside_a_probe(self) -> None:
        world, server, client = up()
        server.frozen = True
        first = client.engine.barrier(only(client), world.now)
        world.run(31.0)
        second = client.engine.barrier(only(client), world.now)
        assert not first.done
        server.session.send(ca.EchoResponse())
        world.settle()
        assert first.done and not second.done
        server.session.send(ca.EchoResponse(), ca.EchoResponse())
        world.settle()
        assert second.done
        assert not only(client).link.echoes

    def test_a_suspended_computer_asks_before_it_gives_up(self) -> None:
        world, server, client = up()
        world.jump(3600.0)
        world.run(100.0)
        assert only(client).connected
        assert client.changes == [("pv", "connected")]

    def test_a_silent_circuit_whose_last_channel_is_closed_is_closed(self) -> None:
        world, server, client, _, _ = self.silent()
        client.engine.close(only(client))
        world.run(0.0)
        assert not server.sessions
        assert not client.engine.links


class TestCuts:
    """Wherever a connection breaks, the client comes back and knows the newest value."""

    def conversation(self, budget: int | None, chunk: int = 65536) -> tuple[World, Server, Client, Subscriber]:
        world = World()
        world.budget, world.chunk = budget, chunk
        server, client = world.server("pv", "other"), world.client()
        subscriber = client.subscribe(client.open("pv"))
        columns = client.subscribe(client.open("other"), columns=True)
        world.run(0.05)
        world.budget = None
        for value in range(3):
            server.put("pv", float(value), value)
        for channel in client.engine.channels.values():
            if channel.connected:
                client.read(channel)
        world.run(5.0)
        assert all(channel.connected for channel in client.engine.channels.values()), budget
        assert subscriber.seen[-1] == server.pvs["pv"].state, budget
        assert columns.seen[-1] == server.pvs["other"].state, budget
        assert not any(link.requests for link in client.engine.links.values())
        return world, server, client, subscriber

    def test_cut_at_every_byte(self) -> None:
        _, server, _, _ = self.conversation(None)
        total = server.session.pipe.delivered
        assert 300 < total < 1000
        for budget in range(total + 1):
            self.conversation(budget)

    def test_cut_at_every_message_boundary(self) -> None:
        _, server, _, _ = self.conversation(None)
        edges = server.session.pipe.edges
        assert len(edges) > 10
        for edge in edges:
            self.conversation(edge)

    @pytest.mark.parametrize("chunk", [1, 2, 7, 16, 17, 40, 41])
    def test_chunks_of_any_size(self, chunk: int) -> None:
        _, _, client, subscriber = self.conversation(None, chunk)
        assert subscriber.values == [0.0, 0.0, 1.0, 2.0]
        assert client.connects == 1

    def test_every_pending_request_ends_with_the_connection(self) -> None:
        world, server, client = up()
        server.deaf = True
        requests = [told(client, only(client), what) for what in ("read", "write", "plain write")]
        requests.append(client.engine.barrier(only(client), world.now, on_done=print))
        server.session.pipe.cut()
        world.run(0.0)
        assert client.finished == requests
        assert all(isinstance(request.error, CaprotoNetworkError) for request in requests)
        assert "10.0.1.1:5064: Connection reset by peer" in str(requests[0].error)

    def test_the_server_closes(self) -> None:
        world, server, client = up()
        client.engine.link_received(only(client).link, 0, world.now)
        assert client.engine.changes == [(only(client), "disconnected")]
        world.run(1.0)
        assert only(client).connected

    def test_everything_received_before_the_end_counts(self) -> None:
        world, server, client = up()
        request = client.read(only(client))
        world.settle()
        subscriber = client.subscribe(only(client))
        world.settle()
        server.put("pv", 3.0)
        assert server.session.pipe.step()
        server.kill()
        world.settle()
        assert request.response is not None
        assert subscriber.values[-1] == 3.0


class TestRestart:
    def test_subscriptions_come_back_on_another_port(self) -> None:
        world, server, client = up()
        subscriber = client.subscribe(only(client))
        world.run(1.0)
        server.kill()
        world.run(1.0)
        assert client.changes == [("pv", "connected"), ("pv", "disconnected")]
        again = Server(world, ("10.0.1.1", 6000), {"pv": Pv(42.0, stamp=7)})
        world.run(2.0)
        assert only(client).where == "10.0.1.1:6000"
        assert subscriber.seen[-1] == again.pvs["pv"].state

    def test_a_type_that_changed_meanwhile(self) -> None:
        world, server, client = up()
        inbox, columns = client.subscribe(only(client)), client.subscribe(only(client), columns=True)
        world.run(1.0)
        server.kill()
        server.pvs["pv"] = Pv([1, 2, 3], ca.ChannelType.LONG, 3, stamp=5)
        server.restart()
        world.run(2.0)
        assert inbox.seen[-1] == columns.seen[-1] == ((1, 2, 3), 5, 0)

    def test_values_are_back_within_2_s_each_time(self) -> None:
        world, server, client = up()
        subscriber = client.subscribe(only(client))
        for number in range(20):
            server.kill()
            world.run(0.5)
            server.pvs["pv"].value = float(number)
            server.restart()
            world.run(2.0)
            assert subscriber.values[-1] == number

    def test_nothing_is_left_over_after_a_hundred_rounds(self) -> None:
        names = [f"pv{i}" for i in range(20)]
        world, server, client = up(*names)
        channels = list(client.engine.channels.values())
        subscribers = [client.subscribe(channel, columns=i % 2 == 0) for i, channel in enumerate(channels)]
        world.run(1.0)
        sizes = client.sizes
        for number in range(100):
            for channel in channels:
                told(client, channel, "read")
                told(client, channel, "write")
                client.engine.expect(client.read(channel), 3.0, world.now)
            server.kill()
            world.run(0.3)
            server.restart()
            world.run(4.0)
            assert all(channel.connected for channel in channels)
            server.put("pv3", float(number))
        world.run(4.0)
        assert client.sizes == sizes
        assert subscribers[3].values[-1] == 99.0

    def test_nothing_is_left_over_of_channels_that_come_and_go(self) -> None:
        world, server, client = up("stays", "pv")
        sizes = client.sizes
        for number in range(100):
            channel = client.open("pv")
            world.run(0.0 if number % 3 else 0.5)
            subscriber = client.subscribe(channel)
            world.run(0.1 * (number % 4))
            client.engine.cancel(subscriber.monitor)
            client.engine.close(channel)
            client.engine.close(client.open("nobody has this"))
        world.run(10.0)
        assert client.sizes == sizes
        assert len(server.session.circuit.channels) == 2


class TestChannels:
    def test_refused_when_created_alone_and_tried_again_later(self) -> None:
        world = World()
        server, client = world.server("good", "bad"), world.client()
        server.pvs["bad"].refused = True
        good, bad = client.open("good"), client.open("bad")
        waiting = client.engine.when_connected(bad, on_done=print)
        world.run(1.0)
        assert good.connected
        assert bad.refused and client.finished == [waiting]
        with pytest.raises(ErrorResponseReceived, match=r"bad: refused by 10\.0\.1\.1:5064"):
            waiting.result()
        world.run(60.0)
        assert server.session.names().count("CreateChanRequest") <= 14
        server.pvs["bad"].refused = False
        world.run(6.0)
        assert bad.connected and not bad.refused

    def test_refused_by_an_error_with_the_server_s_text(self) -> None:
        world = World()
        server, client = world.server("pv", "other"), world.client()
        server.pvs["pv"].denied[ca.CreateChanRequest] = "ECA_ALLOCMEM", "too many channels"
        channel, other = client.open("pv"), client.open("other")
        waiting = client.engine.when_connected(channel)
        world.run(1.0)
        with pytest.raises(ErrorResponseReceived, match="too many channels"):
            waiting.result()
        assert other.connected
        server.pvs["pv"].denied.clear()
        world.run(6.0)
        assert channel.connected

    def test_a_native_type_that_does_not_exist_fails_its_channel_alone(self) -> None:
        world = World()
        server, client = world.server("pv", "other"), world.client()
        server.pvs["pv"].data_type = 20  # type: ignore[assignment]
        channel, other = client.open("pv"), client.open("other")
        waiting = client.engine.when_connected(channel)
        world.run(1.0)
        assert other.connected
        assert waiting.error is not None and "pv" in str(waiting.error)

    def test_removed_by_the_server_is_searched_again(self) -> None:
        world, server, client = up("pv", "other")
        channel = next(iter(client.engine.channels.values()))
        server.deaf = True
        request = client.read(channel)
        world.settle()
        server.deaf = False
        subscriber = client.subscribe(channel)
        world.settle()
        its = next(c for c in server.session.circuit.channels.values() if c.name == "pv")
        server.session.subscriptions.clear()
        server.session.send(its.disconnect())
        world.settle()
        assert client.changes[-1] == ("pv", "disconnected")
        assert isinstance(request.error, CaprotoNetworkError)
        world.run(2.0)
        assert channel.connected
        assert len(subscriber.seen) == 2
        assert client.connects == 1

    def test_created_twice_is_ignored(self) -> None:
        world, server, client = up()
        link = only(client).link
        command = ca.CreateChanResponse(6, 1, only(client).cid, 100)
        server.session.pipe.to_client += bytes(command)
        world.run(1.0)
        assert only(client).connected and only(client).link is link
        assert client.changes == [("pv", "connected")]

    def test_an_answer_about_a_channel_that_nobody_asked_for_is_ignored(self, caplog: pytest.LogCaptureFixture) -> None:
        world, server, client = up()
        for command in (ca.CreateChanResponse(6, 1, 999, 888), ca.AccessRightsResponse(999, 3),
                        ca.CreateChFailResponse(999), ca.ServerDisconnResponse(999),
                        ca.ClearChannelResponse(888, 999), ca.EchoResponse(),
                        ca.WriteNotifyResponse(6, 1, 1, 999), ca.EventAddResponse([1.0], 6, 1, 1, 999)):  # fmt: skip
            server.session.pipe.to_client += bytes(command)
        world.run(1.0)
        assert only(client).connected
        assert client.read(only(client)) and client.connects == 1
        assert not caplog.records

    def test_access_rights_that_change_are_told(self) -> None:
        world, server, client = up()
        channel = only(client)
        assert channel.rights == ca.AccessRights(3)
        (its,) = server.session.circuit.channels.values()
        for rights in (1, 1, 0, 3):
            server.session.send(its.rights(rights))
            world.settle()
            assert channel.rights == rights
        assert client.changes[1:] == [("pv", "rights")] * 3
        server.kill()
        world.settle()
        assert channel.rights == 0


class TestClosing:
    """Section 11.3: CLEARING and ZOMBIE."""

    def test_the_last_channel_closes_the_circuit_once_the_server_confirmed(self) -> None:
        world, server, client = up()
        session = server.session
        server.frozen = True
        client.subscribe(only(client))
        client.engine.write(only(client), [42.0], 6, notify=False)
        client.engine.close(only(client))
        world.run(1.0)
        assert client.engine.links
        server.thaw()
        world.run(1.0)
        assert server.pvs["pv"].value == 42.0
        assert session.names() == [
            "CreateChanRequest", "EventAddRequest", "WriteRequest", "EventCancelRequest", "ClearChannelRequest"
        ]  # fmt: skip
        assert not server.sessions and not client.engine.links

    def test_a_circuit_that_is_about_to_close_takes_a_new_channel(self) -> None:
        world, server, client = up("pv", "other")
        for channel in list(client.engine.channels.values()):
            client.engine.close(channel)
        again = client.open("pv")
        world.run(1.0)
        assert again.connected
        assert len(server.sessions) == 1

    def test_closed_while_it_is_created_is_cleared_when_the_answer_comes(self) -> None:
        world = World()
        server, client = world.server("pv", "other"), world.client()
        other = client.connected("other")
        channel = creating(server, client)
        server_session = server.session
        client.engine.close(channel)
        server.thaw()
        world.run(1.0)
        assert server_session.names() == ["CreateChanRequest", "CreateChanRequest", "ClearChannelRequest"]
        assert list(server_session.circuit.channels) == [other.cid]
        assert client.sizes["circuit.channels"] == 1

    def test_closed_and_opened_again_while_it_is_created(self, caplog: pytest.LogCaptureFixture) -> None:
        world = World()
        server, client = world.server("pv", "other"), world.client()
        client.connected("other")
        channel = creating(server, client)
        client.engine.rest(channel)
        client.engine.rouse(channel, world.now)
        client.engine.found(channel.cid, server.address, None, world.now)
        server.thaw()
        subscriber = client.subscribe(channel)
        world.run(1.0)
        assert channel.connected and subscriber.seen
        assert len(server.session.circuit.channels) == 2
        assert not caplog.records

    @pytest.mark.parametrize("refuses", [False, True])
    def test_closed_while_it_is_connecting(self, refuses: bool) -> None:
        world = World()
        world.slow_connect = True
        server, client = world.server("pv", "other"), world.client()
        server.refuses = refuses
        channel = client.open("pv")
        world.run(1.0)
        assert world.unconnected
        client.engine.close(channel)
        world.run(1.0)
        world.connect()
        world.run(1.0)
        assert not client.engine.links and not server.sessions

    def test_a_server_that_hangs_when_its_last_channel_is_closed_is_given_up(self) -> None:
        world, server, client = up()
        server.frozen = True
        client.engine.close(only(client))
        world.run(60.0)
        assert not client.engine.links and not server.sessions

    def test_one_of_two_is_closed_while_they_are_connecting(self) -> None:
        world = World()
        world.slow_connect = True
        server, client = world.server("pv", "other"), world.client()
        channel, other = client.open("pv"), client.open("other")
        world.run(1.0)
        client.engine.rest(channel)
        world.connect()
        world.run(1.0)
        assert other.connected and channel.state == IDLE
        assert server.session.names() == ["CreateChanRequest"]
        client.engine.close(other)
        world.run(1.0)
        assert not client.engine.links and not server.sessions

    def test_go_idle_and_come_back(self) -> None:
        world, server, client = up()
        channel = only(client)
        for _ in range(5):
            client.engine.rest(channel)
            assert channel.state == IDLE and channel.rights == 0
            with pytest.raises(CaprotoNetworkError):
                client.read(channel)
            world.run(1.0)
            assert not server.sessions
            asked = len(client.datagrams)
            world.run(600.0)
            assert len(client.datagrams) == asked
            client.engine.rouse(channel, world.now)
            client.engine.rouse(channel, world.now)
            world.run(1.0)
            assert channel.connected
        assert list(client.engine.channels.values()) == [channel]

    def test_a_late_answer_to_a_search_does_not_wake_an_idle_channel(self) -> None:
        world = World()
        world.delay = (1.0, 1.0)
        world.server("pv")
        client = world.client()
        channel = client.open("pv")
        world.run(0.5)
        client.engine.rest(channel)
        world.run(10.0)
        assert channel.state == IDLE
        assert not client.connects

    def test_whoever_waits_for_a_channel_that_is_closed_is_told(self) -> None:
        world, server, client = up()
        server.deaf = True
        nobody = client.open("nobody")
        requests = [
            client.engine.when_connected(nobody, on_done=print),
            client.engine.when_found(nobody, on_done=print),
            told(client, next(iter(client.engine.channels.values())), "read"),
        ]
        for channel in list(client.engine.channels.values()):
            client.engine.close(channel)
        world.run(1.0)
        assert {*client.finished} == {*requests}
        assert all("was closed" in str(request.error) for request in requests)

    def test_a_server_that_answers_a_clear_with_an_error(self) -> None:
        world, server, client = up()
        session = server.session
        server.frozen = True
        client.engine.close(only(client))
        world.settle()
        header = ca.ClearChannelRequest(100, 0).header
        session.send(ca.ErrorResponse(header, 0, ca.CAStatus.ECA_BADCHID, "gone"))
        world.settle()
        assert not client.engine.links
