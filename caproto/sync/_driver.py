"""Sockets for a :class:`ClientEngine`, watched by a selector; nothing ever blocks but the selector."""

from __future__ import annotations

import errno
import functools
import logging
import os
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

from .._errors import CaprotoNetworkError, RemoteProtocolError
from .._net import bcast_socket
from ..client import Link
from ..client._driver import DriverBase, send_waiting
from .repeater import spawn_repeater

__all__ = ["SelectorDriver", "link_socket", "search_socket"]

logger = logging.getLogger("caproto.client")

FOREVER = float("inf")
#: Reads from one socket before the others get their turn.
READS_PER_TURN = 2
_IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)
#: Room for the answers to a large search.
_UDP_BUFFER = 4 * 1024 * 1024


def search_socket() -> socket.socket:
    """Return a UDP socket for searches, with a port of its own, which never blocks."""
    sock: socket.socket = bcast_socket()
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UDP_BUFFER)
        sock.bind(("", 0))
    except OSError as error:
        sock.close()
        raise CaprotoNetworkError(error.errno, f"cannot prepare the search socket: {error}") from error
    return sock


def link_socket() -> socket.socket:
    """Return a TCP socket, not connected so far, which never blocks."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


class SelectorDriver(DriverBase):
    """Sockets of one client; parameters as of :class:`DriverBase`."""

    now = staticmethod(time.monotonic)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.selector = selectors.DefaultSelector()
        # Another thread, or a signal handler, wakes the selector up by a byte.
        self._waker, self._wakened = socket.socketpair()
        try:
            self._udp = search_socket()
        except CaprotoNetworkError:
            self._waker.close()
            self._wakened.close()
            self.selector.close()
            raise
        self._waker.setblocking(False)
        self._wakened.setblocking(False)
        self.selector.register(self._wakened, selectors.EVENT_READ, self._woken)
        self.selector.register(self._udp, selectors.EVENT_READ, self._datagrams)
        if self.repeater:
            try:
                spawn_repeater()
            except CaprotoNetworkError as error:
                logger.warning("%s", error)

    def close(self) -> None:
        """Close all sockets."""
        self.close_links()
        self.selector.close()
        for sock in (self._waker, self._wakened, self._udp):
            sock.close()

    def wake(self) -> None:
        """End a wait in :meth:`select`; may be called from any thread and from signal handlers."""
        try:
            self._waker.send(b"\0")
        except OSError:  # full, so it is awake, or closed, so nobody waits
            pass

    def select(self, timeout: float | None) -> list[tuple[Any, int]]:
        """Wait until something happens or is due; :meth:`handle` takes what this returns."""
        now = self.now()
        until = self.engine.next_time if timeout is None else min(self.engine.next_time, now + timeout)
        return self.selector.select(None if until == FOREVER else max(until - now, 0.0))

    def handle(self, ready: list[tuple[Any, int]]) -> None:
        """Do what sockets are ready for and what is due."""
        for key, events in ready:
            key.data(events)
        now = self.now()
        if now >= self.engine.next_time:
            self.engine.tick(now)
        self.flush()

    def _woken(self, events: int) -> None:
        try:
            while len(self._wakened.recv(4096)) == 4096:
                pass
        except BlockingIOError:
            pass

    # UDP

    def _datagrams(self, events: int) -> None:
        self.read_datagrams(self.now())

    # TCP

    def _open(self, link: Link) -> None:
        sock = link_socket()
        code = sock.connect_ex(link.address)
        if code not in _IN_PROGRESS:
            sock.close()
            self.engine.link_lost(link, OSError(code, os.strerror(code)), self.now())
            return
        link.handle = sock
        ready: Callable[[int], None] = functools.partial(self._ready, link, sock)
        self.selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, ready)

    def _close(self, link: Link) -> None:
        sock, link.handle = link.handle, None
        if sock is not None:
            self.selector.unregister(sock)
            sock.close()

    def _watch(self, sock: socket.socket, events: int) -> None:
        key = self.selector.get_key(sock)
        if key.events != events:
            self.selector.modify(sock, events, key.data)

    def _ready(self, link: Link, sock: socket.socket, events: int) -> None:
        if link.closed:
            return
        if not link.up:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self.engine.link_lost(link, OSError(code, os.strerror(code)), self.now())
                return
            self.engine.link_connected(link, sock.getsockname(), self.now())
            self._watch(sock, selectors.EVENT_READ)
        elif events & selectors.EVENT_WRITE:
            self._write(link)
        if events & selectors.EVENT_READ:
            self._read(link, sock)

    def _write(self, link: Link) -> None:
        sock = link.handle
        if sock is None or link.closed:
            return
        try:
            send_waiting(link, sock, self.now())
        except BlockingIOError:
            pass
        except OSError as error:
            self.engine.link_lost(link, error, self.now())
            return
        self._watch(sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if link.wants_write else 0))

    def _read(self, link: Link, sock: socket.socket) -> None:
        engine, get_buffer = self.engine, link.circuit.get_buffer
        for _ in range(READS_PER_TURN):
            try:
                buffer = get_buffer()
                number = sock.recv_into(buffer)
            except BlockingIOError:
                return
            except (OSError, RemoteProtocolError) as error:
                engine.link_lost(link, error, self.now())
                return
            engine.link_received(link, number, self.now())
            if link.closed or number < len(buffer):
                return
