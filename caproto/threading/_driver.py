"""A thread that moves bytes, and the order in which everything else happens.

The thread owns the sockets.  Whoever uses the engine holds the driver; functions of the user run in executors, never
while the driver is held, and never in the thread that moves bytes.
"""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from .._errors import CaprotoNetworkError
from ..client import Link
from ..client._subscription import call_safely
from ..sync._driver import SelectorDriver

__all__ = ["ThreadingDriver"]

logger = logging.getLogger("caproto.client")

#: Seconds that the reading thread waits at most for callbacks that are behind, before it goes on without them.
GRACE = 0.2
#: Bytes received and not yet taken by callbacks that make it wait.  The less lies around, the more of it is still in
#: the processor's caches when the callbacks come to it, and the memory of what they are done with is used again.
CROWDED = 512 * 1024
#: Half of the free memory that the reading thread may keep, in bytes.
KEPT_MEMORY = 16 * 1024 * 1024
#: Sinks that are emptied at once before their callbacks run.
SINKS_AT_ONCE = 32

_running: weakref.WeakSet[ThreadingDriver] = weakref.WeakSet()


class ThreadingDriver(SelectorDriver):
    """Sockets of one client, and a thread for them.

    Parameters
    ----------
    max_workers : int
        Threads that run callbacks.
    **settings
        See :class:`SelectorDriver`.
    """

    def __init__(self, *, max_workers: int = 1, **settings: Any) -> None:
        super().__init__(**settings)
        # A lock is not fair: whoever waits for it would starve while much arrives.  With the gate in front, the
        # reading thread cannot have the lock again before one who waits at the gate.
        self._gate, self._lock = threading.Lock(), threading.Lock()
        self._owner: int | None = None
        self._depth = 0
        self._max_workers = max_workers
        self._executor: Executor | None = None
        self._calls: dict[Executor | None, list[tuple[Callable[..., Any], tuple[Any, ...]]]] = {}
        self._relieved = threading.Event()
        self._waiting = False
        self._sleeps_until = 0.0
        self.closed = False
        self._thread = threading.Thread(target=self._run, name="caproto client", daemon=True)
        _running.add(self)
        self._thread.start()

    # Exclusive use

    def __enter__(self) -> float:
        me = threading.get_ident()
        if self._owner != me:
            with self._gate:
                self._lock.acquire()
            self._owner = me
        self._depth += 1
        return self.now()

    def __exit__(self, *exc_info: object) -> None:
        try:
            if self._depth == 1 and not self.closed:
                self.flush()
                self.dispatch()
                if self.engine.next_time < self._sleeps_until:
                    self.wake()
        finally:
            self._depth -= 1
            if not self._depth:
                self._owner = None
                self._lock.release()

    @property
    def executor(self) -> Executor:
        """Where callbacks run that have no executor of their own."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._max_workers, thread_name_prefix="caproto callbacks")
        return self._executor

    # The thread

    def _run(self) -> None:
        # The C library gives the memory of a thread back as soon as a little of it is free, and a chunk of updates
        # would have its pages mapped anew each time: two thirds of what a waveform of 8 KiB costs.  A large block that
        # was free once raises that limit to twice its size; this one is never touched.
        bytes(KEPT_MEMORY)
        while not self.closed:
            self._sleeps_until = self.engine.next_time
            ready = self.select(None)
            self._sleeps_until = 0.0
            with self:
                if not self.closed:
                    self.handle(ready)
                crowded = [link for link in self.engine.links.values() if link.backlog > CROWDED]
            for link in crowded:
                self._wait_for_callbacks(link)

    def _wait_for_callbacks(self, link: Link) -> None:
        """Let callbacks catch up that are only a little slower than the server; the network holds the rest back.

        Those that do not are waited for no more until they have: the protocol goes on, the oldest updates are lost.
        """
        if link.overdue:
            return
        self._relieved.clear()
        self._waiting = True
        with self:
            behind = link.behind()
        if behind and not self._relieved.wait(GRACE):
            link.overdue = True
        self._waiting = False

    # Callbacks

    def dispatch(self) -> None:
        """Tell what the engine has noted."""
        engine = self.engine
        if engine.changes:
            changes, engine.changes = engine.changes, []
            for channel, what in changes:
                channel.owner.changed(what)
            # Whoever waits for a connection goes on after this.
            self._submit_calls()
        if engine.finished:
            finished, engine.finished = engine.finished, []
            for request in finished:
                assert request.on_done is not None
                request.on_done(request)
        self._submit_calls()
        if engine.touched:
            touched, engine.touched = engine.touched, []
            self._deliver(touched)

    def _deliver(self, touched: list[Any]) -> None:
        """Have updates taken from their sinks, those of one executor by one call."""
        groups: dict[Any, list[Any]] = {}
        for sink in touched:
            subscription = sink.monitor.owner
            if subscription.busy:
                # Whoever runs its callbacks now has it called again; so their order is kept.
                subscription.again.append(sink)
            else:
                subscription.busy = True
                groups.setdefault(subscription.pv.executor, []).append(sink)
        for executor, sinks in groups.items():
            if not self.submit(executor, self._run_callbacks, sinks):
                for sink in sinks:
                    sink.monitor.owner.busy = False

    def _submit_calls(self) -> None:
        if self._calls:
            calls, self._calls = self._calls, {}
            for executor, functions in calls.items():
                self.submit(executor, _run_all, functions)

    def call(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> None:
        """Have a function of the user called, after all that were given to the same executor before."""
        with self:
            self._calls.setdefault(executor, []).append((func, args))

    def in_callback(self, executor: Executor | None) -> bool:
        """Whether this is called by a function that an executor runs."""
        return _is_worker(executor or self._executor)

    def submit(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> bool:
        """Have a function called by an executor, unless that was shut down; says whether it will be."""
        try:
            (executor or self.executor).submit(func, *args)
        except RuntimeError:  # what an executor says after its shutdown, and all say when the interpreter ends
            return False
        return True

    def _run_callbacks(self, sinks: list[Any]) -> None:
        for start in range(0, len(sinks), SINKS_AT_ONCE):
            for subscription, sink, taken in self._take(sinks[start : start + SINKS_AT_ONCE]):
                subscription.deliver(sink, taken)
        # What came in meanwhile waits its turn behind other subscriptions, and behind the end of the executor.
        again: list[Any] = []
        with self:
            for sink in sinks:
                subscription = sink.monitor.owner
                subscription.busy = False
                if subscription.again:
                    again += subscription.again
                    subscription.again = []
            if again:
                self._deliver(again)

    def _take(self, sinks: list[Any]) -> list[tuple[Any, Any, list[Any]]]:
        """Empty sinks."""
        batch: list[tuple[Any, Any, list[Any]]] = []
        with self:
            for sink in sinks:
                subscription = sink.monitor.owner
                batch.append((subscription, sink, sink.take()))
                link = subscription.pv.engine_channel.link
                if link is not None and (link.events_off or link.overdue):
                    self.engine.relieve(link)
                    link.overdue = link.overdue and link.behind()
        if self._waiting:
            self._relieved.set()
        return batch

    # The end

    def stop(self, *, wait: bool = True) -> None:
        """Close all sockets and end all threads."""
        with self:
            if self.closed:
                return
            self.closed = True
            self.engine.abandon(CaprotoNetworkError("the context was closed"))
            self.dispatch()
            executor, self._executor = self._executor, None
        self.wake()
        self._relieved.set()
        if self._thread is not threading.current_thread():
            self._thread.join()
        if executor is not None:
            executor.shutdown(wait=wait and not _is_worker(executor), cancel_futures=True)
        self.close()
        _running.discard(self)


def _run_all(functions: list[tuple[Callable[..., Any], tuple[Any, ...]]]) -> None:
    for func, args in functions:
        call_safely("a callback", func, *args)


def _is_worker(executor: Any) -> bool:
    return threading.current_thread() in getattr(executor, "_threads", ())


def _stop_all() -> None:
    for driver in list(_running):
        driver.stop(wait=False)


# A program that forgets to disconnect ends without a word.
atexit.register(_stop_all)
