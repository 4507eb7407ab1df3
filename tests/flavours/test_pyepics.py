"""The pyepics interface where it does better than pyepics, or where only one library is needed to tell."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from caproto import CaprotoValueError, Forbidden
from caproto.threading import pyepics_compat
from caproto.threading.client import Context
from caproto.threading.pyepics_compat import (
    PV,
    caget,
    caget_many,
    camonitor,
    camonitor_clear,
    caput,
    caput_many,
    get_pv,
)
from tests.interop.ioc import Ioc
from tests.isolation import epics_environment

pytestmark = pytest.mark.interop


class Log:
    """Collects calls, and waits for one of them."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self._changed = threading.Condition()

    def add(self, item: Any) -> None:
        with self._changed:
            self.calls.append(item)
            self._changed.notify_all()

    def value(self, *, value: Any, **_: Any) -> None:
        self.add(value)

    def connection(self, *, conn: bool, **_: Any) -> None:
        self.add(conn)

    def wait_for(self, condition: Callable[[list[Any]], Any], timeout: float = 10) -> bool:
        with self._changed:
            return bool(self._changed.wait_for(lambda: condition(self.calls), timeout))


@pytest.fixture
def context(ioc_environment: Ioc) -> Iterator[Context]:
    with Context() as made:
        yield made
        pyepics_compat.clear_pvcache()


def monitored(context: Context, name: str, **kwargs: Any) -> tuple[PV, Log]:
    log = Log()
    pv = PV(name, log.value, context=context, **kwargs)
    assert pv.wait_for_connection(10)
    assert log.wait_for(bool)
    return pv, log


def test_functions_of_the_user_may_do_everything(context: Context) -> None:
    """All of them run in one thread; what they wait for does not need that thread."""
    done = Log()

    def work(kind: str) -> None:
        other = PV("ioc:many00", context=context, auto_monitor=False)
        assert other.wait_for_connection(5)
        assert other.put(1.5, wait=True, timeout=5) == 1
        assert other.get(timeout=5) == 1.5
        assert other.put(0, wait=True, timeout=5) == 1
        assert caget("ioc:ai", context=context, timeout=5) == 12.5
        assert caget_many(["ioc:ai", "ioc:longin"], context=context) == [12.5, 42]
        assert caput_many(["ioc:many01"], [1], wait="all", context=context) == [1]
        done.add(kind)

    pv = PV(
        "ioc:many02",
        callback=lambda pvname, **_: work("value"),
        connection_callback=lambda **_: work("connection"),
        access_callback=lambda *_, **__: work("access"),
        context=context,
    )
    assert pv.wait_for_connection(5)
    assert pv.put(2, callback=lambda **_: work("put")) == 1
    assert done.wait_for(lambda calls: {"value", "connection", "access", "put"} <= set(calls)), done.calls


def test_connection_callbacks_were_called_when_the_wait_for_the_connection_ends(context: Context) -> None:
    hold, log = threading.Event(), Log()
    context.call(hold.wait, 10)  # keeps the thread of callbacks busy
    pv = PV("ioc:many04", connection_callback=log.connection, context=context)
    pv._pv.wait_for_connection(timeout=10)
    assert pv.wait_for_connection(0.05) is True and log.calls == []
    release = threading.Timer(0.05, hold.set)
    release.start()
    assert pv.wait_for_connection(5) is True
    assert log.calls == [True]
    release.join()


def test_a_connection_callback_may_wait_for_its_own_connection(context: Context) -> None:
    log = Log()

    def connected(*, pv: PV, **_: Any) -> None:
        log.add((pv.wait_for_connection(30), pv.get(timeout=5)))

    pv = PV("ioc:ai", connection_callback=connected, context=context)
    assert pv.wait_for_connection(10)
    assert log.calls == [(True, 12.5)]


def test_a_callback_gets_its_own_value(context: Context) -> None:
    log = Log()
    pv = PV("ioc:counter", context=context)
    pv.add_callback(lambda value, **_: log.add((value, pv.get(), pv.value)), with_ctrlvars=False)
    assert log.wait_for(lambda calls: len(calls) > 2)
    assert all(given == got == value for given, got, value in log.calls)


def test_get_is_never_older_than_a_put_that_was_waited_for(context: Context) -> None:
    """Even while callbacks lag behind, as they do when one of them blocks."""
    pv, log = monitored(context, "ioc:many03")
    hold = threading.Event()
    index = pv.add_callback(lambda **_: hold.wait(10))
    try:
        for value in (1.0, 2.0, 3.0):
            assert pv.put(value, wait=True) == 1
            assert pv.get() == pv.get_with_metadata()["value"] == value
    finally:
        hold.set()
    assert log.wait_for(lambda calls: calls[-3:] == [1.0, 2.0, 3.0])
    pv.remove_callback(index)
    assert pv.put(3, wait=True) == 1
    assert pv.get() == 3


def test_a_callback_that_fails_does_not_keep_others_from_being_called(
    context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    good = Log()
    pv = PV("ioc:many04", [lambda **_: 1 / 0, good.value], context=context)
    with caplog.at_level(logging.ERROR, "caproto"):
        assert good.wait_for(lambda calls: calls == [4.0])
        assert pv.put(4.5, wait=True) == 1
        assert good.wait_for(lambda calls: calls[-1] == 4.5)
    assert "ZeroDivisionError" in caplog.text and "ioc:many04" in caplog.text
    pv.put(4, wait=True)


def test_a_callback_removes_itself(context: Context) -> None:
    log = Log()

    def once(value: Any, cb_info: tuple[int, PV], **_: Any) -> None:
        index, pv = cb_info
        pv.remove_callback(index)
        log.add(value)

    pv, all_values = monitored(context, "ioc:counter")
    pv.add_callback(once)
    assert log.wait_for(bool)
    number = len(all_values.calls)
    assert all_values.wait_for(lambda calls: len(calls) > number + 2)
    assert len(log.calls) == 1


def test_follows_an_ioc_through_a_restart(own_ioc: Ioc, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in epics_environment(own_ioc.port, own_ioc.repeater_port).items():
        monkeypatch.setenv(name, value)
    connections = Log()
    with Context() as context:
        pv, log = monitored(context, "ioc:many05", connection_callback=connections.connection)
        assert pv.put(77.0, wait=True) == 1
        assert log.wait_for(lambda calls: calls[-1] == 77.0)
        own_ioc.kill()
        assert connections.wait_for(lambda calls: calls == [True, False])
        assert not pv.connected
        assert pv.wait_for_connection(0.1) is False
        assert pv.get(timeout=0.1) is None
        assert pv.put(1, timeout=0.1) is None
        assert pv.value == 77.0, "what was received last"
        own_ioc.start()
        assert connections.wait_for(lambda calls: calls == [True, False, True])
        assert log.wait_for(lambda calls: calls[-1] == 5.0)
        assert pv.get() == 5.0
        assert len([call for call in log.calls if call == 5.0]) == 2, "one before, one after"


def test_a_put_that_the_ioc_does_not_survive(own_ioc: Ioc, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in epics_environment(own_ioc.port, own_ioc.repeater_port).items():
        monkeypatch.setenv(name, value)
    done = Log()
    with Context() as context:
        pv = PV("ioc:slow.PROC", context=context, auto_monitor=False)
        assert pv.put(1, callback=lambda **kw: done.add(kw), callback_data="mine") == 1
        own_ioc.kill()
        assert done.wait_for(bool)
        assert done.calls == [{"pvname": "ioc:slow.PROC", "data": "mine"}]


def test_pvs_of_one_name_are_independent(context: Context) -> None:
    one, one_log = monitored(context, "ioc:many06")
    two, two_log = monitored(context, "ioc:many06")
    assert one is not two and one != two
    one.clear_auto_monitor()
    two.put(6.5, wait=True)
    assert two_log.wait_for(lambda calls: calls[-1] == 6.5)
    assert one_log.calls == [6.0]
    assert one.get() == 6.5
    one.disconnect()
    assert two.connected and not one.connected
    two.put(6.0, wait=True)
    assert two_log.wait_for(lambda calls: calls == [6.0, 6.5, 6.0])


def test_disconnect_lets_go_of_everything(context: Context) -> None:
    pv, log = monitored(
        context, "ioc:many07", connection_callback=lambda **_: None, access_callback=lambda *_, **__: None
    )
    channel = pv._pv
    assert channel.subscriptions
    pv.disconnect()
    assert not channel.subscriptions
    assert not channel.connection_state_callback.callbacks
    assert not channel.access_rights_callback.callbacks
    assert pv.wait_for_connection(0.1) is False
    assert pv.get() is None
    assert pv.reconnect()
    assert pv.get() == 7.0


def test_subscription_ends_with_auto_monitor_and_begins_again(context: Context) -> None:
    pv, log = monitored(context, "ioc:many08")
    pv.auto_monitor = False
    assert pv.auto_monitor_mask is None
    assert pv.put(8.5, wait=True) == 1
    assert pv.get() == 8.5, "asked for"
    pv.auto_monitor = True
    assert log.wait_for(lambda calls: calls == [8.0, 8.5])
    pv.put(8.0, wait=True)
    assert log.wait_for(lambda calls: calls == [8.0, 8.5, 8.0])


def test_monitor_delta_keeps_small_changes_back(context: Context) -> None:
    pv, log = monitored(context, "ioc:many09", monitor_delta=1.0)
    for value in (9.5, 9.9, 10.5, 11.0, 9.0):
        assert pv.put(value, wait=True) == 1
    assert log.wait_for(lambda calls: calls == [9.0, 10.5, 9.0])


def test_a_large_array_is_read_when_asked_for(context: Context) -> None:
    pv = PV("ioc:wf:mega", context=context)
    assert pv.put([float(number) for number in range(100_000)], wait=True, timeout=20) == 1
    assert pv.auto_monitor is False
    assert len(pv.get(timeout=20)) == 100_000
    assert list(pv.get(count=3, timeout=20)) == [0.0, 1.0, 2.0]
    assert pv.get(as_string=True, timeout=20) == "<array size=100000, type=time_double>"


def test_refusals_say_what_is_refused(context: Context) -> None:
    pv = PV("ioc:readonly", context=context)
    with pytest.raises(Forbidden, match=r"ioc:readonly: 127\.0\.0\.1:\d+ does not allow to write it"):
        pv.put(1)
    with pytest.raises(Forbidden, match="ioc:hidden: .* does not allow to read it"):
        PV("ioc:hidden", context=context).get()
    with pytest.raises(CaprotoValueError, match="ioc:bo: 'On or off' is neither a number nor one of its states"):
        PV("ioc:bo", context=context).put("On or off")
    with pytest.raises(CaprotoValueError):
        PV("ioc:many10", context=context).put("ten")
    assert caput_many(["ioc:readonly", "ioc:many10"], [1, 10], wait="all", context=context) == [-1, 1]
    assert caget_many(["ioc:hidden", "ioc:ai"], context=context) == [None, 12.5]


def test_a_write_that_the_server_refuses_fails(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    """Access rights do not tell of DISP; pyepics says 1 here."""
    with caplog.at_level(logging.WARNING, "caproto"):
        assert caput("ioc:disabled", 1, wait=True, context=context) == -1
    assert "ioc:disabled" in caplog.text


def test_access_rights_that_change(context: Context) -> None:
    rights = Log()
    pv = PV(
        "ioc:dynamic", access_callback=lambda read, write, pv: rights.add((read, write, pv.access)), context=context
    )
    assert rights.wait_for(lambda calls: calls == [(True, True, "read/write")])
    try:
        caput("ioc:gate", 0, wait=True, context=context)
        assert rights.wait_for(lambda calls: calls[-1] == (True, False, "read-only"))
        assert pv.write_access is False
    finally:
        caput("ioc:gate", 1, wait=True, context=context)
    assert rights.wait_for(lambda calls: calls[-1] == (True, True, "read/write"))


def test_get_pv_serves_all_who_ask_for_the_same(context: Context) -> None:
    first = get_pv("ioc:many11", context=context, connect=True)
    log, connections = Log(), Log()
    again = get_pv("ioc:many11", log.value, context=context, connection_callback=connections.connection)
    assert again is first
    assert connections.wait_for(bool) and connections.calls == [True]
    assert log.wait_for(bool) and log.calls[0] == 11.0
    first.disconnect()
    assert get_pv("ioc:many11", context=context, connect=True) is not first


def test_time_outs(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    pv = get_pv("no:such:pv", context=context, connect=True, timeout=0.1)
    assert capsys.readouterr().out == "cannot connect to no:such:pv\n"
    assert pv.wait_for_connection(timeout=-1) is False
    slow = PV("ioc:slow.PROC", context=context, auto_monitor=False)
    assert slow.put(1, wait=True, use_complete=True, timeout=0.05) == -1
    assert slow.put_complete is False
    assert slow.put(1, wait=True, timeout=None) == 1
    assert caget("no:such:pv", timeout=0.1, context=context) is None


def test_camonitor_prints(context: Context) -> None:
    lines = Log()
    camonitor("ioc:many12", writer=lines.add, context=context)
    for value in (12.5, 12):
        assert caput("ioc:many12", value, wait=True, context=context) == 1
    assert lines.wait_for(lambda calls: calls[-1:] and calls[-1].endswith(" 12"))
    assert all(line.startswith("ioc:many12 20") for line in lines.calls)
    camonitor_clear("ioc:many12")
    camonitor_clear("ioc:many12")


def test_the_default_context_is_made_when_needed(ioc_environment: Ioc) -> None:
    first = PV.default_context()
    assert PV.default_context() is first
    try:
        assert caget("ioc:ai") == 12.5
    finally:
        first.disconnect()
    second = PV.default_context()
    try:
        assert second is not first
        assert caget("ioc:ai") == 12.5
    finally:
        pyepics_compat.clear_pvcache()
        second.disconnect()


def run_program(ioc: Ioc, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(text)],
        env={**ioc.environment, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_program_ends_without_a_word(ioc: Ioc) -> None:
    done = run_program(
        ioc,
        """
        from caproto.threading.pyepics_compat import PV, caget, camonitor
        camonitor("ioc:counter", writer=lambda line: None)
        pv = PV("ioc:counter", callback=lambda **_: None)
        print(caget("ioc:ai", as_string=True))
        """,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "12.500\n", "")


@pytest.mark.parametrize("codec", ["cython", "python"])
def test_works_without_numpy(ioc: Ioc, codec: str) -> None:
    done = run_program(
        ioc,
        """
        import sys
        sys.modules["numpy"] = None
        from caproto.threading.pyepics_compat import PV, caget, caget_many, caput
        print(list(caget("ioc:wf:double")), caget("ioc:wf:double", as_numpy=False))
        print(caget("ioc:wf:uchar", as_string=True))
        print(caget_many(["ioc:ai", "ioc:wf:string"], as_numpy=False))
        seen = []
        pv = PV("ioc:wf:short", callback=lambda value, **_: seen.append(list(value)))
        print(list(pv.get()), list(pv.get(count=2)), pv.get(as_string=True))
        print(caput("ioc:wf:short", [1, 2, 3], wait=True))
        print(caget("ioc:sine.EGU"), caget("ioc:mbbi", as_string=True))
        """,
        CAPROTO_CODEC=codec,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "[1.5, -2.25, 3.0] [1.5, -2.25, 3.0]",
        "\x01\x02\x03",
        "[12.5, ['one', 'two', '', 'four']]",
        "[1, 2, 3] [1, 2] <array size=3, type=time_short>",
        "1",
        "mm state 2",
    ]
