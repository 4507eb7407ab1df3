"""Hooks as IOCs of caproto 1.x have them: what clients see of those that fail, and what they are called with."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import pytest

from caproto import AlarmSeverity, AlarmStatus, CaprotoError, CaprotoValueError, ChannelType, Forbidden, SkipWrite
from caproto._data.subscription import Subscription
from caproto.asyncio.server import ServerExit
from caproto.server import PVGroup, pvproperty
from tests.server_framework.layer import run

LONG = ChannelType.LONG


class Device(PVGroup):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.error: BaseException | None = None

    command = pvproperty(value=1)
    state = pvproperty(value=1)
    limited = pvproperty(value=1, upper_alarm_limit=10, lower_alarm_limit=-10)

    @command.putter
    async def command(self, instance: Any, value: Any) -> None:
        if self.error is not None:
            raise self.error

    @limited.putter
    async def limited(self, instance: Any, value: Any) -> None:
        if self.error is not None:
            raise self.error

    @state.getter
    async def state(self, instance: Any) -> int:
        if self.error is not None:
            raise self.error
        return 5


class Sink:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def put(self, subscription: Subscription, encoded: Any) -> None:
        data = subscription.view.data
        self.told.append((data.value, int(data.status), int(data.severity)))


def watch(pv: Any) -> Sink:
    sink = Sink()
    pv.attach(Subscription(pv.view(), int(LONG), 1, 0xFF, sink))
    return sink


async def put(pv: Any, value: int) -> None:
    await pv.auth_write("host", "user", [value], LONG, None)


async def attempt(pv: Any, value: int, error: type[BaseException]) -> None:
    with pytest.raises(error):
        await put(pv, value)


def test_a_putter_that_fails_puts_its_pv_into_alarm_until_one_succeeds() -> None:
    async def job() -> None:
        group = Device(prefix="d:")
        sink = watch(group.command)
        for error in (ValueError("hot"), CaprotoValueError("hot")):
            group.error = error
            await attempt(group.command, 2, ValueError)
            assert (group.command.status, group.command.severity) == (AlarmStatus.WRITE, AlarmSeverity.MAJOR_ALARM)
        group.error = None
        await put(group.command, 3)
        assert sink.told == [(1, 2, 2), (1, 0, 0), (3, 0, 0)]

    run(job())


def test_a_getter_that_fails_puts_its_pv_into_alarm_until_one_succeeds() -> None:
    async def job() -> None:
        group = Device(prefix="d:")
        sink = watch(group.state)
        group.error = OSError("gone")
        for _ in range(2):
            with pytest.raises(OSError, match="gone"):
                await group.state.read(LONG)
        group.error = None
        assert (await group.state.read(LONG))[1] == [5]
        assert sink.told == [(1, 1, 2), (1, 0, 0), (5, 0, 0)]

    run(job())


def test_an_alarm_of_the_ioc_survives_reads_and_writes_that_succeed() -> None:
    async def job() -> None:
        group = Device(prefix="d:")
        for pv in (group.command, group.state):
            await pv.alarm.write(status=AlarmStatus.COMM, severity=AlarmSeverity.INVALID_ALARM)
            await put(pv, 4)
            await pv.read(LONG)
            assert (pv.status, pv.severity) == (AlarmStatus.COMM, AlarmSeverity.INVALID_ALARM)
        group.error = ValueError("hot")
        await attempt(group.command, 2, ValueError)
        await group.command.alarm.write(status=AlarmStatus.COMM, severity=AlarmSeverity.MINOR_ALARM)
        group.error = None
        await put(group.command, 2)
        assert group.command.status == AlarmStatus.COMM

    run(job())


def test_limits_rule_the_alarm_after_a_putter_that_failed() -> None:
    async def job() -> None:
        group = Device(prefix="d:")
        group.error = ValueError("hot")
        await attempt(group.limited, 2, ValueError)
        group.error = None
        await put(group.limited, 12)
        assert (group.limited.status, group.limited.severity) == (AlarmStatus.HIHI, AlarmSeverity.MAJOR_ALARM)

    run(job())


@pytest.mark.parametrize("error", [SkipWrite, Forbidden, ServerExit])
def test_what_is_no_failure_is_no_alarm(error: type[Exception]) -> None:
    async def job() -> None:
        group = Device(prefix="d:")
        group.error = error()
        with pytest.raises((Forbidden, ServerExit)) if error is not SkipWrite else pytest.raises(AssertionError):
            await put(group.command, 2)
            raise AssertionError
        assert (group.command.value, group.command.severity) == (1, AlarmSeverity.NO_ALARM)

    run(job())


def test_a_mistake_of_a_putter_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    async def job() -> None:
        group = Device(prefix="d:")
        group.error = CaprotoValueError("written within the putter")
        await attempt(group.command, 2, CaprotoValueError)

    with caplog.at_level(logging.ERROR):
        run(job())
    (record,) = caplog.records
    assert "d:command: the putter failed" in record.getMessage() and record.exc_info is not None


class Returning(PVGroup):
    """Hooks that return what the test says."""

    returned: Any = None

    async def get(self, instance: Any) -> Any:
        return self.returned

    async def put(self, instance: Any, value: Any) -> Any:
        return self.returned

    number = pvproperty(get=get, put=put, value=1)
    state = pvproperty(get=get, put=put, value="a", enum_strings=["a", "b"])


UNFIT = [("number", "text", "'text'"), ("number", [1, 2], "2 elements"), ("state", "c", "'c'"), ("state", 2, "2")]


@pytest.mark.parametrize("hook", ["getter", "putter"])
@pytest.mark.parametrize(("attr", "returned", "named"), [*UNFIT, ("number", None, "")])
def test_what_a_hook_returns_and_cannot_be_stored_is_logged_as_its_failure(
    hook: str, attr: str, returned: Any, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def job() -> None:
        group = Returning(prefix="r:")
        group.returned = returned
        pv = getattr(group, attr)
        with pytest.raises(CaprotoError) if named else contextlib.nullcontext():
            await (pv.read(pv.data_type) if hook == "getter" else put(pv, 1))
        assert (pv.value, pv.severity) == (1 if attr == "number" else "a", AlarmSeverity(2 if named else 0))

    with caplog.at_level(logging.ERROR):
        run(job())
    assert [(record.getMessage(), named in str(record.exc_info)) for record in caplog.records] == (
        [(f"r:{attr}: the {hook} failed", True)] if named else []
    )


def test_a_putter_may_return_a_state_by_its_number() -> None:
    async def job() -> None:
        group = Returning(prefix="r:")
        group.returned = 1
        await put(group.state, 0)
        assert group.state.value == "b"

    run(job())


@pytest.mark.parametrize("stamp", [0, -5, 1e12, 631152000 - 0.5, float("nan")])
def test_a_clock_that_was_never_set_does_not_lose_the_value(stamp: float) -> None:
    group = Device(prefix="d:")
    run(group.limited.write(7, timestamp=stamp))
    assert (group.limited.value, bytes(group.limited.epics_timestamp)) == (7, bytes(8))


def test_older_import_paths_lead_to_the_same_names() -> None:
    import caproto.server
    from caproto.server.server import PVGroup as Group
    from caproto.server.server import PvpropertyData
    from caproto.server.typing import AsyncLibraryLayer

    assert (Group, PvpropertyData) == (PVGroup, caproto.server.PvpropertyData)
    assert AsyncLibraryLayer is caproto.server.AsyncLibraryLayer
    with pytest.raises(ImportError):
        from caproto.server.server import nothing_of_the_kind  # type: ignore[attr-defined]  # noqa: F401


def test_a_state_equals_its_name_and_its_number() -> None:
    import copy
    import json
    import pickle

    class Ioc(PVGroup):
        mode = pvproperty(value="a", dtype=ChannelType.ENUM, enum_strings=["a", "b", "b"])

    async def job() -> None:
        group = Ioc(prefix="m:")
        sink = watch(group.mode)
        for number, name in ((0, "a"), (1, "b"), (2, "b")):
            await group.mode.auth_write("host", "user", [number], ChannelType.ENUM, None)
            state = group.mode.value
            assert state == name and state == number and state != number + 1 and state in (name,) and state in (number,)
            assert (int(state), [5, 6, 7][state], {name: 1}[state], repr(state)) == (number, 5 + number, 1, repr(name))
            assert group.mode.raw_value == number and bool(state)
            assert len(sink.told) == number  # another state of the same name is news as well
            assert (json.dumps(state), pickle.loads(pickle.dumps(state)), copy.copy(state)) == (
                f'"{name}"',
                number,
                number,
            )

    run(job())
