"""The servers that are compared: each serves a DOUBLE, one with a hook, and a million of them, on a port of its own.

A put to ``trigger`` publishes the million anew.  The others live in virtual environments that are made on first use,
where ``CAPROTO_PEERS`` says; see :mod:`benchmarks.peers`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import peers
from benchmarks.servers import load

ROOT = Path(__file__).resolve().parents[2]
#: How often a server is started; somebody else may have taken its port.
ATTEMPTS = 3
#: Servers in C and C++; they get along with each other.
SERVER_REQUIREMENTS = ("pcaspy", "softioc", "numpy")

OURS = """
import numpy
from caproto.server import PVGroup, pvproperty
MILLIONS = [numpy.arange(1e6), numpy.arange(1e6) + 1]
class Bench(PVGroup):
    double = pvproperty(value=1.0)
    hooked = pvproperty(value=1.0)
    million = pvproperty(value=MILLIONS[0], dtype=float)
    trigger = pvproperty(value=0.0)
    @hooked.putter
    async def hooked(self, instance, value):
        return value
    @trigger.putter
    async def trigger(self, instance, value):
        await self.million.write(MILLIONS[int(value) % 2])
import caproto.{skin}.server
caproto.{skin}.server.run(Bench(prefix="bench:").pvdb)
"""
PCASPY = """
import numpy
from pcaspy import Driver, SimpleServer
MILLIONS = [numpy.arange(1e6), numpy.arange(1e6) + 1]
class Bench(Driver):
    def write(self, reason, value):
        if reason == "trigger":
            self.setParam("million", MILLIONS[int(value) % 2])
        self.setParam(reason, value)
        self.updatePVs()
        return True
server = SimpleServer()
double = {"prec": 3}
server.createPV("bench:", {"double": double, "hooked": double, "trigger": double, "million": {"count": 1000000}})
driver = Bench()
driver.setParam("million", MILLIONS[0])
driver.updatePVs()
while True:
    server.process(0.1)
"""
SOFTIOC = """
import threading, numpy
from softioc import asyncio_dispatcher, builder, softioc
MILLIONS = [numpy.arange(1e6), numpy.arange(1e6) + 1]
builder.SetDeviceName("bench")
builder.aOut("double", initial_value=1.0)
builder.aOut("hooked", initial_value=1.0, on_update=lambda value: None)
million = builder.WaveformOut("million", initial_value=MILLIONS[0])
builder.aOut("trigger", always_update=True, on_update=lambda value: million.set(MILLIONS[int(value) % 2]))
builder.LoadDatabase()
softioc.iocInit(asyncio_dispatcher.AsyncioDispatcher())
threading.Event().wait()
"""
#: Answers requests for the million and nothing else, with bytes made beforehand: no server can be faster.
SOCKETS = """
import array, os, socket, struct, threading
values = array.array("d", range(1000000))
values.byteswap()
MILLION = struct.pack(">HHHHIIII", 15, 0xFFFF, 6, 0, 1, 5, 8000000, 1000000) + values.tobytes()
VERSION = struct.pack(">HHHHII", 0, 0, 0, 13, 0, 0)
CREATED = struct.pack(">HHHHII", 22, 0, 0, 0, 0, 3) + struct.pack(">HHHHII", 18, 0, 6, 1, 0, 1)
def serve(sock):
    with sock, sock.makefile("rb") as requests:
        while header := requests.read(16):
            command, size = struct.unpack(">HH", header[:4])
            requests.read(8 if size == 0xFFFF else size)
            sock.sendall({0: VERSION, 18: CREATED, 15: MILLION}.get(command, b""))
listener = socket.create_server(("127.0.0.1", int(os.environ["EPICS_CAS_SERVER_PORT"])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


class Contender(NamedTuple):
    """A server: its name, what it runs, the kind of environment it needs, and the share of the requests it gets."""

    name: str
    program: str
    home: str
    share: int = 1


CONTENDERS = (
    Contender("asyncio", OURS.format(skin="asyncio"), "here"),
    Contender("trio", OURS.format(skin="trio"), "here"),
    Contender("pcaspy", PCASPY, "servers"),
    Contender("pythonSoftIOC", SOFTIOC, "servers"),
    Contender("caproto 1.3.0", OURS.format(skin="asyncio"), "incumbent", 10),
    Contender("sockets", SOCKETS, "here"),
)


class Server(NamedTuple):
    """A process that serves."""

    contender: Contender
    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of the processors that it has used."""
        # The name in parentheses may hold spaces.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> float:
        """Megabytes of memory that it has now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def python_of(contender: Contender) -> Path:
    """The interpreter that runs a contender."""
    if contender.home == "here":
        return Path(sys.executable)
    if contender.home == "incumbent":
        return peers.incumbent_python()
    directory = peers.peers_directory()
    return peers._python(directory.with_name(f"{directory.name}-servers"), SERVER_REQUIREMENTS)


def environment(contender: Contender, port: int = 0) -> dict[str, str]:
    """Everything on loopback, and no settings of whoever runs this."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EPICS_", "PYTHON"))}
    here = {"PYTHONPATH": str(ROOT)} if contender.home == "here" else {}
    return {
        **kept,
        **here,
        "EPICS_CA_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": str(port),
        "EPICS_CAS_SERVER_PORT": str(port),
        "EPICS_CA_REPEATER_PORT": str(port + 1),
        "EPICS_CAS_BEACON_PORT": str(port + 1),
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_MAX_ARRAY_BYTES": "20000000",
    }


@contextlib.contextmanager
def serving(contender: Contender, program: str, pv: str) -> Iterator[Server]:
    """A program of a contender in a fresh process, once it serves a PV.

    Raises
    ------
    RuntimeError
        If it does not come up.
    """
    for _ in range(ATTEMPTS):
        port = load.free_port()
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            (directory / "server.py").write_text(program)
            with (directory / "errors").open("w") as errors:
                process = subprocess.Popen(
                    [str(python_of(contender)), "server.py"],
                    env=environment(contender, port), cwd=directory, text=True,
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                )  # fmt: skip
            try:
                if _came_up(port, pv, process):
                    yield Server(contender, port, process.pid)
                    return
                reason = (directory / "errors").read_text()
            finally:
                process.kill()
                process.wait(10)
    raise RuntimeError(f"the server did not come up, {ATTEMPTS} times:\n{reason}")


def _came_up(port: int, pv: str, process: subprocess.Popen[str]) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with load.connect(port) as sock:
                load.open_channel(sock, pv)
                return True
        except ConnectionRefusedError:
            time.sleep(0.1)
        except OSError:  # whoever took the port meanwhile
            break
    return False
