"""The synchronous client against a real IOC, and against servers that misbehave."""

from __future__ import annotations

import socket
import threading
import time
import types
from typing import Any

import pytest

import caproto as ca
from caproto.sync.client import block, interrupt, read, read_write_read, subscribe, write
from tests.interop.ioc import Ioc

pytestmark = pytest.mark.interop


def test_reads_native_and_by_class(ioc_environment: Ioc) -> None:
    assert list(read("ioc:ai", repeater=False).data) == [12.5]
    response = read("ioc:ai", data_type="control", repeater=False)
    assert response.metadata.units == b"mm"
    assert read("ioc:mbbi", data_type="time", repeater=False).data == [b"state 2"]
    assert list(read("ioc:mbbi", force_int_enums=True, repeater=False).data) == [2]
    assert list(read("ioc:ai", notify=False, repeater=False).data) == [12.5]


def test_reads_current_length_unless_told(ioc_environment: Ioc) -> None:
    assert len(read("ioc:wf:double", repeater=False).data) == 3
    assert list(read("ioc:wf:double", data_count=4, repeater=False).data)[3:] == [0.0]
    assert len(read("ioc:wf:empty", repeater=False).data) == 0


def test_writes_and_reads_back(ioc_environment: Ioc) -> None:
    before, answer, after = read_write_read("ioc:many10", 3.5, notify=True, repeater=False)
    assert answer is not None and answer.status.name == "ECA_NORMAL"
    assert list(after.data) == [3.5]
    assert write("ioc:many10", before.data, repeater=False) is None
    assert list(read("ioc:many10", repeater=False).data) == list(before.data)
    write("ioc:bo", "On it is", repeater=False)
    assert read("ioc:bo", repeater=False).data == [b"On it is"]


@pytest.mark.parametrize("notify", [False, True])
def test_refused_writes_raise(ioc_environment: Ioc, notify: bool) -> None:
    with pytest.raises(ca.ErrorResponseReceived, match="ioc:readonly: write refused by .*ECA_NOWTACCESS"):
        write("ioc:readonly", 1, notify=notify, repeater=False)


def test_large_arrays_go_both_ways(ioc_environment: Ioc) -> None:
    values = [float(number) for number in range(1_000_000)]
    write("ioc:wf:mega", values, notify=True, timeout=10, repeater=False)
    data = read("ioc:wf:mega", timeout=10, repeater=False).data
    assert (len(data), data[0], data[999_999]) == (1_000_000, 0.0, 999_999.0)


def test_time_out_says_what_was_waited_for(ioc_environment: Ioc) -> None:
    with pytest.raises(TimeoutError, match=f"no:such:pv: timed out after 0.2 s searching.*:{ioc_environment.port}"):
        read("no:such:pv", timeout=0.2, repeater=False)


def test_blocks_until_interrupted(ioc_environment: Ioc) -> None:
    seen: list[Any] = []
    old_form: list[Any] = []
    sub = subscribe("ioc:counter")
    other = subscribe("ioc:longin", priority=5)

    def collect(subscription: Any, response: Any) -> None:
        seen.append((subscription, response.data[0]))
        if len(seen) == 3:
            interrupt()

    sub.add_callback(collect)
    sub.add_callback(lambda response: old_form.append(response))
    token = other.add_callback(lambda response: old_form.append("removed"))
    other.remove_callback(token)
    block(sub, other, timeout=5, repeater=False)
    assert len(seen) == len(old_form) == 3
    assert seen[0][0] is sub
    assert seen[2][1] == seen[0][1] + 2


def test_blocks_for_a_duration_and_reports_missing_pvs(ioc_environment: Ioc) -> None:
    began = time.monotonic()
    subscribe("ioc:longin").block(duration=0.2, repeater=False)
    assert 0.2 <= time.monotonic() - began < 2
    with pytest.raises(TimeoutError, match="no:such:pv"):
        block(subscribe("ioc:longin"), subscribe("no:such:pv"), timeout=0.3, repeater=False)


def test_an_interrupt_from_another_thread_ends_the_wait(ioc_environment: Ioc) -> None:
    sub = subscribe("ioc:longin")
    sub.add_callback(lambda sub, response: threading.Thread(target=interrupt).start())
    block(sub, timeout=5, repeater=False)


def test_exceptions_of_callbacks_come_out(ioc_environment: Ioc) -> None:
    sub = subscribe("ioc:longin")
    sub.add_callback(lambda sub, response: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        block(sub, timeout=5, repeater=False)


class Peer:
    """A server made of this core that reads nothing while it sends: the worst partner for a large write."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.received: list[Any] = []
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.answer, self.serve)]
        for thread in self.threads:
            thread.start()

    def answer(self) -> None:
        broadcaster = ca.Broadcaster(ca.SERVER)
        data, address = self.udp.recvfrom(65536)
        (search,) = [c for c in broadcaster.recv(data, address) if isinstance(c, ca.SearchRequest)]
        reply = ca.SearchResponse(self.listener.getsockname()[1], None, search.cid, 13)
        self.udp.sendto(broadcaster.send(ca.VersionResponse(13), reply), address)

    def serve(self) -> None:
        sock, address = self.listener.accept()
        circuit = ca.VirtualCircuit(ca.SERVER, address, None)
        with sock:
            while data := sock.recv(1 << 20):
                for command in circuit.recv(data)[0]:
                    circuit.process_command(command)
                    for reply in self.replies(command):
                        for buffer in circuit.send(reply):
                            sock.sendall(buffer)

    def replies(self, command: Any) -> list[Any]:
        if isinstance(command, ca.VersionRequest):
            return [ca.VersionResponse(13)]
        if isinstance(command, ca.CreateChanRequest):
            return [ca.AccessRightsResponse(command.cid, 3), ca.CreateChanResponse(6, 4_000_000, command.cid, 1)]
        if isinstance(command, ca.EchoRequest):
            return [ca.EchoResponse()]
        if isinstance(command, ca.EventAddRequest):
            # More than the buffers of both sockets hold, then nothing is read before all of it is gone.
            return [ca.EventAddResponse(bytes(32_000_000), 6, 4_000_000, 1, command.subscriptionid)]
        self.received.append(command)
        return []

    def close(self) -> None:
        self.listener.close()
        self.udp.close()


def test_a_large_write_against_large_updates_does_not_deadlock(monkeypatch: pytest.MonkeyPatch) -> None:
    from caproto.sync._session import Monitor, Session

    peer = Peer()
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", f"127.0.0.1:{peer.udp.getsockname()[1]}")
    updates: list[int] = []
    try:
        with Session(repeater=False) as session:
            (channel,) = session.connect(["pv"], 5)
            owner = types.SimpleNamespace(update=lambda response: updates.append(len(response.data)))
            session.subscribe(channel, Monitor(owner))
            session.write(channel, bytes(32_000_000), 6, notify=False)
            barrier = session.barrier(channel)
            assert session.wait(lambda: barrier.done, 20)
            assert barrier.error is None
        assert updates == [4_000_000]
        assert [command.data_count for command in peer.received if isinstance(command, ca.WriteRequest)] == [4_000_000]
    finally:
        peer.close()
