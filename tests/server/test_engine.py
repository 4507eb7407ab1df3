"""The rules of the server without sockets (protocol sections 3, 9.2, 11.4, 11.5, 12 and 14)."""

from __future__ import annotations

import gc
import logging
import struct
import weakref
from typing import Any

import pytest

import caproto._commands as ca
from caproto._data import ChannelChar, ChannelData, ChannelDouble, ChannelEnum, ChannelInteger, ChannelString
from caproto._enums import SERVER, AccessRights
from caproto._headers import MessageHeader
from caproto._status import CAStatus
from caproto.server._circuit import MAX_JOBS
from caproto.server._engine import PATIENCE, ServerEngine
from tests.server.talk import Client, Loop, Pause


class Hooked(ChannelDouble):
    """Reads count up, writes wait."""

    reads = 0
    broken = False

    async def read(self, data_type: Any) -> Any:
        self.reads += 1
        await Pause()
        if self.broken:
            raise ZeroDivisionError
        await self.write(float(self.reads), verify_value=False)
        return await super().read(data_type)

    async def verify_value(self, data: Any) -> Any:
        await Pause()
        if self.broken:
            raise ZeroDivisionError
        return data


class Guarded(ChannelDouble):
    rights = AccessRights.READ | AccessRights.WRITE

    def check_access(self, hostname: str, username: str) -> AccessRights:
        assert (hostname, username) == ("host", "user")
        return self.rights


@pytest.fixture
def pvdb() -> dict[str, ChannelData]:
    return {
        "double": ChannelDouble(value=1.5, precision=2),
        "array": ChannelInteger(value=[1, 2, 3], max_length=10),
        "enum": ChannelEnum(value="on", enum_strings=["off", "on"]),
        "text": ChannelString(value="hello"),
        "long": ChannelChar(value="hello", max_length=100),
        "hooked": Hooked(value=0.0),
        "guarded": Guarded(value=1.0),
    }


@pytest.fixture
def engine(pvdb: dict[str, ChannelData], loop: Loop) -> ServerEngine:
    return ServerEngine(pvdb, port=5555, spawn=loop.spawn)


@pytest.fixture
def client(engine: ServerEngine) -> Client:
    return Client(engine)


def drive(coroutine: Any) -> None:
    with pytest.raises(StopIteration):
        coroutine.send(None)


def subscribe(client: Client, sid: int, number: int = 7, data_type: int = 6, count: int = 0, mask: int = 5) -> Any:
    return client.ask(ca.EventAddRequest(data_type, count, sid, number, 0, 0, 0, mask))


# Searches -----------------------------------------------------------------------------------------------


def datagram(*commands: Any) -> bytes:
    return b"".join(bytes(command) for command in commands)


def test_search_by_datagram_tells_port_and_sequence(engine: ServerEngine) -> None:
    asked = datagram(
        ca.VersionRequest(1, 13, sequence=77), ca.SearchRequest("double", 3, 13), ca.SearchRequest("none", 4, 13)
    )
    (answer,) = engine.datagram(asked, ("127.0.0.1", 1))
    expected = ca.VersionResponse(13, sequence=77), ca.SearchResponse(5555, None, 3, 13)
    assert answer == datagram(*expected)


@pytest.mark.parametrize(
    ("name", "known"),
    [("double", True), ("double.", True), ("double.VAL", True), ("double.VAL$", True), ("double.{bad", True),
     ("double.EGU", False), ("Double", False), ("", False), ("x" * 5000, False)],
)  # fmt: skip
def test_search_looks_at_record_and_field_only(engine: ServerEngine, name: str, known: bool) -> None:
    asked = datagram(ca.VersionRequest(0, 13), ca.SearchRequest(name, 3, 13))
    assert bool(engine.datagram(asked, ("127.0.0.1", 1))) is known


def test_no_datagram_for_what_is_not_ours(engine: ServerEngine) -> None:
    asked = datagram(ca.VersionRequest(0, 13), ca.SearchRequest("none", 3, 13, 10))
    assert engine.datagram(asked, ("127.0.0.1", 1)) == []  # NOT_FOUND is for TCP
    old = datagram(ca.VersionRequest(0, 3), ca.SearchRequest("double", 3, 3))
    assert engine.datagram(old, ("127.0.0.1", 1)) == []
    for nonsense in (b"", b"\0" * 7, b"GET / HTTP/1.1\r\n\r\n"):
        assert engine.datagram(nonsense, ("127.0.0.1", 1)) == []
    engine.ignore = frozenset({"10.0.0.1"})
    assert engine.datagram(datagram(ca.VersionRequest(0, 13), ca.SearchRequest("double", 3, 13)), ("10.0.0.1", 1)) == []


def test_many_answers_are_split_into_datagrams(engine: ServerEngine) -> None:
    asked = datagram(ca.VersionRequest(0, 13), *(ca.SearchRequest("double", cid, 13) for cid in range(100)))
    answers = engine.datagram(asked, ("127.0.0.1", 1))
    assert all(len(answer) <= 1024 for answer in answers)
    found = [command.cid for answer in answers for command in _commands(answer)]
    assert found == list(range(100))


def _commands(answer: bytes) -> list[Any]:
    return ca.read_datagram(answer, None, SERVER)[1:]


def test_search_on_a_circuit(client: Client) -> None:
    assert client.ask(ca.SearchRequest("double", 3, 13)) == [ca.SearchResponse(5555, None, 3, None)]
    assert client.ask(ca.SearchRequest("none", 4, 13)) == []
    assert client.ask(ca.SearchRequest("none", 4, 13, 10)) == [ca.NotFoundResponse(13, 4)]


def test_beacons_come_in_doubling_intervals(engine: ServerEngine) -> None:
    times, now = [], 100.0
    for number in range(14):
        beacon = engine.tick(now)
        assert beacon == bytes(ca.Beacon(13, 5555, number, "0.0.0.0"))
        assert engine.tick(now) is None
        assert engine.beacons.deadline is not None
        times.append(round(engine.beacons.deadline - now, 6))
        now = engine.beacons.deadline
    assert times == [0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 15, 15, 15, 15]


# The circuit --------------------------------------------------------------------------------------------


def test_a_second_version_is_accepted(client: Client) -> None:
    assert client.ask(ca.VersionRequest(1, 13)) == [] and not client.circuit.closing


@pytest.mark.parametrize("version", [ca.VersionRequest(0, 3), MessageHeader(0, 0, 100, 13)])
def test_old_clients_and_wrong_priorities_are_closed_silently(engine: ServerEngine, version: Any) -> None:
    client = Client(engine, greet=False)
    assert client.ask(version) == [] and client.circuit.closing


def test_clients_from_before_extended_headers_get_none(engine: ServerEngine, pvdb: dict[str, ChannelData]) -> None:
    pvdb["large"] = ChannelDouble(value=[1.0] * 70000, max_length=70000)
    new, old = Client(engine), Client(engine, greet=False)
    read = ca.ReadNotifyRequest(6, 70000, new.create("large"), 3)
    assert len(new.ask(read)[0].data) == 70000
    old.send(ca.VersionRequest(0, 8))
    created = old.ask(ca.CreateChanRequest("large", 1, 8))[1]
    assert (created.data_type, created.data_count) == (6, 0xFFFE)
    sid, no = created.sid, (0.0, 0.0, 0.0)
    for count, names in (
        (2044, ["ReadNotifyResponse", "ReadResponse", "EventAddResponse"]),
        (2047, ["ErrorResponse"] * 3),
    ):
        answers = old.ask(
            ca.ReadNotifyRequest(6, count, sid, 4),
            ca.ReadRequest(6, count, sid, 6),
            ca.EventAddRequest(20, count, sid, 7, *no, 1),
        )
        assert [type(answer).__name__ for answer in answers] == names
    assert {answer.status.name for answer in answers} == {"ECA_16KARRAYCLIENT"}
    assert old.ask(ca.EchoRequest()) == [ca.EchoResponse()]


def test_the_priority_is_that_of_the_first_version(engine: ServerEngine) -> None:
    client = Client(engine, greet=False)
    client.send(ca.VersionRequest(42, 13))
    # As a client of a name server sends it: a sequence number follows, no priority.
    client.send(ca.VersionRequest(1, 13, sequence=7))
    assert client.circuit.priority == 42 and not client.circuit.closing


def test_first_message_has_to_be_version(engine: ServerEngine) -> None:
    client = Client(engine, greet=False)
    (error,) = client.ask(ca.CreateChanRequest("double", 1, 13), ca.EchoRequest())
    assert error.status.name == "ECA_DEFUNCT" and not client.circuit.closing
    client.send(ca.VersionRequest(0, 13))
    assert client.create("double") == 0


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" * 3])
def test_scanners_are_closed_with_one_line(engine: ServerEngine, noise: bytes, caplog: Any) -> None:
    client = Client(engine, greet=False)
    with caplog.at_level(logging.INFO, "caproto.server"):
        client.circuit.get_buffer()[: len(noise)] = noise
        client.circuit.buffer_updated(len(noise))
        client.circuit.receive(noise)
    assert client.circuit.closing and len(caplog.records) == 1 and client.answers() == []


def test_those_who_say_nothing_are_closed(engine: ServerEngine, client: Client) -> None:
    silent = Client(engine, greet=False)
    engine.tick(PATIENCE - 1)
    assert not silent.circuit.closing
    engine.tick(PATIENCE)
    assert silent.circuit.closing and not client.circuit.closing


@pytest.mark.parametrize(("header", "answered"), [(MessageHeader(7), True), (MessageHeader(99), False)])
def test_unknown_requests_close_the_circuit(client: Client, header: Any, answered: bool) -> None:
    answers = client.ask(header)
    assert client.circuit.closing
    assert [answer.status.name for answer in answers] == ["ECA_INTERNAL"] * answered


def test_misaligned_payload_closes_the_circuit(client: Client) -> None:
    (error,) = client.ask(MessageHeader(18, 9), b"123456789")
    assert error.status.name == "ECA_INTERNAL" and client.circuit.closing


def test_echo_and_read_sync_are_mirrored(client: Client) -> None:
    echo = bytes(MessageHeader(23, 8, 1, 2, 3, 4)) + b"12345678"
    sync = bytes(MessageHeader(10, 0, 1, 2, 3, 4))
    assert [bytes(answer) for answer in client.ask(echo, sync)] == [echo, sync]


def test_names_come_before_channels(client: Client) -> None:
    client.create("double")
    (error,) = client.ask(ca.HostNameRequest("other"))
    assert error.status.name == "ECA_INTERNAL"
    assert (client.circuit.host_name, client.circuit.client_name) == ("host", "user")
    assert not client.circuit.closing


def test_one_byte_at_a_time(engine: ServerEngine) -> None:
    client = Client(engine, greet=False)
    for byte in datagram(ca.VersionRequest(0, 13), ca.CreateChanRequest("double", 1, 13)):
        client.circuit.receive(bytes([byte]))
    rights, created = client.answers()
    assert (rights.cid, created.cid, created.data_type, created.data_count) == (1, 1, 6, 1)


# Channels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "native", "count"),
    [("double", 6, 1), ("array", 5, 10), ("enum", 3, 1), ("text", 0, 1), ("long", 4, 100), ("text.VAL$", 4, 81),
     ("array.[2:4]", 5, 3), ('array.{"arr":{"s":0,"i":3}}', 5, 4), ('double.{"dbnd":{"abs":1},"dec":{"n":2}}', 6, 1)],
)  # fmt: skip
def test_create(client: Client, name: str, native: int, count: int) -> None:
    rights, created = client.ask(ca.CreateChanRequest(name, 9, 13))
    assert rights == ca.AccessRightsResponse(9, 3)
    assert (created.cid, created.data_type, created.data_count) == (9, native, count)


@pytest.mark.parametrize("name", ["none", "double.EGU", "double.{bad", 'double.{"dec":{"n":0}}', "enum.VAL$", "x" * 99])
def test_create_of_what_does_not_exist(client: Client, name: str) -> None:
    assert client.ask(ca.CreateChanRequest(name, 9, 13)) == [ca.CreateChFailResponse(9)]
    assert not client.circuit.closing


def test_large_counts_are_announced(client: Client, pvdb: dict[str, ChannelData]) -> None:
    pvdb["image"] = ChannelInteger(value=[0], max_length=1_000_000)
    assert client.ask(ca.CreateChanRequest("image", 9, 13))[1].data_count == 1_000_000


def test_clear_forgets_the_channel(client: Client, engine: ServerEngine, pvdb: dict[str, ChannelData]) -> None:
    sid = client.create("double")
    subscribe(client, sid)
    assert client.ask(ca.ClearChannelRequest(sid, 1)) == [ca.ClearChannelResponse(sid, 1)]
    assert not engine.channel_count and not client.circuit.channels and pvdb["double"]._subscriptions is None
    (error,) = client.ask(ca.ReadNotifyRequest(6, 0, sid, 5))
    assert error.status.name == "ECA_INTERNAL" and not client.circuit.closing


def test_a_lost_client_leaves_nothing_behind(
    client: Client, engine: ServerEngine, pvdb: dict[str, ChannelData]
) -> None:
    subscribe(client, client.create("double"))
    client.circuit.disconnected()
    assert not engine.channel_count and not engine.circuits and pvdb["double"]._subscriptions is None
    drive(pvdb["double"].write(3.0))
    assert client.answers() == []


# Reading ------------------------------------------------------------------------------------------------


def test_reads_of_the_same_are_answered_with_the_same_bytes(client: Client) -> None:
    sid = client.create("double")
    answers = client.ask(*(ca.ReadNotifyRequest(20, 1, sid, ioid) for ioid in range(5)))
    assert [(answer.ioid, answer.status.name, list(answer.data)) for answer in answers] == [
        (ioid, "ECA_NORMAL", [1.5]) for ioid in range(5)
    ]


def test_counts(client: Client) -> None:
    sid = client.create("array")
    answers = client.ask(*(ca.ReadNotifyRequest(5, count, sid, count) for count in (0, 2, 3, 5, 12)))
    assert [list(answer.data) for answer in answers] == [
        [1, 2, 3], [1, 2], [1, 2, 3], [1, 2, 3, 0, 0], [1, 2, 3] + [0] * 9,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data_type", "count", "status", "size"),
    [(6, 1, "ECA_GETFAIL", 8), (20, 2, "ECA_GETFAIL", 32), (35, 1, "ECA_GETFAIL", 8), (39, 1, "ECA_BADTYPE", 0),
     (0, 2**31, "ECA_BADCOUNT", 0)],
)  # fmt: skip
def test_failed_reads_fail_alone(client: Client, data_type: int, count: int, status: str, size: int) -> None:
    sid = client.create("text")
    request = MessageHeader(15, 0, data_type, count, sid, 8) if count < 65536 else None
    raw = bytes(request) if request else struct.pack(">HHHHIIII", 15, 0xFFFF, data_type, 0, sid, 8, 0, count)
    (answer,) = client.ask(raw)
    assert (answer.ioid, answer.status.name, answer.payload_size) == (8, status, size)
    assert not any(bytes(answer)[16:])
    assert client.ask(ca.EchoRequest()) == [ca.EchoResponse()]


def test_obsolete_read(client: Client) -> None:
    sid = client.create("text", cid=4)
    (answer,) = client.ask(ca.ReadRequest(0, 1, sid, 8))
    assert (answer._parameter1, answer.ioid, answer.payload_size, list(answer.data)) == (4, 8, 8, [b"hello"])
    (error,) = client.ask(ca.ReadRequest(6, 1, sid, 8))
    assert error.status.name == "ECA_GETFAIL" and error.original_request.parameter2 == 8


def test_a_write_changes_what_is_read(client: Client) -> None:
    sid = client.create("double")
    answers = client.ask(
        ca.ReadNotifyRequest(6, 1, sid, 1),
        ca.WriteNotifyRequest((2.5,), 6, 1, sid, 2),
        ca.ReadNotifyRequest(6, 1, sid, 3),
    )
    assert [list(answers[0].data), answers[1], list(answers[2].data)] == [
        [1.5], ca.WriteNotifyResponse(6, 1, CAStatus.ECA_NORMAL.value, 2), [2.5],
    ]  # fmt: skip


# Writing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values", "data_type", "status"),
    [
        ("double", (b"up",), 0, "ECA_PUTFAIL"),
        ("enum", (9,), 3, "ECA_PUTFAIL"),
        ("enum", (b"off",), 0, "ECA_NORMAL"),
        ("array", tuple(range(20)), 5, "ECA_NORMAL"),
        ("array", (), 5, "ECA_NORMAL"),
        ("double", (1,), 36, "ECA_NORMAL"),
    ],
)
def test_write_notify(client: Client, name: str, values: Any, data_type: int, status: str) -> None:
    sid = client.create(name)
    (answer,) = client.ask(ca.WriteNotifyRequest(values, data_type, len(values), sid, 3))
    assert (answer.status.name, answer.ioid, answer.data_count) == (status, 3, len(values))


def test_a_write_that_succeeds_is_silent_and_one_that_fails_is_quoted(client: Client) -> None:
    sid = client.create("double", cid=4)
    assert client.ask(ca.WriteRequest((3,), 5, 1, sid, 4)) == []
    (error,) = client.ask(ca.WriteRequest((b"up",), 0, 1, sid, 4))
    assert (error.status.name, error.cid) == ("ECA_PUTFAIL", 4)
    assert (error.original_request.command, error.original_request.parameter2) == (4, 4)


def test_a_count_beyond_the_payload_is_refused(client: Client) -> None:
    sid = client.create("array")
    raw = bytes(MessageHeader(19, 8, 5, 100, sid, 3)) + bytes(8)
    (answer,) = client.ask(raw)
    assert answer.status.name == "ECA_BADCOUNT"
    assert client.ask(ca.WriteNotifyRequest((1.0,), 27, 1, sid, 3, metadata=None))[0].status.name == "ECA_PUTFAIL"


# Subscriptions ------------------------------------------------------------------------------------------


def test_updates(client: Client, pvdb: dict[str, ChannelData]) -> None:
    sid = client.create("double")
    (first,) = subscribe(client, sid, data_type=20)
    assert (list(first.data), first.status.name, first.subscriptionid) == ([1.5], "ECA_NORMAL", 7)
    drive(pvdb["double"].write(2.0))
    drive(pvdb["double"].write(3.0))
    assert [list(update.data) for update in client.answers()] == [[2.0], [3.0]]
    (confirmed,) = client.ask(ca.EventCancelRequest(20, sid, 7))
    assert bytes(confirmed) == bytes(ca.EventCancelResponse(20, sid, 7, 0))
    drive(pvdb["double"].write(4.0))
    assert client.answers() == []


@pytest.mark.parametrize(
    ("data_type", "mask", "status"), [(6, 0, "ECA_BADMASK"), (6, 256, "ECA_BADMASK"), (39, 1, "ECA_BADTYPE")]
)
def test_wrong_subscriptions_are_refused_alone(client: Client, data_type: int, mask: int, status: str) -> None:
    sid = client.create("double")
    (error,) = subscribe(client, sid, data_type=data_type, mask=mask)
    assert error.status.name == status and not client.circuit.closing
    assert client.ask(ca.EventCancelRequest(6, sid, 99))[0].status.name == "ECA_BADMONID"


def test_a_value_that_cannot_be_told_is_an_update_with_a_status(client: Client) -> None:
    (update,) = subscribe(client, client.create("text"), data_type=6, count=1)
    assert update.status.name == "ECA_GETFAIL" and update.payload_size == 8


def test_while_events_are_off_the_newest_value_is_kept(client: Client, pvdb: dict[str, ChannelData]) -> None:
    sid = client.create("double")
    subscribe(client, sid)
    client.send(ca.EventsOffRequest())
    for value in range(5):
        drive(pvdb["double"].write(10.0 + value))
    (answer,) = client.ask(ca.ReadNotifyRequest(6, 1, sid, 1))
    assert isinstance(answer, ca.ReadNotifyResponse)
    assert [list(update.data) for update in client.ask(ca.EventsOnRequest())] == [[14.0]]


def test_a_client_that_does_not_read_costs_its_budget_and_gets_the_newest(
    engine: ServerEngine, pvdb: dict[str, ChannelData]
) -> None:
    engine.budget = 10_000
    slow, fast = Client(engine), Client(engine)
    for client in (slow, fast):
        subscribe(client, client.create("double"))
    seen = []
    for value in range(5000):
        drive(pvdb["double"].write(float(value + 2)))
        seen += [update.data[0] for update in fast.answers()]
    assert seen == [float(value + 2) for value in range(5000)]
    assert slow.circuit.output.size <= 10_000 + 24 and len(slow.circuit.output.held) == 1
    got = [update.data[0] for update in slow.answers()]
    assert got == sorted(got) and got[-1] == 5001.0
    assert len(got) + slow.circuit.output.merged == 5000


@pytest.mark.parametrize("at_once", [True, False])
def test_requests_wait_while_answers_are_not_taken(
    engine: ServerEngine, pvdb: dict[str, ChannelData], at_once: bool
) -> None:
    pvdb["big"] = ChannelDouble(value=[1.0] * 10_000)
    engine.budget = 100_000
    client = Client(engine)
    sid = client.create("big")
    requests = [ca.ReadNotifyRequest(6, 0, sid, ioid) for ioid in range(50)]
    for part in [requests] if at_once else [[request] for request in requests]:
        client.send(*part)
    assert client.circuit.congested and client.circuit.output.size < 200_000
    assert [answer.ioid for answer in client.answers()] == list(range(50))
    assert not client.circuit.congested


def test_filters_of_a_channel(client: Client, pvdb: dict[str, ChannelData]) -> None:
    sid = client.create('double.{"dbnd":{"abs":2}}')
    subscribe(client, sid, mask=1)
    for value in (2.0, 3.0, 4.0, 5.0, 7.0):
        drive(pvdb["double"].write(value))
    assert [update.data[0] for update in client.answers()] == [4.0, 7.0]
    sid = client.create('array.{"arr":{"s":-2}}')
    assert list(client.ask(ca.ReadNotifyRequest(5, 0, sid, 1))[0].data) == [2, 3]


# Hooks --------------------------------------------------------------------------------------------------


def test_hooks_keep_the_order_of_their_channel_and_hold_up_nobody_else(client: Client, loop: Loop) -> None:
    hooked, other = client.create("hooked", 1), client.create("double", 2)
    answers = client.ask(
        ca.WriteNotifyRequest((5.0,), 6, 1, hooked, 1),
        ca.ReadNotifyRequest(6, 1, hooked, 2),
        ca.WriteNotifyRequest((6.0,), 6, 1, hooked, 3),
        ca.ReadNotifyRequest(6, 1, other, 4),
        ca.EchoRequest(),
    )
    assert [type(answer).__name__ for answer in answers] == ["ReadNotifyResponse", "EchoResponse"]
    order = []
    for _ in range(10):
        loop.step()
        order += [answer.ioid for answer in client.answers()]
    assert [ioid for ioid in order if ioid != 2] == [1, 3] and order.count(2) == 1  # reads need not wait for puts
    assert not loop.coroutines and client.circuit.jobs == 0


def test_hooks_that_fail_fail_their_own_request(client: Client, loop: Loop, pvdb: Any, caplog: Any) -> None:
    pvdb["hooked"].broken = True
    sid = client.create("hooked")
    client.send(ca.WriteNotifyRequest((5.0,), 6, 1, sid, 1), ca.ReadNotifyRequest(6, 1, sid, 2))
    for _ in range(5):
        loop.step()
    assert [answer.status.name for answer in client.answers()] == ["ECA_PUTFAIL", "ECA_GETFAIL"]
    assert sum("ZeroDivisionError" in record.exc_text for record in caplog.records if record.exc_text) == 2


def test_requests_that_wait_for_hooks_are_limited(client: Client, loop: Loop) -> None:
    sid = client.create("hooked")
    client.send(*(ca.WriteNotifyRequest((1.0,), 6, 1, sid, ioid) for ioid in range(MAX_JOBS + 500)))
    assert client.circuit.jobs == MAX_JOBS and client.circuit.congested
    seen = []
    for _ in range(3 * MAX_JOBS):
        loop.step()
        seen += [answer.ioid for answer in client.answers()]
    assert seen == list(range(MAX_JOBS + 500))


def test_a_client_that_leaves_while_a_hook_runs(client: Client, loop: Loop, engine: ServerEngine) -> None:
    sid = client.create("hooked")
    client.send(*(ca.ReadNotifyRequest(6, 1, sid, ioid) for ioid in range(3)))
    loop.step()
    client.circuit.disconnected()
    for _ in range(3):
        loop.step()
    assert not loop.coroutines and client.answers() == [] and not engine.channel_count


# Access -------------------------------------------------------------------------------------------------


def test_who_makes_channels_and_subscriptions_without_end_is_sent_away(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caproto.server._circuit.MAX_OBJECTS", 10)
    first = client.create("double", 1)
    for number in range(3):
        subscribe(client, first, number)
    client.ask(ca.EventCancelRequest(6, first, 2))
    for cid in range(2, 10):
        client.create("double", cid)
    refused = client.ask(ca.EchoRequest())
    assert [type(answer) for answer in refused] == [ca.ErrorResponse]
    assert refused[0].status.name == "ECA_ALLOCMEM" and client.circuit.closing


def test_a_circuit_that_is_gone_leaves_no_memory(engine: ServerEngine) -> None:
    client = Client(engine)
    sid = client.create("double")
    subscribe(client, sid)
    gone = weakref.ref(client.circuit)
    gc.disable()
    try:
        client.circuit.disconnected()
        del client
        assert gone() is None
    finally:
        gc.enable()


def test_without_rights(client: Client, pvdb: Any) -> None:
    pvdb["guarded"].rights = AccessRights(0)
    sid = client.create("guarded")
    assert client.circuit.channel(sid).rights == 0
    answers = client.ask(
        ca.ReadNotifyRequest(6, 1, sid, 1), ca.WriteNotifyRequest((1.0,), 6, 1, sid, 2),
        ca.WriteRequest((1.0,), 6, 1, sid, 1),
        ca.ReadRequest(6, 1, sid, 3), ca.EventAddRequest(6, 1, sid, 4, 0, 0, 0, 1),
    )  # fmt: skip
    assert [answer.status.name for answer in answers] == [
        "ECA_NORDACCESS", "ECA_NOWTACCESS", "ECA_NOWTACCESS", "ECA_NORDACCESS", "ECA_NORDACCESS",
    ]  # fmt: skip
    assert answers[0].payload_size == answers[4].payload_size == 8
    assert [type(answer).__name__ for answer in answers[2:4]] == ["ErrorResponse", "ErrorResponse"]


def test_rights_change_while_a_channel_lives(client: Client, engine: ServerEngine, loop: Loop, pvdb: Any) -> None:
    data = pvdb["guarded"]
    sid = client.create("guarded")
    assert subscribe(client, sid, count=1) == []
    loop.step()
    assert [list(update.data) for update in client.answers()] == [[1.0]]
    data.rights = AccessRights(0)
    engine.refresh_access(data)
    rights, update = client.answers()
    assert (int(rights.access_rights), update.status.name) == (0, "ECA_NORDACCESS")
    drive(data.write(9.0))
    assert client.answers() == []
    data.rights = AccessRights.READ
    engine.refresh_access()
    rights, update = client.answers()
    assert (int(rights.access_rights), list(update.data)) == (1, [9.0])
    engine.refresh_access()
    assert client.answers() == []
