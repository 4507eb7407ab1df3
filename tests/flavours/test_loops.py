"""What only the clients of event loops have: iterators, coroutines as callbacks, cancellation, and a silent end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

import caproto
from tests.flavours.adapters import PATIENCE, Asyncio, Loop, Trio
from tests.flavours.scenarios import BURST, Flooder
from tests.interop.ioc import Ioc
from tests.isolation import free_port

pytestmark = pytest.mark.interop


@pytest.fixture(params=[Asyncio, Trio], ids=["asyncio", "trio"])
def client(request: pytest.FixtureRequest) -> Loop:
    if request.param is Trio:
        pytest.importorskip("trio")
    found: Loop = request.param()
    return found


async def within(client: Loop, seconds: float, func: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Cancel a coroutine when the time is over."""
    if isinstance(client, Asyncio):
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(func(), seconds)
    else:
        import trio

        with trio.move_on_after(seconds):
            await func()


async def together(client: Loop, *funcs: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    if isinstance(client, Asyncio):
        await asyncio.gather(*(func() for func in funcs))
    else:
        import trio

        async with trio.open_nursery() as nursery:
            for func in funcs:
                nursery.start_soon(func)


def test_an_iterator_gives_every_update_and_ends_what_it_began(client: Loop, flooder: Flooder) -> None:
    async def work() -> None:
        (pv,) = await client.connect("mini:double")
        subscription = pv.subscribe()
        seen = []
        async for response in subscription:
            seen.append(response.data[0])
            if len(seen) == BURST:
                break
        assert seen == [float(number) for number in range(BURST)]
        gc.collect()
        await client.until(lambda: not subscription.active)
        await client.until(lambda: "EventCancelRequest" in flooder.received)

    client.run(work())


def test_an_iterator_that_is_slow_loses_the_oldest(client: Loop, flooder: Flooder) -> None:
    async def work() -> None:
        (pv,) = await client.connect("mini:double")
        subscription = pv.subscribe(limit=5)
        seen = []
        async for response in subscription:
            seen.append(response.data[0])
            if seen[-1] == BURST - 1:
                break
            await client.sleep(0.01)
        assert seen == sorted(seen)
        assert len(seen) < BURST
        assert len(seen) + subscription.dropped == BURST

    client.run(work())


def test_blocks_hold_all_updates_and_tell_what_was_lost(client: Loop, flooder: Flooder) -> None:
    async def work() -> None:
        (pv,) = await client.connect("mini:double")
        seen: list[float] = []
        async for block in pv.subscribe().blocks():
            seen.extend(block.values)
            if len(seen) == BURST:
                break
        assert seen == [float(number) for number in range(BURST)]
        lost = 0
        async for block in pv.subscribe(limit=5).blocks():
            assert len(block) <= 5
            lost += len(block) + block.dropped
            if block.values[-1] == BURST - 1:
                break
        assert lost == BURST

    client.run(work())


def test_consumers_of_one_subscription_do_not_slow_each_other_down(client: Loop, flooder: Flooder) -> None:
    async def work() -> None:
        (pv,) = await client.connect("mini:double")
        subscription = pv.subscribe(limit=BURST)
        plain: list[float] = []
        slow: list[float] = []
        iterated: list[float] = []
        columns: list[float] = []

        updates, blocks = aiter(subscription), subscription.blocks()
        subscription.add_callback(client.slow(slow, 0.001))
        subscription.add_callback(lambda response: plain.append(response.data[0]))

        async def one_by_one() -> None:
            async for response in updates:
                iterated.append(response.data[0])
                if len(iterated) == BURST:
                    return

        async def as_columns() -> None:
            async for block in blocks:
                columns.extend(block.values)
                if len(columns) == BURST:
                    return

        await together(client, one_by_one, as_columns)
        await client.until(lambda: len(slow) == BURST)
        expected = [float(number) for number in range(BURST)]
        assert plain == slow == iterated == columns == expected
        assert flooder.received.count("EventAddRequest") == 1
        await subscription.clear()

    client.run(work())


def test_clearing_ends_iterators_and_leaving_too(client: Loop, ioc_environment: Ioc) -> None:
    async def work() -> None:
        (pv,) = await client.connect("ioc:longin")
        subscription = pv.subscribe()
        ended: list[str] = []

        async def follow() -> None:
            async for _ in subscription:
                pass
            ended.append("iterator")

        async def end() -> None:
            await client.until(lambda: subscription.most_recent_response is not None)
            await subscription.clear()

        await together(client, follow, end)

        async def leave() -> None:
            await client.until(lambda: subscription.most_recent_response is not None)
            await client.context.disconnect()

        await together(client, follow, leave)
        assert ended == ["iterator"] * 2

    client.run(work())


def test_a_refused_subscription_raises_in_its_iterator(client: Loop, ioc_environment: Ioc) -> None:
    async def work() -> None:
        (pv,) = await client.connect("ioc:hidden")
        with pytest.raises(caproto.ErrorResponseReceived, match="ioc:hidden: .*ECA_NORDACCESS"):
            async for _ in pv.subscribe():
                raise AssertionError("an update of what may not be read")

    client.run(work())


def test_monitor_tells_connections_and_updates(client: Loop, ioc_environment: Ioc) -> None:
    async def work() -> None:
        seen: list[tuple[str, str]] = []
        values: list[Any] = []
        async for event, context, data in client.context.monitor("ioc:counter", "ioc:longin"):
            if event == "connection":
                seen.append((context.name, data))
            else:
                assert event == "subscription"
                assert data.metadata.timestamp > 0
                seen.append((context.pv.name, "update"))
                values.append(data.data[0])
            if len(values) >= 5:
                break
        for name in ("ioc:counter", "ioc:longin"):
            assert [what for who, what in seen if who == name][:2] == ["connected", "update"]
        pvs = await client.connect("ioc:counter", "ioc:longin")
        gc.collect()
        await client.until(lambda: not any(pv.subscribe(data_type="time").active for pv in pvs))
        await client.until(lambda: not any(pv.connection_state_callback.callbacks for pv in pvs))

    client.run(work())


def test_coroutines_of_callbacks_are_awaited_in_order(client: Loop, ioc_environment: Ioc) -> None:
    async def work() -> None:
        told: list[Any] = []

        async def changed(pv: Any, state: str) -> None:
            await client.sleep(0.01)
            told.append(state)

        async def allowed(pv: Any, rights: Any) -> None:
            told.append(rights)

        async def answered(response: Any) -> None:
            told.append(response.data[0])

        (pv,) = await client.connect("ioc:longin", connection_state_callback=changed, access_rights_callback=allowed)
        await pv.read(wait=False, callback=answered)
        await client.until(lambda: len(told) == 3)
        assert told == ["connected", caproto.AccessRights.READ | caproto.AccessRights.WRITE, 42]

        async def late(sub: Any, response: Any) -> None:
            told.append(response.data[0])

        subscription = pv.subscribe()
        subscription.add_callback(late)
        await client.until(lambda: len(told) == 4)
        subscription.add_callback(late)
        await client.until(lambda: len(told) == 5)
        assert told[3:] == [42, 42]

    client.run(work())


def test_who_is_cancelled_gives_the_request_up(client: Loop, ioc_environment: Ioc) -> None:
    async def work() -> None:
        pv, missing = await client.connect("ioc:slow.PROC"), (await client.context.get_pvs("no:such:pv"))[0]
        engine = client.context.driver.engine
        await within(client, 0.05, lambda: pv[0].write(1, timeout=None))
        assert not pv[0].engine_channel.link.requests
        await within(client, 0.05, lambda: missing.wait_for_connection(timeout=None))
        await within(client, 0.05, lambda: missing.wait_for_search(timeout=None))
        assert not missing.engine_channel.connects
        assert not missing.engine_channel.finds
        assert not engine._deadlines
        assert not client.context.driver._waiters
        # The answer that comes all the same harms nobody.
        await pv[0].write(1, timeout=PATIENCE)

    client.run(work())


def test_disconnect_wakes_up_who_waits(client: Loop, ioc_environment: Ioc) -> None:
    async def work() -> None:
        slow, missing = (await client.connect("ioc:slow.PROC"))[0], (await client.context.get_pvs("no:such:pv"))[0]
        errors: list[Exception] = []

        async def fail(waiting: Coroutine[Any, Any, Any]) -> None:
            with pytest.raises(caproto.CaprotoError) as caught:
                await waiting
            errors.append(caught.value)

        async def leave() -> None:
            await client.sleep(0.05)
            await client.close()

        began = time.monotonic()
        await together(
            client,
            lambda: fail(slow.write(1, timeout=PATIENCE)),
            lambda: fail(missing.wait_for_connection(timeout=PATIENCE)),
            leave,
        )
        assert time.monotonic() - began < PATIENCE / 2
        assert len(errors) == 2

    client.run(work())


def test_search_tells_where_pvs_are(client: Loop, ioc_environment: Ioc) -> None:
    async def work() -> None:
        assert await client.context.search("ioc:ai", "ioc:ao") == dict.fromkeys(
            ("ioc:ai", "ioc:ao"), ioc_environment.address
        )

    client.run(work())


class Deaf(Flooder):
    """Reads nothing after the channel is made, until it is told to."""

    def __init__(self, port: int) -> None:
        self.listens = threading.Event()
        super().__init__(port)

    def _on_ReadNotifyRequest(self, circuit: Any, command: Any) -> Any:
        self.listens.wait(PATIENCE)
        return super()._on_ReadNotifyRequest(circuit, command)

    def _on_WriteNotifyRequest(self, circuit: Any, command: Any) -> list[Any]:
        return [caproto.WriteNotifyResponse(command.data_type, command.data_count, 1, command.ioid)]


def test_a_large_write_to_a_busy_server_delays_nobody(
    client: Loop, ioc_environment: Ioc, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Deaf(free_port())
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", f"127.0.0.1:{server.port} 127.0.0.1:{ioc_environment.port}")

    async def work() -> None:
        deaf, other = await client.connect("mini:array", "ioc:counter")
        seen: list[float] = []
        other.subscribe().add_callback(lambda response: seen.append(response.data[0]))
        await deaf.read(wait=False)
        done: list[Any] = []

        async def write() -> None:
            done.append(await deaf.write(bytes(8_000_000), timeout=PATIENCE, data_count=1_000_000))

        async def meanwhile() -> None:
            await client.until(lambda: deaf.engine_channel.link.wants_write)
            seen.clear()
            began = time.monotonic()
            await client.until(lambda: len(seen) >= 4)
            assert time.monotonic() - began < 1
            assert not done
            server.listens.set()

        await together(client, write, meanwhile)
        assert done[0].status.success

    try:
        client.run(work())
    finally:
        server.listens.set()
        server.close()
    assert server.errors == []


def test_an_update_makes_no_task_and_no_future(flooder: Flooder) -> None:
    client = Asyncio()

    async def work() -> None:
        loop = asyncio.get_running_loop()
        (pv,) = await client.connect("mini:double")
        seen: list[float] = []
        made: list[str] = []
        for name in ("create_task", "create_future", "call_soon", "call_at"):
            original = getattr(loop, name)

            def counted(*args: Any, name: str = name, original: Any = original, **options: Any) -> Any:
                made.append(name)
                return original(*args, **options)

            setattr(loop, name, counted)
        pv.subscribe().add_callback(lambda response: seen.append(response.data[0]))
        await client.until(lambda: len(seen) == BURST)
        assert len(made) < BURST / 2

    client.run(work())


def test_a_context_of_trio_wants_to_be_entered() -> None:
    trio = pytest.importorskip("trio")
    from caproto.trio.client import Context

    async def work() -> None:
        with pytest.raises(caproto.CaprotoRuntimeError, match="async with"):
            await Context().get_pvs("ioc:ai")

    trio.run(work)


def test_the_body_of_a_trio_context_raises_what_it_raises(ioc_environment: Ioc) -> None:
    trio = pytest.importorskip("trio")
    from caproto.trio.client import Context, SharedBroadcaster

    async def work() -> None:
        broadcaster = SharedBroadcaster(repeater=False)
        with pytest.raises(ZeroDivisionError):
            async with broadcaster, Context(broadcaster):
                1 / 0  # noqa: B018
        broadcaster = SharedBroadcaster(repeater=False)
        with trio.move_on_after(0.1) as scope:
            async with broadcaster, Context(broadcaster) as context:
                (pv,) = await context.get_pvs("no:such:pv")
                await pv.wait_for_connection(timeout=None)
        assert scope.cancelled_caught

    trio.run(work)


# Ends without a word

BODY = """
import asyncio, sys
from caproto.{flavour}.client import Context
kept = []
async def use(context):
    (pv, other, missing) = await context.get_pvs("ioc:counter", "ioc:longin", "no:such:pv")
    seen = []
    async def callback(sub, response):
        seen.append(response)
    sub = pv.subscribe(data_type="time")
    sub.add_callback(callback)
    other.subscribe().add_callback(lambda response: seen.append(response))
    kept.extend([context, sub])
    await pv.read()
    async for response in sub:
        if len(seen) > 2:
            break
"""
ENDS = {
    "leaves": """
async def main():
    async with Context() as context:
        await use(context)
asyncio.run(main())
""",
    "disconnects": """
async def main():
    context = Context()
    await use(context)
    await context.disconnect()
    await context.disconnect()
asyncio.run(main())
""",
    "forgets": """
async def main():
    await use(Context())
asyncio.run(main())
""",
    "forgets and keeps nothing": """
async def main():
    await use(Context())
    kept.clear()
asyncio.run(main())
""",
    "closes the loop itself": """
loop = asyncio.new_event_loop()
async def main():
    await use(Context())
loop.run_until_complete(main())
loop.close()
""",
    "closes the loop itself and keeps nothing": """
import gc
loop = asyncio.new_event_loop()
async def main():
    await use(Context())
    kept.clear()
loop.run_until_complete(main())
loop.close()
gc.collect()
""",
    "never begins": """
context = Context()
async def main():
    Context()
asyncio.run(main())
""",
}
TRIO_END = """
import trio
async def main():
    async with Context() as context:
        await use(context)
trio.run(main)
"""


@pytest.fixture
def repeater_port(ioc: Ioc) -> Iterator[None]:
    """Something at the repeater's port, so that no repeater is started that would outlive the test."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", ioc.repeater_port))
        yield


def run_quietly(ioc: Ioc, code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", code],
        env={**ioc.environment, "PYTHONASYNCIODEBUG": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    # A slow machine is told about in debug mode; that is not of interest here.
    said = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
    assert (done.returncode, done.stdout, said) == (0, "", [])


@pytest.mark.parametrize("end", ENDS)
def test_asyncio_ends_without_a_word(end: str, ioc: Ioc, repeater_port: None) -> None:
    run_quietly(ioc, BODY.format(flavour="asyncio") + ENDS[end])


def test_trio_ends_without_a_word(ioc: Ioc, repeater_port: None) -> None:
    pytest.importorskip("trio")
    run_quietly(ioc, BODY.format(flavour="trio") + TRIO_END)
