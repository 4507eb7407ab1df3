"""Real libca clients (aioca, pyepics) and plain sockets against a server with every kind of PV, over both skins."""

from __future__ import annotations

import importlib.util
import json
import signal
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

import caproto
from tests.interop.talk import Talk
from tests.isolation import search
from tests.server.conftest import Server

pytestmark = pytest.mark.interop
needs_aioca = pytest.mark.skipif(importlib.util.find_spec("aioca") is None, reason="no aioca: no libca client here")
needs_pyepics = pytest.mark.skipif(importlib.util.find_spec("epics") is None, reason="no pyepics: no libca client here")

AIOCA = """
import asyncio, json, sys, warnings
warnings.simplefilter("ignore")
import numpy
from aioca import FORMAT_CTRL, FORMAT_TIME, DBR_CHAR_STR, DBR_STRING, CANothing, caget, cainfo, camonitor, caput
def plain(value):
    return value.tolist() if hasattr(value, "tolist") else str(value) if isinstance(value, str) else value
async def until(condition):
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError
async def main():
    out = {}
%s
    print(json.dumps(out))
asyncio.run(main())
"""


def aioca(server: Server, code: str) -> dict[str, Any]:
    body = "\n".join("    " + line for line in code.strip().splitlines())
    done = server.client(AIOCA % body)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@needs_aioca
def test_values_metadata_and_conversions(server: Server) -> None:
    out = aioca(
        server,
        """
names = ["double", "float", "long", "short", "enum", "string", "byte", "strings", "array"]
out["values"] = [plain(value) for value in await caget(names, timeout=10)]
out["texts"] = [plain(value) for value in await caget(names[:6], datatype=DBR_STRING)]
ctrl = await caget("double", format=FORMAT_CTRL)
out["ctrl"] = [ctrl.units, ctrl.precision, ctrl.upper_disp_limit, ctrl.lower_alarm_limit]
out["states"] = list((await caget("enum", format=FORMAT_CTRL)).enums)
timed = await caget("double", format=FORMAT_TIME)
import time
out["recent"] = abs(time.time() - timed.timestamp) < 3600
out["char"] = await caget("char", datatype=DBR_CHAR_STR)
out["long"] = await caget("string.VAL$", datatype=DBR_CHAR_STR)
out["part"] = plain(await caget("array.[1:2]"))
out["host"] = (await cainfo("double")).count
""",
    )
    assert out["values"] == [1.5, 2.5, 70000, -3, 1, "hello", [1, 2, 255], ["a", "bc"], [1.0, 2.0, 3.0]]
    assert out["texts"] == ["1.500", "2.5", "70000", "-3", "on", "hello"]
    assert out["ctrl"] == ["mm", 3, 100.0, -90.0]
    assert out["states"] == ["off", "on", "fault"]
    assert out["recent"] and out["char"] == "a long text " * 10 and out["long"] == "hello"
    assert out["part"] == [2.0, 3.0] and out["host"] == 1


@needs_aioca
def test_puts_monitors_and_hooks(server: Server) -> None:
    out = aioca(
        server,
        """
seen, enums = [], []
monitor = camonitor("long", lambda value: seen.append(int(value)), all_updates=True)
other = camonitor("enum", lambda value: enums.append(str(value)), datatype=DBR_STRING, all_updates=True)
await until(lambda: seen and enums)
for value in (1, 2, 3):
    await caput("long", value, wait=True)
for value in ("off", 2, "on"):
    await caput("enum", value, wait=True)
await caput("string", "written", wait=True)
await caput("char", "some other text", datatype=DBR_CHAR_STR, wait=True)
await caput("array", [5.5, 6.5], wait=True)
await caput("strings", ["x", "y", "z"], wait=True)
await caput("hooked", 21, wait=True)
await until(lambda: len(seen) == 4 and len(enums) == 4)
out["seen"], out["enums"] = list(seen), list(enums)
out["after"] = [plain(value) for value in await caget(["string", "array", "strings", "hooked"])]
out["char"] = await caget("char", datatype=DBR_CHAR_STR)
wrong = []
for name, value in (("enum", "none"), ("double", "abc"), ("hooked", 13), ("readonly", 1)):
    result = await caput(name, value, wait=True, throw=False)
    wrong.append(result.ok)
out["wrong"] = wrong
await caput("long", 70000, wait=True)
monitor.close(), other.close()
out["alive"] = plain(await caget("readonly"))
""",
    )
    assert out["seen"] == [70000, 1, 2, 3] and out["enums"] == ["on", "off", "fault", "on"]
    assert out["after"] == ["written", [5.5, 6.5], ["x", "y", "z"], 42.0]
    assert out["char"] == "some other text"
    assert out["wrong"] == [False] * 4 and out["alive"] == 4.0


@needs_aioca
def test_a_million_elements_and_a_thousand_pvs(server: Server) -> None:
    out = aioca(
        server,
        """
ramp = numpy.arange(1_000_000.0)
sums = []
monitor = camonitor("million", lambda value: sums.append((len(value), float(value.sum()))))
await until(lambda: sums)
await caput("million", ramp, wait=True, timeout=30)
await until(lambda: len(sums) == 2)
back = await caget("million", timeout=30)
out["same"] = bool((back == ramp).all())
out["sums"] = sums
monitor.close()
values = await caget([f"many:{number}" for number in range(1000)], timeout=20)
out["many"] = [int(value) for value in values] == list(range(1000))
out["none"] = bool(isinstance(await caget("no such", timeout=0.3, throw=False), CANothing))
""",
    )
    assert out["same"] and out["sums"] == [[1, 0.0], [1_000_000, 499999500000.0]]
    assert out["many"] and out["none"]


@needs_pyepics
def test_pyepics(server: Server) -> None:
    done = server.client(
        """
import json, sys, time, epics
pv = epics.PV("float", form="ctrl")
assert pv.wait_for_connection(10)
done = []
pv.put(7.5, callback=lambda **kw: done.append(1))
deadline = time.time() + 10
while not done and time.time() < deadline:
    time.sleep(0.01)
enum = epics.PV("enum")
print(json.dumps([pv.get(use_monitor=False), pv.precision, len(done), enum.get(as_string=True), enum.enum_strs,
                  epics.caget("char", as_string=True)[:6], pv.access]))
epics.caput("float", 2.5, wait=True)
"""
    )
    assert done.returncode == 0, done.stderr
    value, precision, called, state, states, text, access = json.loads(done.stdout.splitlines()[-1])
    assert (value, precision, called, state, access) == (7.5, 1, 1, "on", "read/write")
    assert states == ["off", "on", "fault"] and text in ("a long", "some o")


@needs_aioca
def test_name_server(server: Server) -> None:
    body = '    out["value"] = plain(await caget("many:7", timeout=10))'
    environment = dict(server.environment)
    server.environment.update(EPICS_CA_ADDR_LIST="", EPICS_CA_NAME_SERVERS=f"127.0.0.1:{server.port}")
    try:
        done = server.client(AIOCA % body)
    finally:
        server.environment.clear()
        server.environment.update(environment)
    assert json.loads(done.stdout.splitlines()[-1]) == {"value": 7}, done.stderr


# Plain sockets ------------------------------------------------------------------------------------------


def create(talk: Talk, name: str) -> Any:
    channel = caproto.ClientChannel(name, talk.circuit)
    talk.send(channel.create())
    while channel.sid is None:
        assert talk.pump()
    return channel


def test_every_type_of_every_pv_and_the_circuit_is_alive(server: Server) -> None:
    names = ["double", "float", "long", "short", "enum", "char", "byte", "array", "strings", "hooked", "readonly"]
    with Talk(("127.0.0.1", server.port)) as talk:
        for name in names:
            channel = create(talk, name)
            for data_type in range(39):
                talk.send(channel.read(data_type=data_type, data_count=0, ioid=1000 + data_type))
            answers: list[Any] = []
            while len(answers) < 39:
                assert talk.pump()
                answers = [c for c in talk.seen if isinstance(c, caproto.ReadNotifyResponse)]
            for answer in answers:
                numeric = LAYOUT_OF[int(answer.data_type)] != 0
                expected = "ECA_GETFAIL" if int(answer.data_type) in (35, 36) else "ECA_NORMAL"
                if name == "strings" and numeric:
                    expected = "ECA_GETFAIL"
                assert answer.status.name == expected, (name, answer.data_type)
            talk.seen.clear()


def test_wrong_requests_get_their_code_and_the_circuit_is_alive(server: Server) -> None:
    with Talk(("127.0.0.1", server.port)) as talk:
        pvs = {name: talk.channel(name) for name in ("double", "enum", "array", "readonly", "hooked", "string")}
        puts = [
            ("double", 0, 1, b"no number", "ECA_PUTFAIL"),
            ("enum", 3, 1, struct.pack(">H", 3), "ECA_PUTFAIL"),
            ("enum", 0, 1, b"no state", "ECA_PUTFAIL"),
            ("readonly", 6, 1, bytes(8), "ECA_NOWTACCESS"),
            ("hooked", 6, 1, struct.pack(">d", 13), "ECA_PUTFAIL"),  # its putter raises
            ("double", 20, 1, bytes(24), "ECA_PUTFAIL"),
            ("double", 39, 1, bytes(8), "ECA_BADTYPE"),
            ("array", 6, 5, bytes(8), "ECA_BADCOUNT"),
        ]
        for ioid, (name, data_type, count, payload, status) in enumerate(puts, 7000):
            payload = payload.ljust(-(-len(payload) // 8) * 8, b"\0")
            for command in (19, 4):
                if (name, command, data_type) == ("double", 4, 20):
                    continue  # as in EPICS Base, the value of a structure is taken by a plain write
                head = struct.pack(">HHHHII", command, len(payload), data_type, count, pvs[name].sid, ioid)
                talk.sock.sendall(head + payload + bytes(caproto.EchoRequest()))
                talk.next("EchoResponse")
                answers = [c for c in talk.seen if isinstance(c, (caproto.WriteNotifyResponse, caproto.ErrorResponse))]
                talk.seen.clear()
                if name == "hooked":
                    while not answers:
                        talk.pump()
                        answers = [c for c in talk.seen if hasattr(c, "status")]
                        talk.seen.clear()
                assert [answer.status.name for answer in answers] == [status], (name, data_type, command)
        for name, channel in pvs.items():
            assert talk.read(channel).status.name == "ECA_NORMAL", name


LAYOUT_OF = [number % 7 for number in range(35)] + [3, 3, 0, 0]


def test_scanners_and_half_a_client_disturb_nobody(server: Server) -> None:
    with Talk(("127.0.0.1", server.port)) as talk:
        channel = create(talk, "double")
        for noise in (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01" + bytes(40),
        ):
            with socket.create_connection(("127.0.0.1", server.port), 5) as scanner:
                scanner.settimeout(10)
                scanner.sendall(noise)
                assert len(_everything(scanner)) == 16  # the server's VERSION, then the end
        with socket.create_connection(("127.0.0.1", server.port), 5) as half:
            half.sendall(
                bytes(caproto.VersionRequest(0, 13)) + struct.pack(">HHHHII", 4, 8000, 6, 1000, 0, 0) + bytes(9)
            )
            half.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        talk.send(channel.read(data_count=1))
        while not any(isinstance(command, caproto.ReadNotifyResponse) for command in talk.seen):
            assert talk.pump()


def _everything(sock: socket.socket) -> bytes:
    found = b""
    while True:
        part = sock.recv(65536)
        if not part:
            return found
        found += part


def test_a_client_that_does_not_read_holds_up_nobody(server: Server) -> None:
    million = 1_000_000
    with socket.create_connection(("127.0.0.1", server.port), 5) as stalled, Talk(("127.0.0.1", server.port)) as talk:
        requests = [caproto.VersionRequest(0, 13), caproto.CreateChanRequest("million", 1, 13)]
        stalled.sendall(b"".join(bytes(request) for request in requests))
        stalled.settimeout(10)
        head = b""
        while len(head) < 48:
            head += stalled.recv(1000)
        (sid,) = struct.unpack(">I", head[-4:])
        read = bytes(caproto.ReadNotifyRequest(6, 0, sid, 5))
        extended = struct.pack(">HHHHIIII", 15, 0xFFFF, 6, 0, sid, 5, 0, million)
        stalled.sendall(read + extended * 200)  # 1.6 GB of answers that nobody takes
        channel = create(talk, "double")
        for value in range(20):
            talk.send(channel.write((float(value),), notify=True))
            talk.send(channel.read(data_count=1))
        while len([command for command in talk.seen if isinstance(command, caproto.ReadNotifyResponse)]) < 20:
            assert talk.pump()
        assert server.memory < 400_000_000
        talk.send(channel.write((1.5,), notify=True))
        assert talk.pump()


@pytest.mark.parametrize("skin", ["asyncio", "trio"])
def test_a_busy_tcp_port_is_no_obstacle_and_signals_end_it(skin: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        server = Server(skin, busy.getsockname()[1])
        try:
            assert server.started == skin
            assert search("many:5", server.port, 5)
            asked = bytes(caproto.VersionRequest(0, 13)) + bytes(caproto.SearchRequest("double", 1, 13))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(5)
                sock.sendto(asked, ("127.0.0.1", server.port))
                port = struct.unpack(">H", sock.recv(1000)[20:22])[0]
            assert port != server.port
            with Talk(("127.0.0.1", port)) as talk:
                create(talk, "double")
        finally:
            code, out, err = server.end(signal.SIGINT)
    assert (code, out) == (0, "bye\n") and "is in use" in err


@needs_aioca
@pytest.mark.parametrize("skin", ["asyncio", "trio"])
def test_rights_of_a_file_follow_a_pv(skin: str, tmp_path: Path) -> None:
    rules = tmp_path / "rules.acf"
    rules.write_text(
        'HAG(here) {127.0.0.1}  ASG(DEFAULT) { INPA(many:0) RULE(1, READ) RULE(1, WRITE) { HAG(here) CALC("A=0") } }'
    )
    server = Server(skin, None, str(rules))
    try:
        out = aioca(
            server,
            """
out["open"] = (await caput("many:1", 5, wait=True, throw=False)).ok
await caput("many:0", 1, wait=True)
out["closed"] = (await caput("many:1", 6, wait=True, throw=False)).ok
info = await cainfo("many:1")
out["info"] = [info.read, info.write, plain(await caget("many:1"))]
""",
        )
    finally:
        server.end(signal.SIGTERM)
    assert out == {"open": True, "closed": False, "info": [True, False, 5]}
