"""What only the client with threads has: threads, executors, locks, and their ends."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import caproto
from caproto.threading.client import (
    Batch,
    Context,
    ContextDisconnectedError,
    SharedBroadcaster,
)
from tests.interop.ioc import Ioc
from tests.interop.mini_server import MiniServer
from tests.isolation import free_port

pytestmark = pytest.mark.interop

PATIENCE = 10.0


def until(condition: Any, seconds: float = PATIENCE) -> bool:
    """Wait for something that another thread or process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MiniServer]:
    port = free_port()
    server = MiniServer(port)
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", f"127.0.0.1:{port}")
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
    yield server
    server.close()
    assert server.errors == []


@pytest.fixture
def context(server: MiniServer) -> Iterator[Context]:
    with Context(timeout=PATIENCE) as context:
        yield context


def test_a_slow_callback_delays_neither_requests_nor_callbacks_in_other_executors(context: Context) -> None:
    blocked, release, told = threading.Event(), threading.Event(), threading.Event()

    def slow(sub: Any, response: Any) -> None:
        blocked.set()
        release.wait(PATIENCE)

    with ThreadPoolExecutor(1) as executor:
        (slow_pv,) = context.get_pvs("mini:double", executor=executor)
        (other,) = context.get_pvs("mini:long")
        slow_pv.subscribe().add_callback(slow)
        assert blocked.wait(PATIENCE)
        assert list(slow_pv.read().data) == [2.5]
        other.subscribe().add_callback(lambda sub, response: told.set())
        assert told.wait(PATIENCE)
        release.set()


def test_callbacks_may_read_and_write(context: Context) -> None:
    results: list[Any] = []
    pv, other = context.get_pvs("mini:double", "mini:long")

    def on_update(sub: Any, response: Any) -> None:
        other.write([7])
        results.append(list(other.read().data))

    pv.subscribe().add_callback(on_update)
    assert until(lambda: results == [[7]])


def test_an_executor_that_was_shut_down_harms_nobody(context: Context) -> None:
    executor = ThreadPoolExecutor(1)
    pv, other = context.get_pvs("mini:double", "mini:long")
    pv.executor = executor
    seen: list[Any] = []
    pv.subscribe().add_callback(lambda sub, response: seen.append(response))
    assert until(lambda: len(seen) == 1)
    executor.shutdown()
    pv.write(3.0)
    assert list(other.read().data) == [42]
    assert len(seen) == 1


def test_many_threads_share_one_context(context: Context) -> None:
    (pv,) = context.get_pvs("mini:double")
    pv.wait_for_connection()
    with ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(lambda _: pv.read().data[0], range(200)))
    assert answers == [2.5] * 200


def test_contexts_share_a_broadcaster(server: MiniServer) -> None:
    broadcaster = SharedBroadcaster()
    try:
        with Context(broadcaster, timeout=PATIENCE) as first, Context(broadcaster, timeout=PATIENCE) as second:
            for context in (first, second):
                (pv,) = context.get_pvs("mini:double")
                assert list(pv.read().data) == [2.5]
        assert broadcaster.driver.engine.channels == {}
    finally:
        broadcaster.disconnect()


def test_leaving_a_context_ends_its_threads_and_what_waits(server: MiniServer) -> None:
    before = threading.active_count()
    failures: list[BaseException] = []
    with Context(timeout=PATIENCE) as context:
        pv, missing = context.get_pvs("mini:double", "mini:nobody has this")
        pv.subscribe().add_callback(lambda sub, response: None)
        pv.wait_for_connection()

        def wait() -> None:
            try:
                missing.wait_for_connection()
            except caproto.CaprotoError as error:
                failures.append(error)

        waiter = threading.Thread(target=wait)
        waiter.start()
    waiter.join(PATIENCE)
    assert not waiter.is_alive()
    assert isinstance(failures[0], ContextDisconnectedError)
    assert until(lambda: threading.active_count() <= before + len(server._threads))
    with pytest.raises(ContextDisconnectedError):
        context.get_pvs("mini:double")


def test_a_batch_sends_together_and_answers_come_in_order(context: Context) -> None:
    pv, other = context.get_pvs("mini:double", "mini:long")
    pv.wait_for_connection()
    other.wait_for_connection()
    answers: list[Any] = []
    with Batch() as batch:
        batch.write(pv, 9.0, lambda response: answers.append(type(response).__name__))
        batch.read(pv, lambda response: answers.append(response.data[0]))
        batch.read(other, lambda response: answers.append(response.data[0]))
    assert until(lambda: len(answers) == 3)
    assert answers == ["WriteNotifyResponse", 9.0, 42]


@pytest.mark.slow
def test_200_lost_connections_leave_nothing_behind(
    server: MiniServer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is lost again and again is searched more and more slowly, which would take minutes here.
    monkeypatch.setattr("caproto.client._engine.LONGEST_RECONNECT_DELAY", 0.02)
    states: list[str] = []
    updates: list[Any] = []
    (pv,) = context.get_pvs("mini:double", connection_state_callback=lambda pv, state: states.append(state))
    pv.subscribe(data_type="time").add_callback(lambda sub, response: updates.append(None))

    def round_trip() -> None:
        number, seen = len(states), len(updates)
        server.cut()
        assert until(lambda: states[number:] == ["disconnected", "connected"])
        assert until(lambda: len(updates) > seen)

    def counted() -> tuple[int, int, int]:
        gc.collect()
        # Those of the server end in their own time.
        threads = [thread for thread in threading.enumerate() if "caproto" in thread.name]
        return len(os.listdir("/proc/self/fd")), len(threads), len(gc.get_objects())

    assert until(lambda: states == ["connected"])
    for _ in range(10):
        round_trip()
    descriptors, threads, objects = counted()
    for _ in range(190):
        round_trip()
    assert until(lambda: counted()[0] <= descriptors + 2)
    assert counted()[1] <= threads
    # The lists of this test grow by three entries a round; a leak would be hundreds of objects.
    assert counted()[2] < objects + 1000
    engine = context.driver.engine
    assert (len(engine.links), len(engine.channels), len(pv.circuit_manager.sinks)) == (1, 1, 1)


def test_values_resume_within_two_seconds_of_every_restart(own_ioc: Ioc, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in own_ioc.environment.items():
        if name.startswith("EPICS_"):
            monkeypatch.setenv(name, value)
    updates: list[float] = []
    with Context(timeout=PATIENCE) as context:
        (pv,) = context.get_pvs("ioc:counter")
        pv.subscribe(data_type="time").add_callback(lambda sub, response: updates.append(time.monotonic()))
        assert until(lambda: len(updates) > 1)
        for _ in range(3):
            own_ioc.kill()
            assert until(lambda: not pv.connected)
            # Long enough that the name is asked for rarely.
            time.sleep(3)
            own_ioc.start()
            back, seen = time.monotonic(), len(updates)
            assert until(lambda: len(updates) > seen)  # noqa: B023 - called at once
            assert updates[-1] - back < 2


def test_a_server_that_hangs_counts_as_disconnected_and_is_back_with_its_newest_values(
    own_ioc: Ioc, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in own_ioc.environment.items():
        if name.startswith("EPICS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("EPICS_CA_CONN_TMO", "1")
    states: list[str] = []
    updates: list[Any] = []
    with Context(timeout=PATIENCE) as context:
        (pv,) = context.get_pvs("random_walk:x", connection_state_callback=lambda pv, state: states.append(state))
        pv.subscribe(data_type="time").add_callback(lambda sub, response: updates.append(response.data[0]))
        assert until(lambda: len(updates) == 1)
        own_ioc.pause()
        try:
            assert until(lambda: states == ["connected", "disconnected"], 15)
            with pytest.raises(caproto.CaprotoError, match="silent"):
                pv.read(timeout=0.5)
            seen = len(updates)
        finally:
            own_ioc.resume()
        assert until(lambda: states == ["connected", "disconnected", "connected"])
        assert until(lambda: len(updates) > seen)
        assert list(pv.read().data) == [updates[-1]]


@pytest.mark.parametrize("ending", ["", "import sys; sys.exit()", "del context"])
def test_an_interpreter_that_ends_without_disconnect_prints_nothing(ending: str, server: MiniServer) -> None:
    code = (
        "import time\n"
        "from caproto.threading.client import Context\n"
        "context = Context()\n"
        "pv, missing = context.get_pvs('mini:double', 'mini:nobody has this')\n"
        "pv.subscribe().add_callback(lambda sub, response: time.sleep(0.2))\n"
        "print(pv.read().data[0])\n" + ending
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, timeout=30, cwd=root, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "2.5\n", "")
