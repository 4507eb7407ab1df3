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

from ..client._async_facade import PV, AsyncBroadcaster, AsyncContext, Batch, Subscription, ensure_connected
from ..client._subscription import CallbackHandler
from ._driver import TrioDriver

__all__ = ["PV", "Batch", "CallbackHandler", "Context", "SharedBroadcaster", "Subscription", "ensure_connected"]


class SharedBroadcaster(AsyncBroadcaster):
    """Sockets and a nursery that several contexts share; to be entered before them by ``async with``.

    See :class:`~caproto.client._async_facade.AsyncBroadcaster`.
    """

    _driver_class = TrioDriver


class Context(AsyncContext):
    """PVs with common sockets and connections; to be entered by ``async with``.

    See :class:`~caproto.client._async_facade.AsyncContext`.
    """

    _driver_class = TrioDriver
