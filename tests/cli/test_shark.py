"""Captures made of the recorded messages of EPICS Base."""

from __future__ import annotations

import builtins
import io
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import caproto
from caproto.sync.shark import MAX_HELD_SEGMENTS, shark
from tests import golden

dpkt = pytest.importorskip("dpkt")
pcapng = pytest.importorskip("dpkt.pcapng")

CLIENT_IP, SERVER_IP = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
PORT, CLIENT_PORT = 5064, 40000
LINKS = {"ethernet": 1, "raw": 101, "loopback": 0, "sll": 113}
FROM_CLIENT = [v.wire for v in golden.tcp("client")]
FROM_SERVER = [v.wire for v in golden.tcp("server")]


@pytest.fixture(autouse=True)
def _default_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EPICS_CA_SERVER_PORT", raising=False)
    monkeypatch.delenv("EPICS_CA_REPEATER_PORT", raising=False)


def packet(transport: Any, *, answer: bool = False) -> Any:
    source, destination = (SERVER_IP, CLIENT_IP) if answer else (CLIENT_IP, SERVER_IP)
    protocol = 6 if isinstance(transport, dpkt.tcp.TCP) else 17
    ip = dpkt.ip.IP(src=source, dst=destination, p=protocol, data=transport)
    ip.len = len(ip)
    return ip


def tcp(sequence: int, data: bytes = b"", *, answer: bool = False, flags: int = 0x10, port: int = PORT) -> Any:
    sport, dport = (port, CLIENT_PORT) if answer else (CLIENT_PORT, port)
    sequence &= 0xFFFFFFFF
    return packet(dpkt.tcp.TCP(sport=sport, dport=dport, seq=sequence, flags=flags, data=data), answer=answer)


def udp(data: bytes, sport: int, dport: int) -> Any:
    return packet(dpkt.udp.UDP(sport=sport, dport=dport, ulen=8 + len(data), data=data), answer=sport == PORT)


def capture(packets: list[Any], *, link: str = "ethernet", ng: bool = False) -> io.BytesIO:
    file = io.BytesIO()
    if ng:
        writer = pcapng.Writer(file, snaplen=1 << 18, linktype=LINKS[link])
    else:
        writer = dpkt.pcap.Writer(file, snaplen=1 << 18, linktype=LINKS[link])
    for number, item in enumerate(packets):
        raw = bytes(item)
        if not isinstance(item, bytes):
            head = {
                "ethernet": bytes(12) + b"\x08\x00",
                "raw": b"",
                "loopback": (2).to_bytes(4, sys.byteorder),
                "sll": bytes(14) + b"\x08\x00",
            }[link]
            raw = head + raw
        writer.writepkt(raw, ts=1000.0 + number)
    file.seek(0)
    return file


def found(packets: list[Any], **options: Any) -> list[bytes]:
    return [bytes(item.command) for item in shark(capture(packets, **options))]


def segments(stream: bytes, size: int, start: int = 100, **options: Any) -> list[Any]:
    return [tcp(start + pos, stream[pos : pos + size], **options) for pos in range(0, len(stream), size)]


def small(messages: list[bytes]) -> list[bytes]:
    return [message for message in messages if len(message) < 2000]


@pytest.mark.parametrize("ng", [False, True], ids=["pcap", "pcapng"])
@pytest.mark.parametrize("link", LINKS)
def test_every_link_and_format(link: str, ng: bool) -> None:
    requests, responses = small(FROM_CLIENT), small(FROM_SERVER)
    packets = segments(b"".join(requests), 1000) + segments(b"".join(responses), 1000, answer=True)
    items = list(shark(capture(packets, link=link, ng=ng)))
    assert len(items) == len(requests) + len(responses)
    first, last = items[0], items[-1]
    assert (first.src, first.dst, first.transport.sport, first.transport.dport) == (
        "10.0.0.1", "10.0.0.2", CLIENT_PORT, PORT,
    )  # fmt: skip
    assert (last.src, last.transport.sport) == ("10.0.0.2", PORT)
    assert first.timestamp == pytest.approx(1000.0)
    assert (first.ethernet is not None) == (link == "ethernet")


@pytest.mark.parametrize("size", [1, 7, 16, 40000])
def test_split_segments(size: int) -> None:
    messages = small(FROM_CLIENT)
    assert len(found(segments(b"".join(messages), size))) == len(messages)


@pytest.mark.parametrize("start", [100, 0xFFFFFFF0])
def test_disorder_and_retransmissions(start: int) -> None:
    messages = small(FROM_SERVER)
    parts = segments(b"".join(messages), 100, start, answer=True)
    expected = found(parts)
    mixed = parts[:1] + parts[:1]
    for pos in range(1, len(parts), 5):
        block = parts[pos : pos + 5]
        random.Random(pos).shuffle(block)
        mixed += block + block[:2]
    stream = b"".join(messages)
    mixed.append(tcp(start + 50, stream[50:400], answer=True))
    assert len(expected) == len(messages)
    assert found(mixed) == expected


def test_gap_costs_only_what_it_touches() -> None:
    message = small(FROM_CLIENT)[-1]
    parts = segments(message * 10, len(message))
    assert len(found(parts[:3] + parts[4:])) == 9
    many = segments(message * (MAX_HELD_SEGMENTS + 10), len(message))
    assert len(found(many[:1] + many[2:])) == len(many) - 1


@pytest.mark.parametrize("answer", [False, True])
def test_role_without_known_port(answer: bool) -> None:
    messages = small(FROM_SERVER if answer else FROM_CLIENT)
    stream = b"".join(messages)
    syn = [tcp(9, flags=2, port=50000), tcp(99, flags=0x12, answer=True, port=50000)]
    start = 100 if answer else 10
    parts = segments(stream, 1000, start, answer=answer, port=50000)
    assert len(found(syn + parts)) == len(messages)


def test_role_by_trying() -> None:
    create = next(wire for wire in FROM_CLIENT if wire[:2] == b"\0\x12")
    (item,) = shark(capture([tcp(5, create, port=50000)]))
    assert isinstance(item.command, caproto.CreateChanRequest)


def test_datagrams() -> None:
    for vector in golden.vectors():
        if vector.transport != "udp" or not vector.wire:  # an empty one registers at a repeater
            continue
        ports = (CLIENT_PORT, PORT) if vector.role == "client" else (PORT, CLIENT_PORT)
        command = int.from_bytes(vector.wire[:2], "big")
        if command in (13, 24):
            ports = (CLIENT_PORT, 5065)
        items = list(shark(capture([udp(vector.wire, *ports)])))
        assert items, vector.name
        assert b"".join(bytes(item.command) for item in items)[:2] == vector.wire[:2]
        if command == 13:
            assert isinstance(items[0].command, caproto.Beacon)


def test_garbage_is_ignored() -> None:
    generator = random.Random(1)
    junk: list[Any] = [generator.randbytes(generator.randrange(100)) for _ in range(300)]
    junk += [bytes(12) + b"\x08\x00" + generator.randbytes(generator.randrange(60)) for _ in range(300)]
    junk += [tcp(1, flags=2, port=80), tcp(2, b"GET / HTTP/1.1\r\n\r\n" + bytes(64), port=80)]
    junk += [tcp(20 + 64, FROM_CLIENT[0], port=80), udp(generator.randbytes(64), 53, 4000)]
    assert found(junk) == []
    message = FROM_CLIENT[0]
    assert found([*junk, tcp(1, b"\xff" * 50), tcp(51, message)]) == [message]
    for _ in range(200):  # none of these may raise
        found([tcp(1, message + generator.randbytes(60)), udp(message + generator.randbytes(60), 1, PORT)])


def test_capture_cut_off() -> None:
    whole = capture([tcp(1, FROM_CLIENT[0]), tcp(1 + len(FROM_CLIENT[0]), FROM_CLIENT[0])]).getvalue()
    for length in range(24, len(whole)):
        assert len(list(shark(io.BytesIO(whole[:length])))) <= 2


def test_what_is_no_capture() -> None:
    for text in (b"", b"abc", b"not a capture at all, but long enough"):
        with pytest.raises(caproto.CaprotoValueError):
            list(shark(io.BytesIO(text)))


def test_without_dpkt(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "dpkt":
            raise ImportError("no dpkt")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(caproto.CaprotoError, match=r"pip install caproto\[complete\]"):
        list(shark(io.BytesIO()))


def run(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "caproto.commandline.shark", *arguments]
    return subprocess.run(command, input=data, capture_output=True, timeout=60)


def test_tool(tmp_path: Path) -> None:
    create = next(wire for wire in FROM_CLIENT if wire[:2] == b"\0\x12")
    data = capture([tcp(5, create)]).getvalue()
    (tmp_path / "a.pcap").write_bytes(data)
    for done in (run(data=data), run("-", data=data), run(str(tmp_path / "a.pcap"))):
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(b"1000.0 10.0.0.1:40000->10.0.0.2:5064 CreateChanRequest(")
    assert run("--format", "{src}", data=data).stdout.split() == [b"10.0.0.1"]
    assert run("--format", "{nothing}", data=data).returncode == 2
    assert run("--format", "{src.nothing}", data=data).returncode == 2
    assert run(data=b"rubbish").returncode == 1
    assert run(str(tmp_path / "missing")).returncode == 1
    assert run("-V").stdout.startswith(b"caproto ")
