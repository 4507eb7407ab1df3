"""What goes wrong reaches the caller as it is, and no mistake of one check or client ends a server."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.interop.talk import Talk
from tests.isolation import free_port, process_environment, search
from tests.server.conftest import ROOT
from tests.server_framework.served import serving

SKINS = ["asyncio", "trio"]
pytestmark = pytest.mark.interop

HEAD = """
import importlib, sys, threading
from caproto import ChannelDouble
from caproto.server import run
skin = "caproto." + sys.argv[1] + ".server"
importlib.import_module(skin)
class Pv(ChannelDouble):
    async def server_shutdown(self, async_layer):
        print("shutdown")
pvdb = {"x": Pv(value=1.0)}
async def hook(async_layer):
    raise HOOK
"""
ENDS = {
    "ZeroDivisionError": ("HOOK = ZeroDivisionError()\nrun(pvdb, module_name=skin, startup_hook=hook)", "shutdown\n"),
    "SystemExit": ("HOOK = SystemExit(7)\nrun(pvdb, module_name=skin, startup_hook=hook)", "shutdown\n"),
    "KeyboardInterrupt": ("HOOK = KeyboardInterrupt()\nrun(pvdb, module_name=skin, startup_hook=hook)", "shutdown\n"),
    "SystemExit in a PV": (
        "class Pv(Pv):\n    async def server_startup(self, async_layer):\n        sys.exit(7)\n"
        "run({'x': Pv(value=1.0)}, module_name=skin)",
        "shutdown\n",
    ),
    "CaprotoNetworkError": ("run(pvdb, module_name=skin, interfaces=['192.0.2.1'])", ""),
    "CaprotoValueError": ("run(pvdb, module_name=skin, interfaces=['0.0.0.0', '127.0.0.1'])", ""),
}


@pytest.mark.parametrize("skin", SKINS)
@pytest.mark.parametrize("error", ENDS)
def test_what_ends_a_server_is_raised_as_it_is(skin: str, error: str) -> None:
    pytest.importorskip(skin)
    code, said = ENDS[error]
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", HEAD + code, skin],
        capture_output=True, text=True, timeout=60, cwd=ROOT, check=False,
        env=process_environment(free_port(), free_port()),
    )  # fmt: skip
    assert done.stdout == said
    if "SystemExit" in error or error == "KeyboardInterrupt":
        assert (done.returncode, done.stderr) == (7 if "SystemExit" in error else 0, "")
    else:
        assert done.returncode == 1 and error in done.stderr.splitlines()[-1] and "Group" not in done.stderr


@pytest.mark.parametrize("skin", SKINS)
def test_a_server_runs_in_a_thread_that_gets_no_signals(skin: str) -> None:
    pytest.importorskip(skin)
    code = f"""
{HEAD}
HOOK = importlib.import_module(skin).ServerExit()
thread = threading.Thread(target=run, args=(pvdb,), kwargs=dict(module_name=skin, startup_hook=hook))
thread.start()
thread.join()
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code, skin],
        capture_output=True, text=True, timeout=60, cwd=ROOT, check=False,
        env=process_environment(free_port(), free_port()),
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "shutdown\n", "")


FOREVER = """
import sys
from caproto.server import PVGroup, pvproperty, run
class Ioc(PVGroup):
    hooked = pvproperty(value=0)
    scanned = pvproperty(value=0)
    @scanned.scan(period=0.01)
    async def scanned(self, instance, async_lib):
        await instance.write(1)
    async def forever(self, async_lib):
        while True:
            await self.hooked.write(1)
            await async_lib.sleep(0.01)
ioc = Ioc(prefix="")
run(ioc.pvdb, module_name="caproto." + sys.argv[1] + ".server", startup_hook=ioc.forever)
"""


@pytest.mark.parametrize("skin", SKINS)
def test_a_startup_hook_may_run_as_long_as_the_server(skin: str, tmp_path: Path) -> None:
    pytest.importorskip(skin)
    (tmp_path / "ioc.py").write_text(FOREVER)
    with serving(["ioc.py", skin], "scanned", tmp_path) as (process, environment):
        with Talk(("127.0.0.1", int(environment["EPICS_CA_SERVER_PORT"]))) as talk:
            deadline = time.monotonic() + 20
            for name in ("hooked", "scanned"):
                channel = talk.channel(name)
                while talk.read(channel).data[0] != 1:
                    assert process.poll() is None and time.monotonic() < deadline
        process.terminate()
        assert process.wait(20) == 0
    assert (tmp_path / "output.txt").read_text() == ""


CHECKS = """
import sys
from caproto import ChannelDouble
from caproto.server import run
class Checked(ChannelDouble):
    def check_access(self, host, user):
        raise ZeroDivisionError("a bug of the user")
class Pvs(dict):
    def __contains__(self, name):
        return name != "zero" and super().__contains__(name) or name == "zero" and 1 / 0
run(Pvs(good=ChannelDouble(value=1.0), checked=Checked(value=2.0)), module_name="caproto." + sys.argv[1] + ".server")
"""


@pytest.mark.parametrize("skin", SKINS)
def test_a_check_that_fails_grants_nothing_and_a_failing_pvdb_ends_nothing(skin: str, tmp_path: Path) -> None:
    pytest.importorskip(skin)
    (tmp_path / "ioc.py").write_text(CHECKS)
    with serving(["ioc.py", skin], "good", tmp_path) as (process, environment):
        port = int(environment["EPICS_CA_SERVER_PORT"])
        assert not search("zero", port, 0.2)
        with Talk(("127.0.0.1", port)) as talk:
            good, checked = talk.channel("good"), talk.channel("checked")
            assert int(checked.access_rights) == 0
            assert talk.read(good).data[0] == 1.0
        process.terminate()
        assert process.wait(20) == 0
    text = (tmp_path / "output.txt").read_text()
    assert text.count("the access check of Checked failed") == 1 and "ZeroDivisionError: division by zero" in text, text


PLAIN = """
import sys
from caproto import ChannelDouble
from caproto.server import run
run({"good": ChannelDouble(value=1.0)}, module_name="caproto." + sys.argv[1] + ".server")
"""


@pytest.mark.parametrize("skin", SKINS)
def test_hundreds_of_clients_come_at_the_same_moment(skin: str, tmp_path: Path) -> None:
    pytest.importorskip(skin)
    (tmp_path / "ioc.py").write_text(PLAIN)
    with serving(["ioc.py", skin], "good", tmp_path) as (process, environment), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(400)]
        process.send_signal(signal.SIGSTOP)  # however fast it is, they all wait
        for client in clients:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", int(environment["EPICS_CA_SERVER_PORT"])))
        process.send_signal(signal.SIGCONT)
        for client in clients:
            client.settimeout(20)
            assert client.recv(16)[:2] == bytes(2)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
from caproto import ChannelDouble
from caproto.server import run
run({"good": ChannelDouble(value=1.0)}, module_name="caproto." + sys.argv[1] + ".server")
"""


@pytest.mark.parametrize("skin", SKINS)
def test_clients_wait_while_no_descriptor_is_left(skin: str, tmp_path: Path) -> None:
    pytest.importorskip(skin)
    pytest.importorskip("resource")
    (tmp_path / "ioc.py").write_text(LIMITED)
    with serving(["ioc.py", skin], "good", tmp_path) as (process, environment):
        address = ("127.0.0.1", int(environment["EPICS_CA_SERVER_PORT"]))
        with Talk(address) as early, contextlib.ExitStack() as stack:
            good = early.channel("good")
            for _ in range(60):
                stack.enter_context(socket.create_connection(address, 5))
            assert early.read(good).data[0] == 1.0 and search("good", address[1], 5.0)
            stack.close()
            with Talk(address) as late:
                assert late.read(late.channel("good")).data[0] == 1.0
        process.terminate()
        assert process.wait(20) == 0
    text = (tmp_path / "output.txt").read_text()
    assert text.count("Traceback") < 100 and "AttributeError" not in text, text
