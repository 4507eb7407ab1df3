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

from ..client._async_facade import PV, AsyncBroadcaster, AsyncContext, Batch, Subscription, ensure_connected
from ..client._subscription import CallbackHandler
from ._driver import AsyncioDriver

__all__ = ["PV", "Batch", "CallbackHandler", "Context", "SharedBroadcaster", "Subscription", "ensure_connected"]


class SharedBroadcaster(AsyncBroadcaster):
    """Sockets that several contexts of a loop share.

    See :class:`~caproto.client._async_facade.AsyncBroadcaster`.
    """

    _driver_class = AsyncioDriver


class Context(AsyncContext):
    """PVs with common sockets and connections.  Use it in ``async with``, or await :meth:`disconnect`.

    See :class:`~caproto.client._async_facade.AsyncContext`.
    """

    _driver_class = AsyncioDriver
