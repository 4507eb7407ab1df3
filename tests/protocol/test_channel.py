"""Channels, reads, writes, subscriptions: two ends in memory (sections 3.4 - 3.9, 11.3, 11.5, 12)."""

from __future__ import annotations

import struct
from typing import Any

import pytest

import caproto
from caproto import CLIENT, LocalProtocolError, RemoteProtocolError
from caproto._wire import codec
from tests.protocol.pair import ConnectionPair, connected, deliver, is_usable
from tests.protocol.test_circuit import message

DOUBLE = struct.pack(">d", 2.5)
NORMAL = 1


def test_creating() -> None:
    pair = ConnectionPair().open()
    pair.client_sends(caproto.CreateChanRequest("pv", 1, 13))
    assert pair.channel_states() == ("AWAIT_CREATE_CHAN_RESPONSE", "SEND_CREATE_CHAN_RESPONSE")
    pair.server_sends(caproto.AccessRightsResponse(1, 3))
    assert pair.channel_states() == ("AWAIT_CREATE_CHAN_RESPONSE", "SEND_CREATE_CHAN_RESPONSE")
    pair.server_sends(caproto.CreateChanResponse(6, 1, 1, 7))
    assert pair.channel_states() == ("CONNECTED", "CONNECTED")
    channel = pair.client.channels[1]
    assert (channel.sid, channel.native_data_type, channel.native_data_count) == (7, 6, 1)
    assert pair.client.channels_sid[7] is channel


def test_id_zero_is_an_id() -> None:
    pair = ConnectionPair().open()
    pair.create(cid=0, sid=0)
    assert pair.channel_states(0) == ("CONNECTED", "CONNECTED")
    pair.client_sends(caproto.ReadNotifyRequest(6, 1, 0, 0))
    (response,) = pair.server_sends(caproto.ReadNotifyResponse([1.5], 6, 1, NORMAL, 0))
    assert list(response.data) == [1.5]


def test_creation_that_fails() -> None:
    pair = ConnectionPair().open()
    pair.client_sends(caproto.CreateChanRequest("pv", 1, 13))
    channel = pair.client.channels[1]
    pair.server_sends(caproto.CreateChFailResponse(1))
    assert repr(channel.states[CLIENT]) == "FAILED"
    assert is_usable(pair)


def test_unknown_type_fails_the_channel_only() -> None:
    pair = connected()
    pair.client_sends(caproto.CreateChanRequest("odd", 2, 13))
    commands, _ = pair.client.recv(message(18, 77, 1, 2, 9))
    try:
        pair.client.process_command(commands[0])
    except RemoteProtocolError as error:
        assert "77" in str(error)
    assert pair.channel_states(1) == ("CONNECTED", "CONNECTED")
    assert is_usable(pair)


def test_answer_for_a_channel_nobody_asked_for() -> None:
    pair = connected()
    for data in (
        message(18, 6, 1, 55, 56),
        message(22, 0, 0, 55, 3),
        message(26, 0, 0, 55),
        message(27, 0, 0, 55),
    ):
        commands, _ = pair.client.recv(data)
        try:
            pair.client.process_command(commands[0])
        except RemoteProtocolError as error:
            assert "55" in str(error)
    assert is_usable(pair)
    assert pair.channel_states(1) == ("CONNECTED", "CONNECTED")


def test_rights_may_change_at_any_time() -> None:
    pair = connected()
    channel = pair.client.channels[1]
    assert channel.access_rights == caproto.AccessRights(3)
    pair.server_sends(caproto.AccessRightsResponse(1, 1))
    assert channel.access_rights == caproto.AccessRights.READ


def test_server_disconnects_one_channel() -> None:
    pair = connected()
    pair.create(cid=2, sid=8)
    pair.server_sends(caproto.ServerDisconnResponse(1))
    assert pair.channel_states(2) == ("CONNECTED", "CONNECTED")
    assert 1 not in pair.client.channels or repr(pair.client.channels[1].states[CLIENT]) in (
        "CLOSED",
        "DISCONNECTED",
    )
    with pytest.raises(LocalProtocolError):
        pair.client.send(caproto.ReadNotifyRequest(6, 1, 7, 1))
    assert is_usable(pair)


@pytest.mark.parametrize(
    "command",
    [
        caproto.ReadNotifyRequest(6, 1, 99, 1),
        caproto.WriteRequest([1.0], 6, 1, 99, 1),
        caproto.WriteNotifyRequest([1.0], 6, 1, 99, 1),
        caproto.EventAddRequest(6, 1, 99, 1, 0, 0, 0, 1),
        caproto.ClearChannelRequest(99, 1),
    ],
    ids=lambda command: type(command).__name__,
)
def test_requests_need_a_channel(command: Any) -> None:
    pair = connected()
    with pytest.raises(LocalProtocolError) as raised:
        pair.client.send(command)
    assert "99" in str(raised.value)
    commands, _ = pair.server.recv(bytes(command))
    with pytest.raises(RemoteProtocolError) as remote:
        pair.server.process_command(commands[0])
    assert "99" in str(remote.value)
    assert type(command).__name__ in str(remote.value)
    assert is_usable(pair)


def test_answers_in_any_order() -> None:
    pair = connected()
    for ioid in (1, 2, 3):
        pair.client_sends(caproto.ReadNotifyRequest(6, 1, 7, ioid))
    got = [pair.server_sends(caproto.ReadNotifyResponse([ioid], 6, 1, NORMAL, ioid))[0] for ioid in (3, 1, 2)]
    assert [(command.ioid, command.data[0]) for command in got] == [(3, 3.0), (1, 1.0), (2, 2.0)]


@pytest.mark.parametrize("status", [152, 368, 12345678, 0])
def test_status_with_a_zeroed_or_missing_payload(status: int) -> None:
    """The status is to be looked at before the payload; an unknown code is a value."""
    pair = connected()
    for payload, count in ((bytes(8), 1), (b"", 0), (b"", 1)):
        pair.client_sends(caproto.ReadNotifyRequest(6, 1, 7, 4))
        (response,) = deliver(pair.client, message(15, 6, count, status, 4, payload))
        assert response.status.code_with_severity == status
        assert f"{response.status.name}" in repr(response)
    assert is_usable(pair)


def test_count_beyond_the_payload_fails_its_own_request() -> None:
    pair = connected()
    pair.client_sends(caproto.ReadNotifyRequest(6, 3, 7, 4), caproto.ReadNotifyRequest(6, 1, 7, 5))
    bad = message(15, 6, 3, NORMAL, 4, DOUBLE)
    good = message(15, 6, 1, NORMAL, 5, DOUBLE)
    first, second = pair.client.recv(bad + good)[0]
    with pytest.raises(caproto.CaprotoError, match=r"3 elements of DOUBLE need 24 bytes"):
        process_and_look(pair.client, first)
    process_and_look(pair.client, second)
    assert list(second.data) == [2.5]
    assert is_usable(pair)


def process_and_look(circuit: Any, command: Any) -> None:
    circuit.process_command(command)
    assert command.data is not None


@pytest.mark.parametrize("data_type", [39, 100, 0xFFFF])
def test_unknown_type_in_an_answer_fails_its_own_request(data_type: int) -> None:
    pair = connected()
    pair.client_sends(caproto.ReadNotifyRequest(6, 1, 7, 4))
    (response,) = pair.client.recv(message(15, data_type, 1, NORMAL, 4, DOUBLE))[0]
    with pytest.raises(caproto.CaprotoError, match=str(data_type)):
        process_and_look(pair.client, response)
    assert is_usable(pair)


def test_excess_payload_is_ignored() -> None:
    pair = connected()
    pair.client_sends(caproto.ReadNotifyRequest(6, 1, 7, 4))
    (response,) = deliver(pair.client, message(15, 6, 1, NORMAL, 4, DOUBLE * 3))
    assert list(response.data) == [2.5]


def test_late_and_unknown_answers_are_ignored() -> None:
    pair = connected()
    for data in (
        message(15, 6, 1, NORMAL, 444, DOUBLE),
        message(19, 6, 1, NORMAL, 445),
        message(1, 6, 1, NORMAL, 446, DOUBLE),
        message(1, 6, 0, NORMAL, 447),
    ):
        deliver(pair.client, data)
    assert is_usable(pair)


def test_error_finishes_its_request() -> None:
    pair = connected()
    request = caproto.ReadNotifyRequest(6, 1, 7, 4)
    pair.client_sends(request)
    (error,) = pair.server_sends(caproto.ErrorResponse(request, 1, 152, "no good"))
    assert error.status.name == "ECA_GETFAIL"
    assert error.original_request.header.parameter2 if hasattr(error.original_request, "header") else True
    pair.client_sends(caproto.ReadNotifyRequest(6, 1, 7, 4))
    assert is_usable(pair)


def test_error_without_text_and_with_any_header() -> None:
    pair = connected()
    for embedded in (
        bytes(16),
        b"\xff" * 16,
        message(200),
        struct.pack(">HHHHIIII", 15, 0xFFFF, 6, 0, 7, 4, 0, 70000),
    ):
        (error,) = deliver(pair.client, message(11, 0, 0, 0xFFFFFFFF, 142, embedded))
        assert error.status.name == "ECA_INTERNAL"
        assert repr(error)
    assert is_usable(pair)


def test_plain_write_is_silent_and_a_notified_one_is_answered() -> None:
    pair = connected()
    (plain,) = pair.client_sends(caproto.WriteRequest([2.5], 6, 1, 7, 1))
    assert list(plain.data) == [2.5]
    pair.client_sends(caproto.WriteNotifyRequest([2.5], 6, 1, 7, 2))
    (answer,) = pair.server_sends(caproto.WriteNotifyResponse(6, 1, NORMAL, 2))
    assert (answer.ioid, answer.status.name) == (2, "ECA_NORMAL")


def test_server_answers_only_what_was_asked() -> None:
    pair = connected()
    with pytest.raises(LocalProtocolError):
        pair.server.send(caproto.ReadNotifyResponse([1.0], 6, 1, NORMAL, 99))
    with pytest.raises(LocalProtocolError):
        pair.server.send(caproto.EventAddResponse([1.0], 6, 1, NORMAL, 99))
    assert is_usable(pair)


class TestSubscriptions:
    """Updates, empty updates and cancels (section 3.7)."""

    def test_updates(self) -> None:
        pair = connected()
        pair.subscribe()
        got = [pair.server_sends(caproto.EventAddResponse([value], 6, 1, NORMAL, 5))[0] for value in (1.0, 2.0, 3.0)]
        assert [command.data[0] for command in got] == [1.0, 2.0, 3.0]
        assert {type(command).__name__ for command in got} == {"EventAddResponse"}

    def test_cancel(self) -> None:
        pair = connected()
        pair.subscribe()
        pair.client_sends(caproto.EventCancelRequest(6, 7, 5))
        (end,) = pair.server_sends(caproto.EventCancelResponse(6, 7, 5, 1))
        assert end.ID == 1
        header = end.header
        assert (header.payload_size, header.data_type, header.data_count) == (0, 6, 1)
        assert (header.parameter1, header.parameter2) == (7, 5)
        assert not pair.client.event_add_commands
        assert not pair.server.event_add_commands

    def test_empty_update_is_an_update(self) -> None:
        pair = connected()
        pair.subscribe(data_count=0)
        for _ in range(3):
            (update,) = deliver(pair.client, message(1, 6, 0, NORMAL, 5))
            assert type(update).__name__ == "EventAddResponse"
            assert list(update.data) == []
            assert 5 in pair.client.event_add_commands
        (update,) = deliver(pair.client, message(1, 6, 1, NORMAL, 5, DOUBLE))
        assert list(update.data) == [2.5]

    def test_a_confirmation_is_no_update_even_where_updates_go_by_themselves(self) -> None:
        """With the SID 1 it is the same bytes as an empty update."""
        pair = ConnectionPair().open()
        pair.create(sid=1)
        pair.subscribe(sid=1, data_count=0)
        sink = pair.client.sinks[5] = codec.Inbox(6)
        assert deliver(pair.client, message(1, 6, 0, NORMAL, 5)) == []
        assert [list(update.data) for update in sink.take()] == [[]]
        pair.client_sends(caproto.EventCancelRequest(6, 1, 5))
        deliver(pair.client, message(1, 6, 0, 1, 5))
        assert 5 not in pair.client.event_add_commands
        assert len(sink) == 0

    @pytest.mark.parametrize("sid", [0, 1, 7])
    def test_confirmation_whatever_the_sid(self, sid: int) -> None:
        """Empty updates and confirmations differ in p1 only, and not even there if the SID is 1."""
        pair = ConnectionPair().open()
        pair.create(sid=sid)
        pair.subscribe(sid=sid, data_count=0)
        (update,) = deliver(pair.client, message(1, 6, 0, NORMAL, 5))
        assert type(update).__name__ == "EventAddResponse"
        pair.client_sends(caproto.EventCancelRequest(6, sid, 5))
        assert 5 in pair.client.event_add_commands
        deliver(pair.client, message(1, 6, 0, sid, 5))
        assert 5 not in pair.client.event_add_commands
        # The id is free again.
        pair.subscribe(sid=sid)
        (update,) = deliver(pair.client, message(1, 6, 1, NORMAL, 5, DOUBLE))
        assert list(update.data) == [2.5]

    def test_updates_in_flight_after_the_cancel(self) -> None:
        pair = connected()
        pair.subscribe()
        cancel = caproto.EventCancelRequest(6, 7, 5)
        pair.client.send(cancel)
        got = pair.server_sends(*(caproto.EventAddResponse([value], 6, 1, NORMAL, 5) for value in (1.0, 2.0)))
        assert len(got) == 2
        deliver(pair.server, bytes(cancel))
        assert 5 in pair.client.event_add_commands
        pair.server_sends(caproto.EventCancelResponse(6, 7, 5, 1))
        assert 5 not in pair.client.event_add_commands
        deliver(pair.client, message(1, 6, 1, NORMAL, 5, DOUBLE))  # late, and unknown by now
        assert is_usable(pair)

    def test_cancel_of_an_unknown_subscription(self) -> None:
        pair = connected()
        with pytest.raises(LocalProtocolError):
            pair.client.send(caproto.EventCancelRequest(6, 7, 77))
        commands, _ = pair.server.recv(message(2, 6, 1, 7, 77))
        with pytest.raises(RemoteProtocolError, match="77"):
            pair.server.process_command(commands[0])
        assert is_usable(pair)

    def test_cancel_with_the_count_cut_to_sixteen_bits(self) -> None:
        """libca cancels DOUBLE[70000] with count 4464; the server confirms the original count."""
        pair = ConnectionPair().open()
        pair.create(data_count=70000)
        pair.subscribe(data_count=70000)
        deliver(pair.server, message(2, 6, 4464, 7, 5))
        sent = b"".join(bytes(part) for part in pair.server.send(caproto.EventCancelResponse(6, 7, 5, 70000)))
        assert sent == struct.pack(">HHHHIIII", 1, 0xFFFF, 6, 0, 7, 5, 0, 70000)

    def test_bad_update_fails_itself(self) -> None:
        pair = connected()
        pair.subscribe()
        bad, good = pair.client.recv(message(1, 6, 3, NORMAL, 5, DOUBLE) + message(1, 6, 1, NORMAL, 5, DOUBLE))[0]
        with pytest.raises(caproto.CaprotoError):
            process_and_look(pair.client, bad)
        process_and_look(pair.client, good)
        assert list(good.data) == [2.5]

    def test_status_of_an_update(self) -> None:
        pair = connected()
        pair.subscribe()
        (update,) = deliver(pair.client, message(1, 6, 1, 368, 5, bytes(8)))
        assert update.status.name == "ECA_NORDACCESS"

    def test_many_subscriptions_of_one_channel(self) -> None:
        pair = connected()
        for number in range(100):
            pair.subscribe(subscriptionid=number)
        pair.client_sends(*(caproto.EventCancelRequest(6, 7, number) for number in range(100)))
        ends = pair.server_sends(*(caproto.EventCancelResponse(6, 7, number, 1) for number in range(100)))
        assert [end.subscriptionid for end in ends] == list(range(100))


class TestClearing:
    """CLEAR_CHANNEL (section 3.8)."""

    def test_cleared(self) -> None:
        pair = connected()
        channel = pair.client.channels[1]
        pair.client_sends(caproto.ClearChannelRequest(7, 1))
        with pytest.raises(LocalProtocolError):
            pair.client.send(caproto.ReadNotifyRequest(6, 1, 7, 1))
        (answer,) = pair.server_sends(caproto.ClearChannelResponse(7, 1))
        assert (answer.sid, answer.cid) == (7, 1)
        assert repr(channel.states[CLIENT]) == "CLOSED"
        assert 1 not in pair.client.channels
        assert 7 not in pair.client.channels_sid
        assert 1 not in pair.server.channels

    def test_late_messages_for_a_cleared_channel(self) -> None:
        pair = connected()
        pair.subscribe()
        pair.client_sends(caproto.ReadNotifyRequest(6, 1, 7, 4))
        clear = caproto.ClearChannelRequest(7, 1)
        pair.client.send(clear)
        deliver(
            pair.client,
            message(1, 6, 1, NORMAL, 5, DOUBLE) + message(15, 6, 1, NORMAL, 4, DOUBLE) + message(22, 0, 0, 1, 1),
        )
        deliver(pair.client, message(12, 0, 0, 7, 1))
        deliver(pair.client, message(1, 6, 1, NORMAL, 5, DOUBLE))
        assert is_usable(pair)

    def test_ids_can_be_used_again(self) -> None:
        pair = connected()
        for _ in range(3):
            pair.client_sends(caproto.ClearChannelRequest(7, 1))
            pair.server_sends(caproto.ClearChannelResponse(7, 1))
            pair.create()
        assert pair.channel_states() == ("CONNECTED", "CONNECTED")
