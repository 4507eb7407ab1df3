"""The tutorial "Writing Your Own Channel Access Client", step by step as it is printed, against a real IOC
and against our own.

Each ``In [n]`` of the tutorial is marked.  What a machine decides is not compared literally: port, address,
the id the server chose for the channel.  Arrays are in native byte order.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import caproto
from caproto.ioc_examples.random_walk import RandomWalkIOC
from tests.interop.raw import RawClient
from tests.tutorials.conftest import Server

pytestmark = pytest.mark.interop
pytest.importorskip("numpy", reason="the tutorial prints numpy arrays")

REGISTER = b"\x00\x18\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
CONFIRM = b"\x00\x11\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x00\x00\x01"
SEARCH = (
    b"\x00\x00\x00\x00\x00\x00\x00\r\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x10\x00\x05\x00\r"
    b"\x00\x00\x00\x00\x00\x00\x00\x00random_walk:dt\x00\x00"
)
NORMAL = (
    "CAStatusCode(name='ECA_NORMAL', code=0, code_with_severity=1, severity=<CASeverity.SUCCESS: 1>, "
    "success=1, defunct=False, description='Normal successful completion')"
)


@pytest.fixture
def udp_sock() -> Iterator[socket.socket]:
    with caproto.bcast_socket() as sock:
        sock.settimeout(5)
        yield sock


@pytest.fixture
def fresh_dt(server: Server) -> Server:
    """The IOC with ``random_walk:dt`` back at the value the tutorial starts from."""
    with RawClient(server.address) as client:
        sid, _, _ = client.create("random_walk:dt")
        assert client.write(sid, 6, 1, b"\x40\x08\0\0\0\0\0\0") == 1
    return server


def test_registering_with_the_repeater(repeater: int, udp_sock: socket.socket) -> None:
    bytes_to_send = REGISTER  # In [3]
    assert udp_sock.sendto(bytes_to_send, ("127.0.0.1", repeater)) == 16
    data, _ = udp_sock.recvfrom(1024)
    assert data == CONFIRM  # Out[6]

    with caproto.bcast_socket() as udp_sock:  # In [8]
        udp_sock.settimeout(5)
        b = caproto.Broadcaster(our_role=caproto.CLIENT)
        command = caproto.RepeaterRegisterRequest("0.0.0.0")
        bytes_to_send = b.send(command)
        assert bytes_to_send == REGISTER  # Out[12]
        assert udp_sock.sendto(bytes_to_send, ("127.0.0.1", repeater)) == 16
        bytes_received, address = udp_sock.recvfrom(1024)
    commands = b.recv(bytes_received, address)
    assert [type(command).__name__ for command in commands] == ["RepeaterConfirmResponse"]
    assert commands[0].repeater_address == "127.0.0.1"
    b.process_commands(commands)  # In [16]
    assert b.registered


def search(udp_sock: socket.socket, ioc: Server) -> tuple[str, int]:
    """In [17] to Out[29]."""
    b = caproto.Broadcaster(our_role=caproto.CLIENT)
    hosts = caproto.get_address_list()
    assert hosts == ["127.0.0.1"]
    name = "random_walk:dt"
    bytes_to_send = b.send(
        caproto.VersionRequest(priority=0, version=13), caproto.SearchRequest(name=name, cid=0, version=13)
    )
    assert bytes_to_send == SEARCH  # Out[21]
    for host in hosts:
        udp_sock.sendto(bytes_to_send, (host, ioc.port))
    bytes_received, recv_address = udp_sock.recvfrom(1024)
    commands = b.recv(bytes_received, recv_address)
    version_response, search_response = commands
    assert repr(version_response) == "VersionResponse(version=13)"
    expected = f"SearchResponse(port={ioc.port}, ip='255.255.255.255', cid=0, version=13)"
    assert repr(search_response) == expected  # Out[27]
    address: tuple[str, int] = caproto.extract_address(search_response)
    assert address == ("127.0.0.1", ioc.port)  # Out[29]
    return address


class Conversation:
    """The two convenience functions of In [33] and In [34] around one socket and one circuit."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address, 5)
        self.circuit = caproto.VirtualCircuit(our_role=caproto.CLIENT, address=address, priority=0)

    def send(self, *commands: Any) -> None:
        buffers_to_send = self.circuit.send(*commands)
        self.sock.sendmsg(buffers_to_send)

    def recv(self) -> deque[Any]:
        bytes_received = self.sock.recv(4096)
        commands, _ = self.circuit.recv(bytes_received)
        for command in commands:
            self.circuit.process_command(command)
        return commands


@pytest.fixture
def connect() -> Iterator[Callable[[tuple[str, int]], Conversation]]:
    made: list[Conversation] = []

    def make(address: tuple[str, int]) -> Conversation:
        made.append(Conversation(address))
        return made[-1]

    yield make
    for conversation in made:
        conversation.sock.close()


def states(circuit: Any, cid: int) -> tuple[str, str]:
    channel = circuit.channels[cid]
    return repr(channel.states[caproto.CLIENT]), repr(channel.states[caproto.SERVER])


def test_condensed_conversation(
    fresh_dt: Server, udp_sock: socket.socket, connect: Callable[[tuple[str, int]], Conversation]
) -> None:
    address = search(udp_sock, fresh_dt)
    talk = connect(address)
    send, recv, circuit = talk.send, talk.recv, talk.circuit

    assert repr(circuit.states[caproto.CLIENT]) == "SEND_VERSION_REQUEST"
    send(caproto.VersionRequest(priority=0, version=13))  # In [35]
    assert repr(recv()) == "deque([VersionResponse(version=13)])"  # Out[36]
    assert {repr(state) for state in circuit.states.values()} == {"CONNECTED"}
    send(caproto.HostNameRequest("localhost"))
    send(caproto.ClientNameRequest("user"))
    cid = 1
    send(caproto.CreateChanRequest(name="random_walk:dt", cid=cid, version=13))  # In [40]
    assert states(circuit, cid) == ("AWAIT_CREATE_CHAN_RESPONSE", "SEND_CREATE_CHAN_RESPONSE")
    commands = recv()
    access_response, create_chan_response = commands
    assert repr(access_response) == "AccessRightsResponse(cid=1, access_rights=<AccessRights.WRITE|READ: 3>)"
    sid = create_chan_response.sid  # In [45]
    assert repr(create_chan_response) == (
        f"CreateChanResponse(data_type=<ChannelType.DOUBLE: 6>, data_count=1, cid=1, sid={sid})"
    )
    assert states(circuit, cid) == ("CONNECTED", "CONNECTED")

    send(
        caproto.ReadNotifyRequest(
            data_type=create_chan_response.data_type,
            data_count=create_chan_response.data_count,
            sid=sid,
            ioid=1,
        )
    )
    assert repr(recv()) == (  # Out[47]
        "deque([ReadNotifyResponse(data=array([3.]), data_type=<ChannelType.DOUBLE: 6>, data_count=1, "
        f"status={NORMAL}, ioid=1, metadata=None)])"
    )
    send(
        caproto.WriteNotifyRequest(
            data=(4,),
            data_type=create_chan_response.data_type,
            data_count=create_chan_response.data_count,
            sid=sid,
            ioid=2,
        )
    )
    assert repr(recv()) == (  # Out[49]
        f"deque([WriteNotifyResponse(data_type=<ChannelType.DOUBLE: 6>, data_count=1, status={NORMAL}, ioid=2)])"
    )
    req = caproto.EventAddRequest(  # In [50]
        data_type=create_chan_response.data_type,
        data_count=create_chan_response.data_count,
        sid=sid,
        subscriptionid=0,
        low=0,
        high=0,
        to=0,
        mask=1,
    )
    send(req)
    assert repr(recv()) == (  # Out[52]
        "deque([EventAddResponse(data=array([4.]), data_type=<ChannelType.DOUBLE: 6>, data_count=1, "
        f"status={NORMAL}, subscriptionid=0, metadata=None)])"
    )
    send(caproto.EventCancelRequest(data_type=req.data_type, sid=req.sid, subscriptionid=req.subscriptionid))
    commands = recv()  # In [54]; the request of the tutorial has no count, the server confirms the original one
    assert repr(commands) == (
        "deque([EventAddResponse(data=(repr: tuple index out of range), data_type=<ChannelType.DOUBLE: 6>, "
        f"data_count=1, status=(repr: {sid}), subscriptionid=0, metadata=(repr: tuple index out of range))])"
    )

    send(caproto.ClearChannelRequest(sid, cid))
    assert repr(recv()) == f"deque([ClearChannelResponse(sid={sid}, cid=1)])"  # Out[56]
    assert cid not in circuit.channels or states(circuit, cid) == ("CLOSED", "CLOSED")


def test_simplified_bookkeeping_with_channels(
    fresh_dt: Server, connect: Callable[[tuple[str, int]], Conversation]
) -> None:
    talk = connect(fresh_dt.address)
    send, recv, circuit = talk.send, talk.recv, talk.circuit
    chan = caproto.ClientChannel("random_walk:dt", circuit)
    send(chan.version())
    assert repr(recv()) == "deque([VersionResponse(version=13)])"
    send(chan.host_name("localhost"), chan.client_name("user"), chan.create())
    assert [type(command).__name__ for command in recv()] == ["AccessRightsResponse", "CreateChanResponse"]
    assert (chan.native_data_type, chan.native_data_count) == (caproto.ChannelType.DOUBLE, 1)
    assert chan.sid is not None

    send(chan.read())
    (read,) = recv()
    assert list(read.data) == [3.0]
    send(chan.write((4,)))  # a plain write: success is silent
    send(chan.write((5,), notify=True))
    assert [type(command).__name__ for command in recv()] == ["WriteNotifyResponse"]
    send(chan.subscribe())
    (update,) = recv()
    assert list(update.data) == [5.0]
    send(chan.unsubscribe(0))
    (cancelled,) = recv()
    assert cancelled.subscriptionid == 0
    send(chan.clear())
    assert [type(command).__name__ for command in recv()] == ["ClearChannelResponse"]


def test_our_own_ioc_begins_where_the_tutorial_does() -> None:
    assert RandomWalkIOC(prefix="random_walk:").dt.value == 3.0


def test_composing_commands_changes_no_state() -> None:
    circuit = caproto.VirtualCircuit(our_role=caproto.CLIENT, address=("127.0.0.1", 5064), priority=0)
    chan = caproto.ClientChannel("random_walk:dt", circuit)
    before = dict(circuit.states), dict(chan.states)
    chan.version()
    chan.create()
    assert (dict(circuit.states), dict(chan.states)) == before
