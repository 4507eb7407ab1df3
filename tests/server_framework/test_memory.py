"""What a PV that nobody uses costs: IOCs have tens of thousands of them."""

from __future__ import annotations

import gc
import time
import tracemalloc
from typing import Any

import pytest

from caproto import AlarmSeverity, AlarmStatus, ChannelType
from caproto.server import PVGroup, pvproperty

MANY = 2000


def bytes_of_a_pv(**keywords: Any) -> float:
    """Memory of one PV of a group that has many of them, without the declaration of its class."""
    body: dict[str, Any] = {f"pv{number}": pvproperty(**keywords) for number in range(MANY)}
    group = type("Many", (PVGroup,), body)
    group(prefix="first:")
    gc.collect()
    tracemalloc.start()
    try:
        made = group(prefix="second:")
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(made.pvdb) == MANY
    return taken / MANY


@pytest.mark.parametrize(
    "keywords",
    [
        {"value": 1.0},
        {"value": 1},
        {"value": "text"},
        {"value": b"bytes"},
        {"value": True},
        {"value": 1.0, "record": "ai"},
    ],
    ids=str,
)
def test_an_idle_pv_takes_little(keywords: dict[str, Any]) -> None:
    # Some 300; after others of the same class that have other attributes Python 3.11 adds a dict of 200.
    assert bytes_of_a_pv(**keywords) < 600


class Pair(PVGroup):
    a: pvproperty[Any] = pvproperty(value=1.0)
    b: pvproperty[Any] = pvproperty(value=1.0)


def test_channels_do_not_share_what_one_of_them_was_told() -> None:
    pair = Pair(prefix="pair:")
    metadata, _ = pair.a.read_from_dbr(ChannelType.TIME_DOUBLE)
    assert (metadata.status, metadata.severity) == (0, 0)
    alarm = pair.a.alarm
    assert alarm is pair.a.alarm is not pair.b.alarm
    alarm.change(AlarmStatus.READ, AlarmSeverity.INVALID_ALARM)
    assert (pair.a.status, pair.a.severity) == (AlarmStatus.READ, AlarmSeverity.INVALID_ALARM)
    assert (pair.b.status, pair.b.severity) == (AlarmStatus.NO_ALARM, AlarmSeverity.NO_ALARM)
    pair.a.string_encoding = "utf-8"
    assert pair.b.string_encoding == "latin-1"


def test_the_first_time_stamp_is_the_time_of_birth() -> None:
    before = time.time()
    pair = Pair(prefix="pair:")
    assert before - 1e-3 <= pair.a.timestamp <= pair.b.timestamp <= time.time()
