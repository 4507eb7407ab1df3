"""A real EPICS Base IOC as a child process of the tests."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.isolation import free_port, process_environment, search

HERE = Path(__file__).parent


class Ioc:
    """An IOC that serves ``ioc.db`` on one port of 127.0.0.1; :meth:`restart` keeps the port.

    Attributes
    ----------
    port : int
        TCP and UDP port.
    address : tuple of (str, int)
    """

    def __init__(self, port: int | None = None, repeater_port: int | None = None) -> None:
        self.port = port or free_port()
        self.repeater_port = repeater_port or free_port()
        self.address = ("127.0.0.1", self.port)
        self._process: subprocess.Popen[str] | None = None
        self._output = tempfile.TemporaryFile(mode="w+")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a client process of this IOC."""
        return process_environment(self.port, self.repeater_port)

    def start(self, timeout: float = 20.0) -> Ioc:
        """Start and wait until it answers a search."""
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "run_ioc.py"), str(HERE / "ioc.db"), str(HERE / "ioc.acf")],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            text=True,
            env={**self.environment, "EPICS_CAS_BEACON_PERIOD": "1"},
        )
        if not search("random_walk:dt", self.port, timeout) or self._process.poll() is not None:
            self.kill()
            raise RuntimeError(f"the IOC did not come up on port {self.port}:\n{self.output()}")
        return self

    def command(self, text: str) -> None:
        """Run one IOC shell command."""
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def pause(self) -> None:
        """Let it hang: its sockets stay open, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a power cut would; sockets are reset by the kernel."""
        if self._process is not None:
            self._process.kill()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait(10)
            self._process = None

    def restart(self) -> Ioc:
        """Kill it and start it again on the same port."""
        self.kill()
        return self.start()

    def output(self) -> str:
        """What it printed so far."""
        self._output.seek(0)
        return self._output.read()

    def close(self) -> None:
        """Kill it and forget its output."""
        self.kill()
        self._output.close()
