"""The data behind channels: how values are written, told as every type, and published."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Any

import pytest

from caproto._data import (
    ChannelAlarm,
    ChannelByte,
    ChannelChar,
    ChannelData,
    ChannelDouble,
    ChannelEnum,
    ChannelFloat,
    ChannelInteger,
    ChannelShort,
    ChannelString,
)
from caproto._data.subscription import Deadband, Decimation, Subscription, Sync
from caproto._data.view import Encoded, ViewKey
from caproto._dbr import TimeStamp
from caproto._enums import AccessRights, AlarmSeverity, AlarmStatus, ChannelType, SubscriptionType
from caproto._errors import CaprotoError, CaprotoValueError, Forbidden, SkipWrite
from caproto._filters import ArrayFilter, DeadbandFilter, SyncFilter
from caproto._layout import LAYOUTS
from tests.server.values import Collector, follow, run, told

EVERYTHING = [
    ChannelShort(value=-3),
    ChannelInteger(value=70000),
    ChannelFloat(value=1.5, precision=2),
    ChannelDouble(value=2.25, precision=3, units="mm", upper_disp_limit=10),
    ChannelString(value="12.5"),
    ChannelEnum(value="on", enum_strings=["off", "on"]),
    ChannelByte(value=b"ab", max_length=5),
    ChannelChar(value="34", max_length=9),
    ChannelDouble(value=[1.0, 2.0, 3.0], max_length=5),
]


@pytest.mark.parametrize("data", EVERYTHING, ids=lambda data: type(data).__name__)
@pytest.mark.parametrize("data_type", [*range(35), 37, 38])
def test_every_value_can_be_told_as_every_type(data: ChannelData, data_type: int) -> None:
    count, elements = told(data, data_type)
    assert count == len(elements) >= 1
    assert told(data, data_type, count + 3)[1] == elements + [b"" if LAYOUTS[data_type].native == 0 else 0] * 3
    metadata, again = run(data.read(ChannelType(data_type)))
    assert len(again) == count
    if 14 <= data_type <= 20:
        assert metadata.timestamp == pytest.approx(data.timestamp)


@pytest.mark.parametrize(
    ("data", "data_type", "elements"),
    [
        (ChannelDouble(value=85.5, precision=3), 0, [b"85.500"]),
        (ChannelDouble(value=math.nan), 0, [b"nan"]),
        (ChannelInteger(value=-7), 0, [b"-7"]),
        (ChannelDouble(value=-2.9), 5, [-2]),
        (ChannelInteger(value=70000), 1, [70000 - 65536]),
        (ChannelEnum(value=1, enum_strings=["a", "b"]), 0, [b"b"]),
        (ChannelEnum(value="b", enum_strings=["a", "b"]), 6, [1.0]),
        (ChannelString(value="0x10"), 5, [16]),
        (ChannelString(value=" 2.5 "), 6, [2.5]),
        (ChannelString(value=""), 6, [0.0]),
        (ChannelChar(value="hello", max_length=20), 0, [b"hello"]),
        (ChannelByte(value=b"\x01\xff", max_length=4), 0, [b"1", b"255"]),
        (ChannelByte(value=b"\x01\xff", max_length=4), 5, [1, 255]),
        (ChannelString(value="x" * 60), 0, [b"x" * 39]),
    ],
)
def test_conversions_are_those_of_epics(data: ChannelData, data_type: int, elements: list[Any]) -> None:
    assert told(data, data_type) == (len(elements), elements)


@pytest.mark.parametrize("data_type", [1, 2, 3, 4, 5, 6])
def test_text_that_is_no_number_cannot_be_told_as_one(data_type: int) -> None:
    with pytest.raises(CaprotoValueError, match="'high'"):
        told(ChannelString(value="high"), data_type)


@pytest.mark.parametrize("data_type", [35, 36])
def test_types_for_writing_only(data_type: int) -> None:
    with pytest.raises(CaprotoValueError, match="writing"):
        told(ChannelDouble(value=1.0), data_type)


def test_class_name_and_alarm_of_the_record() -> None:
    data = ChannelDouble(value=1.0, reported_record_type="ai", alarm=ChannelAlarm(status=3, severity=2))
    assert told(data, 38) == (1, [b"ai"])
    run(data.alarm.write(severity=3))
    raw = bytes(data.view().encoded(37, 0).rest)
    assert struct.unpack(">HHHH", raw[:8]) == (3, 3, 1, 3)
    run(data.write_from_dbr([2], ChannelType.PUT_ACKS, None))
    assert data.alarm.severity_to_acknowledge == 3
    run(data.write_from_dbr([3], ChannelType.PUT_ACKS, None))
    assert data.alarm.severity_to_acknowledge == 0
    run(data.write_from_dbr([0], ChannelType.PUT_ACKT, None))
    assert data.alarm.must_acknowledge_transient is False


def test_long_strings() -> None:
    data = ChannelString(value="x" * 60, long_string_max_length=50)
    view = data.view(ViewKey(long_string=True))
    assert (view.native_type, view.native_count) == (4, 50)
    assert told(data, 4, 0, ViewKey(long_string=True)) == (50, [120] * 49 + [0])
    assert told(ChannelChar(value="ab", max_length=9), 4, 0, ViewKey(long_string=True)) == (3, [97, 98, 0])


def test_sub_arrays() -> None:
    data = ChannelInteger(value=[0, 1, 2, 3, 4], max_length=10)
    key = ViewKey(arr=ArrayFilter(1, 2, -1))
    assert told(data, 5, 0, key) == (2, [1, 3])
    assert data.view(key).native_count == 5


def test_a_write_is_told_again_and_an_encoded_value_is_kept() -> None:
    data = ChannelDouble(value=1.0)
    first = data.view().encoded(6, 0)
    assert data.view().encoded(6, 0) is first
    run(data.write(2.5, timestamp=TimeStamp(5, 7)))
    assert told(data, 6) == (1, [2.5])
    assert bytes(data.view().encoded(20, 0).rest)[4:12] == struct.pack(">II", 5, 7)


def test_metadata_reaches_the_wire() -> None:
    data = ChannelDouble(value=1.0)
    run(data.write_metadata(units="volt", precision=4, upper_alarm_limit=9.5, lower_ctrl_limit=-1))
    metadata, _ = run(data.read(ChannelType.CTRL_DOUBLE))
    assert (metadata.units, metadata.precision) == (b"volt", 4)
    assert (metadata.upper_alarm_limit, metadata.lower_ctrl_limit) == (9.5, -1)
    enum = ChannelEnum(value="on", enum_strings=["off", "on"])
    run(enum.write_metadata(enum_strings=["no", "yes", "maybe"]))
    assert run(enum.read(ChannelType.GR_ENUM))[0].enum_strings == (b"no", b"yes", b"maybe")
    assert enum.value == "yes" and enum.value == 1
    with pytest.raises(CaprotoValueError, match="inf is none of 'no', 'yes', 'maybe'"):
        run(enum.write(math.inf))


@pytest.mark.parametrize(
    ("data", "sent", "data_type", "value"),
    [
        (ChannelDouble(value=0.0), [3], 5, 3.0),
        (ChannelDouble(value=0.0), [b"2.5"], 0, 2.5),
        (ChannelInteger(value=0), [2.9], 6, 2),
        (ChannelShort(value=0), [70000], 5, 4464),
        (ChannelEnum(value=0, enum_strings=["a", "b"]), [b"b"], 0, "b"),
        (ChannelEnum(value=0, enum_strings=["a", "b"]), [b"1"], 0, "b"),
        (ChannelEnum(value=0, enum_strings=["a", "b"]), [1], 3, "b"),
        (ChannelString(value=""), [b"abc"], 0, "abc"),
        (ChannelString(value=""), [97, 98, 0], 4, "ab"),
        (ChannelChar(value="", max_length=20), [104, 105, 0, 7], 4, "hi"),
        (ChannelChar(value="", max_length=20), [b"hi"], 0, "hi"),
        (ChannelByte(value=b"", max_length=5), [1, 2, 3], 4, b"\1\2\3"),
        (ChannelDouble(value=[0.0], max_length=2), [1, 2, 3], 1, [1.0, 2.0]),
        (ChannelDouble(value=[0.0], max_length=2), [], 6, []),
        (ChannelDouble(value=4.0), [], 6, 4.0),
    ],
)
def test_what_clients_write(data: ChannelData, sent: list[Any], data_type: int, value: Any) -> None:
    run(data.write_from_dbr(sent, ChannelType(data_type), None))
    assert data.value == value


@pytest.mark.parametrize(
    ("data", "sent", "data_type"),
    [
        (ChannelDouble(value=1.0), [b"up"], 0),
        (ChannelEnum(value="a", enum_strings=["a", "b"]), [2], 3),
        (ChannelEnum(value="a", enum_strings=["a", "b"]), [b"c"], 0),
        (ChannelDouble(value=1.0, lower_ctrl_limit=0, upper_ctrl_limit=2), [2.5], 6),
    ],
)
def test_what_does_not_fit_changes_nothing(data: ChannelData, sent: list[Any], data_type: int) -> None:
    before, sink = data.value, follow(data, 15)
    with pytest.raises(CaprotoError):
        run(data.write_from_dbr(sent, ChannelType(data_type), None))
    assert data.value == before and not sink.updates


@pytest.mark.parametrize(
    ("value", "status", "severity"),
    [
        (10.0, AlarmStatus.HIHI, AlarmSeverity.MAJOR_ALARM),
        (8.5, AlarmStatus.HIGH, AlarmSeverity.MINOR_ALARM),
        (5.0, AlarmStatus.NO_ALARM, AlarmSeverity.NO_ALARM),
        (2.0, AlarmStatus.LOW, AlarmSeverity.MINOR_ALARM),
        (-1.0, AlarmStatus.LOLO, AlarmSeverity.MAJOR_ALARM),
    ],
)
def test_limits_drive_the_alarm(value: float, status: int, severity: int) -> None:
    limits = {"upper_alarm_limit": 10, "upper_warning_limit": 8, "lower_warning_limit": 2, "lower_alarm_limit": 0}
    data = ChannelDouble(value=6.0, **limits)
    run(data.write(value))
    assert (data.status, data.severity) == (status, severity)
    run(data.write(value, status=AlarmStatus.UDF, severity=AlarmSeverity.INVALID_ALARM))
    assert (data.status, data.severity) == (AlarmStatus.UDF, AlarmSeverity.INVALID_ALARM)


def test_a_shared_alarm_is_told_by_everyone_who_shares_it() -> None:
    alarm = ChannelAlarm()
    one = ChannelDouble(value=1.0, alarm=alarm, upper_alarm_limit=5, lower_alarm_limit=-5)
    other = ChannelDouble(value=2.0, alarm=alarm)
    other.view().encoded(13, 0)
    sink, values = follow(other, SubscriptionType.DBE_ALARM), follow(other, SubscriptionType.DBE_VALUE)
    run(one.write(6.0))
    assert len(sink.updates) == 1 and not values.updates
    assert bytes(other.view().encoded(13, 0).rest)[:4] == struct.pack(">hh", 3, 2)


def test_an_acknowledged_alarm_that_goes_on_stays_acknowledged() -> None:
    limits = {"upper_alarm_limit": 10, "upper_warning_limit": 5, "lower_warning_limit": -5, "lower_alarm_limit": -10}
    data = ChannelDouble(value=0.0, **limits)

    def left(value: float) -> int:
        run(data.write(value))
        return int(data.alarm.severity_to_acknowledge)

    def acknowledge(severity: int) -> int:
        run(data.write_from_dbr([severity], ChannelType.PUT_ACKS, None))
        return int(data.alarm.severity_to_acknowledge)

    # What an ao record of EPICS Base does.
    assert [left(20.0), acknowledge(1), acknowledge(2)] == [2, 2, 0]
    assert [left(21.0), left(21.0), left(6.0), left(7.0), left(-20.0), left(0.0)] == [0, 0, 1, 1, 2, 2]
    run(data.write_from_dbr([0], ChannelType.PUT_ACKT, None))
    assert data.alarm.severity_to_acknowledge == 0
    assert [left(20.0), left(6.0), left(0.0)] == [2, 1, 0]


@pytest.mark.parametrize("wrong", [70000, 0x8000, -1, "HIGH", 1.5, [1]])
@pytest.mark.parametrize("name", ["status", "severity"])
def test_an_alarm_that_clients_cannot_be_told_is_refused(name: str, wrong: Any) -> None:
    data = ChannelDouble(value=1.0, timestamp=5e8 + 631152000)
    updates = follow(data, 15)
    for write in (data.alarm.write, data.write_metadata, lambda **alarm: data.write(2.0, **alarm)):
        with pytest.raises(CaprotoValueError, match=name):
            run(write(**{name: wrong}))
    with pytest.raises(CaprotoValueError, match=name):
        ChannelAlarm(**{name: wrong})
    assert (data.value, data.status, data.severity, data.epics_timestamp.secondsSinceEpoch) == (1.0, 0, 0, 500000000)
    assert not updates.updates
    run(data.alarm.write(**{name: 30}))  # numbers without a name are told as they are
    assert told(data, ChannelType.STS_DOUBLE) == (1, [1.0]) and len(updates.updates) == 1


@pytest.mark.parametrize("wrong", ["yesterday", "ab", (5,), (1.5, 0), (5, None), {"a": 1}, object()])
def test_a_time_that_is_none_changes_nothing(wrong: Any) -> None:
    data = ChannelDouble(value=1.0)
    updates = follow(data, 15)
    with pytest.raises(CaprotoError, match="not a time stamp"):
        run(data.write(2.0, timestamp=wrong))
    assert data.value == 1.0 and not updates.updates


def test_times_may_be_numbers_of_other_classes() -> None:
    numpy = pytest.importorskip("numpy")
    data = ChannelDouble(value=1.0)
    seconds = 1_700_000_000
    for time in (numpy.int64(seconds), numpy.int32(seconds), numpy.array(seconds), Decimal(seconds)):
        run(data.write(2.0, timestamp=time))
        assert data.timestamp == seconds
    run(data.write(2.0, timestamp=numpy.array([5, 7])))
    assert data.epics_timestamp == TimeStamp(5, 7)


def test_masks() -> None:
    data = ChannelDouble(value=1.0)
    sinks = {mask: follow(data, mask) for mask in (1, 2, 4, 8)}

    def counts() -> list[int]:
        return [len(sink.updates) for sink in sinks.values()]

    run(data.write(2.0))
    assert counts() == [1, 1, 0, 0]
    run(data.write(2.0))
    assert counts() == [1, 1, 0, 0]
    run(data.write(2.0, severity=1))
    assert counts() == [1, 1, 1, 0]
    run(data.write_metadata(units="V"))
    assert counts() == [1, 1, 1, 1]
    run(data.write_metadata(units="V"))
    assert counts() == [1, 1, 1, 1]


def test_deadbands_count_from_what_was_told_last() -> None:
    data = ChannelDouble(value=0.0, value_atol=1.0, log_rtol=0.5, log_atol=0.1)
    values, logs = follow(data, 1), follow(data, 2)
    for value in (0.5, 1.0, 1.5, 2.0, 2.6, math.nan, math.nan, 3.0):
        run(data.write(value))
    assert len(values.updates) == 4  # 1.5, 2.6, nan, 3.0
    assert len(logs.updates) == 5  # 0.5, 1.0, 2.0, nan, 3.0


def test_relative_deadbands_are_a_share_of_what_was_told_last() -> None:
    data = ChannelDouble(value=100.0, value_rtol=0.1, log_rtol=0.5)
    values, logs = follow(data, 1), follow(data, 2)
    for value in (109.0, 111.0, 121.0, 123.0, 151.0):
        run(data.write(value))
    assert [struct.unpack(">d", update.rest)[0] for update in values.updates] == [111.0, 123.0, 151.0]
    assert [struct.unpack(">d", update.rest)[0] for update in logs.updates] == [151.0]


@pytest.mark.parametrize("bands", [{"value_rtol": 0.1}, {"value_atol": 1.0}, {"value_atol": 1.0, "value_rtol": 0.1}])
def test_what_comes_after_infinity_is_told(bands: dict[str, float]) -> None:
    data = ChannelDouble(value=5.0, **bands)
    values = follow(data, SubscriptionType.DBE_VALUE)
    counts = []
    for value in (math.inf, math.inf, 1.0, -math.inf, math.inf, math.nan, math.nan, 1.0, 1.0):
        run(data.write(value))
        counts.append(len(values.updates))
    assert counts == [1, 1, 2, 3, 4, 5, 5, 6, 6]


def test_with_a_negative_dead_band_every_write_is_told() -> None:
    data = ChannelDouble(value=1.0, value_atol=-1)
    values, archive = follow(data, SubscriptionType.DBE_VALUE), follow(data, SubscriptionType.DBE_LOG)
    for value in (1.0, 1.0, 2.0, math.nan, math.nan):
        run(data.write(value))
    assert (len(values.updates), len(archive.updates)) == (5, 2)


@pytest.mark.parametrize("name", ["value_atol", "log_atol", "value_rtol", "log_rtol", "precision", "lower_ctrl_limit"])
def test_what_has_to_be_a_number(name: str) -> None:
    with pytest.raises(CaprotoValueError, match=name):
        ChannelDouble(value=1.0, **{name: "x"})
    data = ChannelDouble(value=1.0, **{name: None})
    run(data.write(2.0))
    assert told(data, ChannelType.STRING) == (1, [b"2"])


def test_a_precision_that_is_no_number_is_refused() -> None:
    data = ChannelDouble(value=1.5, precision=1)
    for wrong in (math.nan, math.inf):
        with pytest.raises(CaprotoValueError, match="precision"):
            run(data.write_metadata(precision=wrong))
    assert told(data, ChannelType.STRING) == (1, [b"1.5"])


def test_one_encoding_for_all_subscribers() -> None:
    data = ChannelDouble(value=[1.0] * 100)
    sinks = [follow(data, 1) for _ in range(3)]
    run(data.write([2.0] * 100))
    first = sinks[0].updates[0]
    assert all(sink.updates == [first] and sink.updates[0] is first for sink in sinks)
    assert data.view().encoded(6, 0) is first


def test_a_subscriber_that_leaves_while_others_are_told() -> None:
    data = ChannelDouble(value=1.0)
    other = Collector()

    class Leaver(Collector):
        def put(self, subscription: Subscription, encoded: Encoded) -> None:
            super().put(subscription, encoded)
            data.detach(subscription)

    leaver = Leaver()
    data.attach(Subscription(data.view(), 6, 0, 1, leaver))
    data.attach(Subscription(data.view(), 6, 0, 1, other))
    run(data.write(2.0))
    run(data.write(3.0))
    assert (len(leaver.updates), len(other.updates)) == (1, 2)


def test_filters_of_a_subscription() -> None:
    data = ChannelDouble(value=0.0)
    band = follow(data, 1, Deadband(DeadbandFilter("abs", 1.5)))
    tenth = follow(data, 1, Decimation(3))
    for value in (1.0, 2.0, 2.6, 4.5, math.inf, 1.0, 1.1):
        run(data.write(value))
    assert len(band.updates) == 5  # 1.0, 2.6, 4.5, inf, 1.0
    assert len(tenth.updates) == 3


@pytest.mark.parametrize(
    ("mode", "seen"),
    [
        ("while", [2.0, 3.0]),
        ("unless", [1.0, 4.0, 5.0]),
        ("first", [2.0]),
        ("after", [4.0]),
        ("before", [1.0]),
        ("last", [3.0]),
    ],
)
def test_updates_depend_on_a_state(mode: str, seen: list[float]) -> None:
    data = ChannelDouble(value=0.0)
    sink = follow(data, 1, Sync(SyncFilter(mode, "beam"), False))
    run(data.write(1.0))
    data.pre_state_change("beam", True)
    run(data.write(2.0))
    data.post_state_change("beam", True)
    run(data.write(3.0))
    data.pre_state_change("beam", False)
    run(data.write(4.0))
    run(data.write(5.0))
    assert [struct.unpack(">d", update.rest)[0] for update in sink.updates] == seen


def test_hooks_of_subclasses() -> None:
    class Doubled(ChannelDouble):
        async def verify_value(self, data: Any) -> Any:
            if data == 0:
                raise SkipWrite
            return data * 2

    data = Doubled(value=1.0)
    assert data.reads_at_once and not data.writes_at_once
    run(data.write(2.0))
    run(data.write(0.0))
    assert data.value == 4.0
    assert ChannelDouble(value=1.0).writes_at_once


def test_what_was_stored_is_told_even_if_its_fields_cannot_follow() -> None:
    class Failing(ChannelDouble):
        async def update_fields(self, value: Any) -> None:
            raise ZeroDivisionError

    data = Failing(value=1.0)
    sink = follow(data, 1)
    with pytest.raises(ZeroDivisionError):
        run(data.write(2.0))
    assert data.value == 2.0 and len(sink.updates) == 1


def test_access() -> None:
    class Guarded(ChannelDouble):
        def check_access(self, hostname: str, username: str) -> AccessRights:
            return AccessRights.READ if username == "guest" else AccessRights.READ | AccessRights.WRITE

    data = Guarded(value=1.0)
    run(data.auth_write("host", "boss", [2.0], ChannelType.DOUBLE, None))
    with pytest.raises(Forbidden, match="guest"):
        run(data.auth_write("host", "guest", [3.0], ChannelType.DOUBLE, None))
    assert list(run(data.auth_read("host", "guest", ChannelType.DOUBLE))[1]) == [2.0]


def test_a_queue_gets_updates() -> None:
    class Spec:
        data_type, mask = ChannelType.TIME_DOUBLE, 1

    class Queue(list[Any]):
        put = list.append

    data, queue, spec = ChannelDouble(value=1.0), Queue(), Spec()
    run(data.subscribe(queue, spec, "me"))
    run(data.write(2.0))
    run(data.subscribe(queue, spec, "me again"))
    run(data.write(2.5))
    run(data.unsubscribe(queue, spec))
    run(data.write(3.0))
    told_of = [(update.sub, list(update.values)) for update in queue]
    assert told_of == [("me", [1.0]), ("me", [2.0]), ("me again", [2.0]), ("me again", [2.5])]


@pytest.mark.parametrize("data_type", [ChannelType.CTRL_INT, ChannelType.CTRL_FLOAT, ChannelType.CTRL_LONG])
@pytest.mark.parametrize("limit", [1e300, -1e300, math.inf, math.nan])
def test_limits_that_a_type_cannot_hold_are_told_as_the_nearest_one(data_type: ChannelType, limit: float) -> None:
    data = ChannelDouble(value=1.0, upper_disp_limit=limit, precision=40000)
    metadata, _ = data.read_from_dbr(data_type)
    largest = {ChannelType.CTRL_INT: 0x7FFF, ChannelType.CTRL_LONG: 0x7FFFFFFF}.get(data_type, 3.4028234663852886e38)
    if math.isnan(limit):
        assert metadata.upper_disp_limit == 0 or math.isnan(metadata.upper_disp_limit)
    elif data_type is ChannelType.CTRL_FLOAT and math.isinf(limit):
        assert metadata.upper_disp_limit == math.inf
    else:
        assert abs(metadata.upper_disp_limit) in (largest, largest + 1)
        assert (metadata.upper_disp_limit < 0) is (limit < 0)
    if data_type is ChannelType.CTRL_FLOAT:
        assert metadata.precision == 0x7FFF
