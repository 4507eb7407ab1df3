"""The rules of a Channel Access client, without sockets, threads or a clock.

:class:`ClientEngine` is told what arrived and what time it is, and says what to send, whom to connect to and whom
to tell.  The packages ``caproto.sync``, ``caproto.threading``, ``caproto.asyncio`` and ``caproto.trio`` give it
sockets and a way to wait.
"""

from __future__ import annotations

from ._channel import Channel, Monitor, Request
from ._engine import ClientEngine
from ._link import Link

__all__ = ["Channel", "ClientEngine", "Link", "Monitor", "Request"]
