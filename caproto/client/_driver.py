"""What drivers share: they do to sockets what the engine asks for."""

from __future__ import annotations

import logging
from typing import Any

from ._engine import ClientEngine
from ._link import Link
from ._settings import engine_from_environment

__all__ = ["DriverBase", "send_waiting"]

logger = logging.getLogger("caproto.client")

#: Datagrams read in one turn.
DATAGRAMS_PER_TURN = 256


def send_waiting(link: Link, sock: Any, now: float) -> None:
    """Send what a socket takes; raises BlockingIOError if that is not all."""
    while link.wants_write:
        buffers = link.next_buffers()
        link.sent(sock.send(buffers[0]) if len(buffers) == 1 else sock.sendmsg(buffers), now)


class DriverBase:
    """Sockets for an engine.

    Parameters
    ----------
    repeater : bool
        Whether to register with the repeater of this host, and to start one if there is none.
    host_name, client_name : str, optional
        What servers are told.

    Attributes
    ----------
    engine : ClientEngine
    """

    # The socket for searches.
    _udp: Any

    def __init__(self, *, repeater: bool = True, host_name: str | None = None, client_name: str | None = None) -> None:
        self.repeater = repeater
        self.engine: ClientEngine = engine_from_environment(
            self.now(), host_name=host_name, client_name=client_name, repeater=repeater
        )

    def now(self) -> float:
        """The time, in seconds of a clock that never goes back."""
        raise NotImplementedError

    def _open(self, link: Link) -> None:
        """Begin to connect."""
        raise NotImplementedError

    def _close(self, link: Link) -> None:
        """Close the connection, or stop connecting."""
        raise NotImplementedError

    def _write(self, link: Link) -> None:
        """Send what can be sent without waiting, and the rest later."""
        raise NotImplementedError

    def _send_datagram(self, data: bytes, destination: tuple[str, int]) -> None:
        try:
            self._udp.sendto(data, destination)
        except OSError as error:
            self.engine.datagram_sent(destination, error)
        else:
            self.engine.datagram_sent(destination, None)

    def read_datagrams(self, now: float) -> None:
        """Take what has come to the socket for searches, which never blocks."""
        for _ in range(DATAGRAMS_PER_TURN):
            try:
                data, sender = self._udp.recvfrom(0xFFFF)
            except BlockingIOError:
                return
            except OSError as error:  # "nobody listens there", on systems that tell
                logger.debug("search socket: %s", error)
                return
            self.engine.datagram_received(data, sender, now)

    def close_links(self) -> None:
        """Close all connections."""
        for link in list(self.engine.links.values()):
            link.closed = True
            self._close(link)
        self.engine.links.clear()

    def flush(self) -> None:
        """Do to sockets what the engine asks for."""
        engine = self.engine
        while engine.opening or engine.datagrams or engine.writable or engine.closing:
            if engine.opening:
                opening, engine.opening = engine.opening, []
                for link in opening:
                    self._open(link)
            if engine.datagrams:
                datagrams, engine.datagrams = engine.datagrams, []
                for data, destination in datagrams:
                    self._send_datagram(data, destination)
            if engine.writable:
                writable, engine.writable = engine.writable, {}
                for link in writable:
                    self._write(link)
            if engine.closing:
                closing, engine.closing = engine.closing, []
                for link in closing:
                    self._close(link)
