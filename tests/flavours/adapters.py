"""The clients behind one interface, so that one list of scenarios runs over all of them.

Every adapter has coroutines; those of clients that block never suspend, and need no loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from caproto._callbacks import adapt_old_callback_signature

PATIENCE = 10.0

#: What a scenario may need beyond reading, writing and receiving updates.
CONTEXT = "a context that keeps PVs connected"
RESPONSES = "DBR types, responses and errors in the words of the protocol"


class Adapter:
    """One client.

    Attributes
    ----------
    offers : frozenset of str
        What the client has of the list above.
    threads_before : set of threading.Thread
        Those of earlier tests, perhaps.
    """

    offers: frozenset[str] = frozenset({CONTEXT, RESPONSES})

    def __init__(self) -> None:
        self.threads_before = set(threading.enumerate())

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a scenario between :meth:`open` and :meth:`close`."""
        raise NotImplementedError

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def until(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
        """Wait for something that callbacks bring about."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            await self.sleep(0.005)

    async def connect(self, *names: str, timeout: float = PATIENCE, **callbacks: Any) -> list[Any]:
        """Return PVs that are connected."""
        raise NotImplementedError

    async def read(self, pv: Any, **options: Any) -> Any:
        raise NotImplementedError

    async def write(self, pv: Any, data: Any, **options: Any) -> Any:
        raise NotImplementedError

    def subscribe(self, pv: Any, **options: Any) -> Any:
        """Return a subscription with ``add_callback``."""
        return pv.subscribe(**options)

    async def remove(self, subscription: Any, token: int) -> None:
        raise NotImplementedError

    async def clear(self, subscription: Any) -> None:
        raise NotImplementedError

    def slow(self, seen: list[Any], seconds: float) -> Callable[..., Any]:
        """Return a callback that takes its time with each update."""

        def callback(subscription: Any, response: Any) -> None:
            time.sleep(seconds)
            seen.append(response.data[0])

        return callback

    async def batch(self, fill: Callable[[Any], None]) -> None:
        raise NotImplementedError


def run_without_loop(coroutine: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(StopIteration):
        coroutine.send(None)
        raise AssertionError("a client that blocks has suspended")


class Blocking(Adapter):
    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        async def all_of_it() -> None:
            await self.open()
            try:
                await coroutine
            finally:
                await self.close()

        run_without_loop(all_of_it())


class Sync(Blocking):
    """PVs are names; updates come while :meth:`until` waits."""

    offers = frozenset({RESPONSES})

    async def open(self) -> None:
        self.subscriptions: list[Any] = []

    async def connect(self, *names: str, timeout: float = PATIENCE, **callbacks: Any) -> list[Any]:
        for name in names:
            await self.read(name, timeout=timeout)
        return list(names)

    async def read(self, pv: Any, **options: Any) -> Any:
        from caproto.sync.client import read

        return read(pv, repeater=False, force_int_enums=True, **options)

    async def write(self, pv: Any, data: Any, notify: bool = True, **options: Any) -> Any:
        from caproto.sync.client import write

        return write(pv, data, repeater=False, notify=notify, **options)

    def subscribe(self, pv: Any, **options: Any) -> Any:
        from caproto.sync.client import subscribe

        self.subscriptions.append(subscribe(pv, **options))
        return self.subscriptions[-1]

    async def until(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
        from caproto.sync.client import block, interrupt

        def look(subscription: Any, response: Any) -> None:
            if condition():
                interrupt()

        for subscription in self.subscriptions:
            subscription.add_callback(look)
        block(*self.subscriptions, duration=seconds, repeater=False)
        assert condition(), "it did not happen"

    async def remove(self, subscription: Any, token: int) -> None:
        subscription.remove_callback(token)

    async def clear(self, subscription: Any) -> None:
        subscription.clear()


class Threading(Blocking):
    async def open(self) -> None:
        from caproto.threading.client import Context, SharedBroadcaster

        self.broadcaster = SharedBroadcaster(repeater=False)
        self.context = Context(self.broadcaster, timeout=PATIENCE)

    async def close(self) -> None:
        self.context.disconnect()
        self.broadcaster.disconnect()

    async def connect(self, *names: str, timeout: float = PATIENCE, **callbacks: Any) -> list[Any]:
        pvs = self.context.get_pvs(*names, **callbacks)
        for pv in pvs:
            pv.wait_for_connection(timeout=timeout)
        return pvs

    async def read(self, pv: Any, **options: Any) -> Any:
        return pv.read(**options)

    async def write(self, pv: Any, data: Any, **options: Any) -> Any:
        return pv.write(data, **options)

    async def remove(self, subscription: Any, token: int) -> None:
        subscription.remove_callback(token)

    async def clear(self, subscription: Any) -> None:
        subscription.clear()

    async def batch(self, fill: Callable[[Any], None]) -> None:
        from caproto.threading.client import Batch

        with Batch(PATIENCE) as batch:
            fill(batch)


class PyEpics(Blocking):
    """Values, keywords and return codes instead of responses and errors; test_pyepics*.py tell of those."""

    offers = frozenset()

    async def open(self) -> None:
        from caproto.threading.client import Context, SharedBroadcaster

        self.broadcaster = SharedBroadcaster(repeater=False)
        self.context = Context(self.broadcaster)
        self.subscriptions: list[Updates] = []

    async def close(self) -> None:
        self.context.disconnect()
        self.broadcaster.disconnect()

    async def connect(self, *names: str, timeout: float = PATIENCE, **callbacks: Any) -> list[Any]:
        from caproto.threading.pyepics_compat import PV

        pvs = [PV(name, context=self.context, auto_monitor=False, **callbacks) for name in names]
        assert all(pv.wait_for_connection(timeout) for pv in pvs)
        return pvs

    async def read(self, pv: Any, **options: Any) -> Any:
        return SimpleNamespace(data=pv.get(use_monitor=False, **options))

    async def write(self, pv: Any, data: Any, **options: Any) -> Any:
        assert pv.put(data, wait=True, **options) == 1

    def subscribe(self, pv: Any, **options: Any) -> Any:
        self.subscriptions.append(Updates(pv))
        return self.subscriptions[-1]

    async def until(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
        # Not before all callbacks are there, so that all are called with the first update.
        for subscription in self.subscriptions:
            subscription.pv.auto_monitor = bool(subscription.pv.callbacks)
        await super().until(condition, seconds)

    async def remove(self, subscription: Any, token: int) -> None:
        subscription.pv.remove_callback(token)

    async def clear(self, subscription: Any) -> None:
        subscription.pv.clear_callbacks()
        subscription.pv.clear_auto_monitor()


class Updates:
    """The updates of a PV of pyepics in the form of a subscription."""

    def __init__(self, pv: Any) -> None:
        self.pv = pv
        # The adapted form may hold a function weakly.
        self.functions: list[Callable[..., Any]] = []

    def add_callback(self, func: Callable[..., Any]) -> Any:
        self.functions.append(func)
        call = adapt_old_callback_signature(func, set())

        def with_keywords(value: Any, timestamp: float, **_: Any) -> None:
            call(self, SimpleNamespace(data=[value], metadata=SimpleNamespace(timestamp=timestamp)))

        return self.pv.add_callback(with_keywords, with_ctrlvars=False)


class Loop(Adapter):
    """What both clients of event loops have in common."""

    module: Any
    sleep: Any

    async def all_of_it(self, coroutine: Coroutine[Any, Any, None]) -> None:
        broadcaster = self.module.SharedBroadcaster(repeater=False)
        async with broadcaster, self.module.Context(broadcaster, timeout=PATIENCE) as self.context:
            await coroutine

    async def close(self) -> None:
        await self.context.disconnect()
        await self.context.broadcaster.driver.stop()

    async def connect(self, *names: str, timeout: float = PATIENCE, **callbacks: Any) -> list[Any]:
        pvs: list[Any] = await self.context.get_pvs(*names, **callbacks)
        for pv in pvs:
            await pv.wait_for_connection(timeout=timeout)
        return pvs

    async def read(self, pv: Any, **options: Any) -> Any:
        return await pv.read(**options)

    async def write(self, pv: Any, data: Any, **options: Any) -> Any:
        return await pv.write(data, **options)

    async def remove(self, subscription: Any, token: int) -> None:
        await subscription.remove_callback(token)

    async def clear(self, subscription: Any) -> None:
        await subscription.clear()

    def slow(self, seen: list[Any], seconds: float) -> Callable[..., Any]:
        async def callback(subscription: Any, response: Any) -> None:
            await self.sleep(seconds)
            seen.append(response.data[0])

        return callback

    async def batch(self, fill: Callable[[Any], None]) -> None:
        async with self.module.Batch(PATIENCE) as batch:
            fill(batch)


class Asyncio(Loop):
    sleep = staticmethod(asyncio.sleep)

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        import caproto.asyncio.client

        self.module = caproto.asyncio.client
        asyncio.run(self.all_of_it(coroutine))


class Trio(Loop):
    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        import trio

        import caproto.trio.client

        self.module, self.sleep = caproto.trio.client, trio.sleep
        trio.run(self.all_of_it, coroutine)


FLAVOURS: dict[str, type[Adapter]] = {
    "sync": Sync,
    "threading": Threading,
    "asyncio": Asyncio,
    "trio": Trio,
    "pyepics_compat": PyEpics,
}


@contextlib.contextmanager
def flavour(name: str) -> Iterator[Adapter]:
    """The adapter of a client; a package that is not installed skips."""
    if name == "trio":
        pytest.importorskip("trio")
    yield FLAVOURS[name]()
