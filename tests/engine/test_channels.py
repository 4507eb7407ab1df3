"""Channels: refusals, removal, rights, and how they are closed (section 11.3)."""

from __future__ import annotations

import logging

import pytest

import caproto as ca
from caproto import CaprotoNetworkError, ErrorResponseReceived
from caproto.client._channel import CREATING, IDLE
from caproto.client._link import LINGER
from tests.engine.connected import creating, only, told, up
from tests.engine.world import World


@pytest.fixture(autouse=True)
def warnings_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


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

    def test_what_was_written_last_leaves_before_the_circuit_is_closed(self) -> None:
        world, server, client = up()
        pv, channel = server.pvs["pv"], only(client)
        pv.count, pv.value = 100_000, [0.0]
        server.frozen, world.room = True, 10_000
        client.engine.write(channel, [42.0] * 100_000, 6, notify=False)
        world.settle()
        client.engine.rest(channel)
        world.run(50.0)  # longer than a server may be silent
        assert client.engine.links
        world.room = 10_000
        for link in client.engine.links.values():
            client.engine.writable[link] = None  # the socket takes some more
        world.run(50.0)
        server.thaw()
        for link in client.engine.links.values():
            client.engine.writable[link] = None
        world.run(1.0)
        assert pv.value == [42.0] * 100_000
        assert not client.engine.links and not server.sessions

    def test_a_server_that_never_reads_what_was_written_last_is_given_up(self) -> None:
        world, server, client = up()
        server.frozen, world.room = True, 10_000
        client.engine.write(only(client), [42.0] * 100_000, 6, notify=False)
        world.settle()
        client.engine.rest(only(client))
        world.run(LINGER + 1.0)
        assert not client.engine.links and not server.sessions

    @pytest.mark.parametrize("created", [True, False])
    def test_a_server_that_answers_nothing_but_echo_keeps_no_circuit_without_channels(self, created: bool) -> None:
        world, server, client = up("other", "pv")
        other, channel = client.engine.channels.values()
        unanswered = ca.ClearChannelRequest if created else ca.CreateChanRequest
        server.ignored = {ca.ClearChannelRequest, unanswered}
        if not created:
            client.engine.rest(channel)
            client.engine.rouse(channel, world.now)
            world.run(1.0)
            assert channel.state == CREATING
        client.engine.close(channel)
        client.engine.close(other)
        world.run(LINGER - 1.0)
        assert client.engine.links
        world.run(2.0)
        assert not client.engine.links and not server.sessions

    def test_a_channel_that_comes_back_in_time_keeps_the_circuit(self) -> None:
        world, server, client = up()
        channel, server.ignored = only(client), {ca.ClearChannelRequest}
        for _ in range(3):
            client.engine.rest(channel)
            world.run(LINGER - 2.0)
            client.engine.rouse(channel, world.now)
            world.run(1.0)
            assert channel.connected and client.connects == 1
        world.run(10 * LINGER)
        assert channel.connected and client.connects == 1
