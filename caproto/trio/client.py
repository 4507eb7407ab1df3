"""A client for programs that run on trio: many PVs, kept connected.

::

    import trio

    from caproto.trio.client import Context

    async def main():
        async with Context() as context:
            (pv,) = await context.get_pvs("random_walk:x")
            print((await pv.read()).data)
            async for response in pv.subscribe(data_type="time"):
                print(response.data)

    trio.run(main)

Names and behaviour are those of ``caproto.asyncio.client``, but a context is always entered by ``async with``: its
tasks, and the coroutine functions that are given as callbacks, run in a nursery that ends with it.
"""

from __future__ import annotations

from typing import Any

from ..client._async_facade import PV, AsyncBroadcaster, AsyncContext, Batch, Subscription, ensure_connected
from ..client._subscription import CallbackHandler
from ._driver import TrioDriver

__all__ = ["PV", "Batch", "CallbackHandler", "Context", "SharedBroadcaster", "Subscription", "ensure_connected"]


class SharedBroadcaster(AsyncBroadcaster):
    """Sockets and a nursery that several contexts share; to be entered before them by ``async with``."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(TrioDriver(**settings))

    async def __aenter__(self) -> SharedBroadcaster:
        await self.driver.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.driver.__aexit__(*exc_info)


class Context(AsyncContext):
    """PVs with common sockets and connections; to be entered by ``async with``.

    Parameters
    ----------
    broadcaster : SharedBroadcaster, optional
        Sockets and nursery to share with other contexts.
    timeout : float or None, optional
        Seconds that methods of its PVs wait by default; None waits forever.
    host_name, client_name : str, optional
        What servers are told; the names of this machine and user by default.
    """

    def __init__(
        self,
        broadcaster: SharedBroadcaster | None = None,
        *,
        timeout: float | None = 2.0,
        host_name: str | None = None,
        client_name: str | None = None,
    ) -> None:
        driver = broadcaster.driver if broadcaster else TrioDriver(host_name=host_name, client_name=client_name)
        super().__init__(driver, broadcaster, timeout)

    async def __aenter__(self) -> Context:
        if self.broadcaster is None:
            await self.driver.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._leave()
        if self.broadcaster is None:
            await self.driver.__aexit__(*exc_info)
