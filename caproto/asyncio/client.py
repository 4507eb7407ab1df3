"""A client for programs that run on asyncio: many PVs, kept connected.

::

    import asyncio

    from caproto.asyncio.client import Context

    async def main():
        async with Context() as context:
            (pv,) = await context.get_pvs("random_walk:x")
            print((await pv.read()).data)
            async for response in pv.subscribe(data_type="time"):
                print(response.data)

    asyncio.run(main())
"""

from __future__ import annotations

from typing import Any

from ..client._async_facade import PV, AsyncBroadcaster, AsyncContext, Batch, Subscription, ensure_connected
from ..client._subscription import CallbackHandler
from ._driver import AsyncioDriver

__all__ = ["PV", "Batch", "CallbackHandler", "Context", "SharedBroadcaster", "Subscription", "ensure_connected"]


class SharedBroadcaster(AsyncBroadcaster):
    """Sockets that several contexts share; the last that uses them calls :meth:`disconnect`.

    Parameters
    ----------
    registration_retry_time : float, optional
        Historical; the repeater is asked once a second until it answers.
    """

    def __init__(self, *, registration_retry_time: float = 10.0, **settings: Any) -> None:
        super().__init__(AsyncioDriver(**settings))

    async def __aenter__(self) -> SharedBroadcaster:
        await self.driver.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.disconnect()

    async def register(self) -> None:
        """Open the sockets and register with the repeater; done by the first use anyway."""
        await self.driver.start()

    async def disconnect(self) -> None:
        """Close all sockets and end all tasks; ends when that is done."""
        await self.driver.stop()


class Context(AsyncContext):
    """PVs with common sockets and connections.  Use it in ``async with``, or await :meth:`disconnect`.

    Parameters
    ----------
    broadcaster : SharedBroadcaster, optional
        Sockets to share with other contexts of the same loop.
    timeout : float or None, optional
        Seconds that methods of its PVs wait by default; None waits forever.
    host_name, client_name : str, optional
        What servers are told; the names of this machine and user by default.
    max_workers : int, optional
        Historical; callbacks run in the loop.
    """

    def __init__(
        self,
        broadcaster: SharedBroadcaster | None = None,
        *,
        timeout: float | None = 2.0,
        host_name: str | None = None,
        client_name: str | None = None,
        max_workers: int = 1,
    ) -> None:
        driver = broadcaster.driver if broadcaster else AsyncioDriver(host_name=host_name, client_name=client_name)
        super().__init__(driver, broadcaster, timeout)

    async def __aenter__(self) -> Context:
        await self.driver.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.disconnect()
