"""A network of our own: hosts that are network namespaces, joined by virtual cables.

Everything lives in one user namespace, so no privileges are needed where the system lets anybody make one.  A host is
a process that waits for the end of its input; namespaces, addresses and cables are gone as soon as that has ended, also
when the tests are killed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

HOLD = "echo ready; exec cat"


class NoNamespaces(Exception):
    """The system does not let us make a network."""


class Network:
    """A server's host with two cables, and a client's host at the end of each.

    The server has 10.77.1.1 and 10.77.2.1, the clients have 10.77.1.2 and 10.77.2.2; every net is a /24.  The first
    interface of the server has a second address, 10.77.1.5.

    Attributes
    ----------
    server : int
        Process that is in the server's namespace.
    clients : list of int
    """

    def __init__(self) -> None:
        self._holders: list[subprocess.Popen[str]] = []
        try:
            self.server = self._hold(["unshare", "-r", "-n"])
            self.clients = [self._hold([*self.inside(self.server, net=False), "unshare", "-n"]) for _ in range(2)]
            for host in (self.server, *self.clients):
                self._ip(host, "link set lo up")
            for number, client in enumerate(self.clients, 1):
                self._ip(self.server, f"link add name eth{number} type veth peer name eth0 netns {client}")
                for host, name, last in ((self.server, f"eth{number}", 1), (client, "eth0", 2)):
                    self._ip(host, f"addr add 10.77.{number}.{last}/24 broadcast 10.77.{number}.255 dev {name}")
                    self._ip(host, f"link set {name} up")
                self._ip(client, "route add 224.0.0.0/4 dev eth0")
            self._ip(self.server, "addr add 10.77.1.5/24 broadcast 10.77.1.255 dev eth1")
            self._ip(self.server, "route add 224.0.0.0/4 dev eth1")
        except (OSError, NoNamespaces):
            self.close()
            raise

    def _hold(self, command: list[str]) -> int:
        holder = subprocess.Popen(
            [*command, "sh", "-c", HOLD],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._holders.append(holder)
        assert holder.stdout is not None and holder.stderr is not None
        if holder.stdout.readline() != "ready\n":
            raise NoNamespaces(f"{' '.join(command)}: {holder.stderr.read().strip()}")
        return holder.pid

    @staticmethod
    def inside(host: int, net: bool = True) -> list[str]:
        """The beginning of a command that is to run on a host."""
        return ["nsenter", "-t", str(host), "-U", "--preserve-credentials", *(["-n"] if net else [])]

    def _ip(self, host: int, arguments: str) -> None:
        done = subprocess.run(
            [*self.inside(host), "ip", *arguments.split()], capture_output=True, text=True, timeout=20, check=False
        )
        if done.returncode:
            raise NoNamespaces(f"ip {arguments}: {done.stderr.strip()}")

    def start(self, host: int, command: Sequence[str], environment: dict[str, str], **more: Any) -> Any:
        """Start a program on a host."""
        return subprocess.Popen(
            [*self.inside(host), *command],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **more,
        )  # fmt: skip

    def close(self) -> None:
        """End the hosts, and with them all that they have."""
        for holder in self._holders:
            if holder.poll() is None:
                holder.communicate("", timeout=20)
