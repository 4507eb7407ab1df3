"""The servers that are compared: each serves a DOUBLE, one with a hook, and a million of them, on a port of its own.

The others live in virtual environments that are made on first use, where ``CAPROTO_PEERS`` says; see
:mod:`benchmarks.peers`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks import peers

ROOT = Path(__file__).resolve().parents[2]
#: Servers in C and C++; they get along with each other.
SERVER_REQUIREMENTS = ("pcaspy", "softioc", "numpy")

OURS = """
import numpy, sys
from caproto.server import PVGroup, pvproperty
class Bench(PVGroup):
    double = pvproperty(value=1.0)
    hooked = pvproperty(value=1.0)
    million = pvproperty(value=numpy.arange(1e6), dtype=float)
    @hooked.putter
    async def hooked(self, instance, value):
        return value
import caproto.{skin}.server
caproto.{skin}.server.run(Bench(prefix="bench:").pvdb)
"""
PCASPY = """
import numpy
from pcaspy import Driver, SimpleServer
class Bench(Driver):
    def write(self, reason, value):
        self.setParam(reason, value)
        self.updatePVs()
        return True
server = SimpleServer()
server.createPV("bench:", {"double": {"prec": 3}, "hooked": {"prec": 3}, "million": {"count": 1000000}})
driver = Bench()
driver.setParam("million", numpy.arange(1e6))
driver.updatePVs()
while True:
    server.process(0.1)
"""
SOFTIOC = """
import threading, numpy
from softioc import asyncio_dispatcher, builder, softioc
builder.SetDeviceName("bench")
builder.aOut("double", initial_value=1.0)
builder.aOut("hooked", initial_value=1.0, on_update=lambda value: None)
builder.WaveformOut("million", initial_value=numpy.arange(1e6))
builder.LoadDatabase()
softioc.iocInit(asyncio_dispatcher.AsyncioDispatcher())
threading.Event().wait()
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
    Contender("caproto 1.3.0", OURS.format(skin="asyncio"), "incumbent", 10),
    Contender("pcaspy", PCASPY, "servers"),
    Contender("pythonSoftIOC", SOFTIOC, "servers"),
)


def python_of(contender: Contender) -> Path:
    """The interpreter that runs a contender."""
    if contender.home == "here":
        return Path(sys.executable)
    if contender.home == "incumbent":
        return peers.incumbent_python()
    directory = peers.peers_directory()
    return peers._python(directory.with_name(f"{directory.name}-servers"), SERVER_REQUIREMENTS)


def start(contender: Contender, port: int, directory: Path) -> subprocess.Popen[str]:
    """Start a contender on loopback."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EPICS_", "PYTHON"))}
    environment = {
        **kept,
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
    if contender.home == "here":
        environment["PYTHONPATH"] = str(ROOT)
    program = directory / "server.py"
    program.write_text(contender.program)
    return subprocess.Popen(
        [str(python_of(contender)), str(program)],
        env=environment, cwd=directory, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(directory / "errors").open("w"),
    )  # fmt: skip
