"""Circuits: silence, cuts and restarts of servers (sections 8.4 and 11.2)."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import caproto as ca
from caproto import CaprotoNetworkError, CaprotoTimeoutError
from caproto.client._channel import SILENT
from tests.engine.connected import only, told, up
from tests.engine.world import Client, Pv, Server, Subscriber, World


@pytest.fixture(autouse=True)
def warnings_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


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
