"""Identifiers and IPv4 numbers."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caproto._errors import CaprotoError, CaprotoRuntimeError, CaprotoValueError
from caproto._ids import ThreadsafeCounter
from caproto._ipv4 import ipv4_from_int32, ipv4_to_int32


class Small(ThreadsafeCounter):
    """Only eight numbers, so that they run out."""

    MAX_ID = 8


def test_counts_from_zero() -> None:
    counter = ThreadsafeCounter()
    assert [counter() for _ in range(3)] == [0, 1, 2]
    assert ThreadsafeCounter(initial_value=41)() == 42


def test_does_not_stop_at_the_historical_limit() -> None:
    assert ThreadsafeCounter(initial_value=65535)() == 65536


def test_starts_again_behind_the_last_32_bit_number() -> None:
    counter = ThreadsafeCounter(initial_value=2**32 - 2)
    assert [counter(), counter()] == [2**32 - 1, 0]


@given(st.sets(st.integers(0, 7)), st.integers(-1, 20))
def test_skips_what_is_in_use_and_never_hangs(used: set[int], start: int) -> None:
    counter = Small(initial_value=start, dont_clash_with=used)
    if len(used) == 8:
        with pytest.raises(CaprotoRuntimeError, match="all 8 identifiers"):
            counter()
    else:
        taken = [counter() for _ in range(8 - len(used))]
        assert set(taken) == set(range(8)) - used


def test_sees_what_was_taken_and_freed_meanwhile() -> None:
    used: dict[int, str] = {}
    counter = Small(dont_clash_with=used)
    for _ in range(8):
        used[counter()] = "x"
    with pytest.raises(CaprotoRuntimeError):
        counter()
    del used[5]
    assert counter() == 5


def test_threads_get_different_numbers() -> None:
    counter = ThreadsafeCounter()
    found: list[list[int]] = [[] for _ in range(4)]

    def take(into: list[int]) -> None:
        into.extend(counter() for _ in range(2000))

    threads = [threading.Thread(target=take, args=(into,)) for into in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({number for into in found for number in into}) == 8000


@given(st.integers(0, 2**32 - 1))
def test_ipv4_and_back(number: int) -> None:
    text = ipv4_from_int32(number)
    assert ipv4_to_int32(text) == number
    assert [int(part) for part in text.split(".")] == list(number.to_bytes(4, "big"))


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.-4", "a.b.c.d", "1.2.3.", "1.2.3.٤", " 1.2.3.4"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(CaprotoValueError) as caught:
        ipv4_to_int32(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("wrong", [None, 5, b"1.2.3.4"])
def test_an_address_is_a_str(wrong: object) -> None:
    with pytest.raises(CaprotoError):
        ipv4_to_int32(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [-1, 2**32])
def test_number_beyond_32_bits(number: int) -> None:
    with pytest.raises(CaprotoValueError, match=str(number)):
        ipv4_from_int32(number)
