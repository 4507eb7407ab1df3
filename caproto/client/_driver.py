"""What drivers share: they do to sockets what the engine asks for."""

from __future__ import annotations

from typing import Any

from ._engine import ClientEngine
from ._link import Link

__all__ = ["DriverBase", "send_waiting"]


def send_waiting(link: Link, sock: Any, now: float) -> None:
    """Send what a socket takes; raises BlockingIOError if that is not all."""
    while link.wants_write:
        buffers = link.next_buffers()
        link.sent(sock.send(buffers[0]) if len(buffers) == 1 else sock.sendmsg(buffers), now)


class DriverBase:
    """Sockets for an engine.

    Attributes
    ----------
    engine : ClientEngine
    """

    engine: ClientEngine
    # The socket for searches.
    _udp: Any

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
