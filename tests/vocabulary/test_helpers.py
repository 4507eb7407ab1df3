"""Batches of requests, old callbacks, texts, and the module of re-exports."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caproto import _utils
from caproto._batch import batch_requests
from caproto._callbacks import adapt_old_callback_signature
from caproto._errors import CaprotoTypeError, CaprotoValueError
from caproto._text import ensure_bytes


@given(st.lists(st.binary(max_size=30)), st.integers(1, 40))
def test_batches_keep_order_and_size(requests: list[bytes], limit: int) -> None:
    batches = list(batch_requests(requests, limit))
    assert [request for batch in batches for request in batch] == requests
    for batch in batches:
        assert batch and (len(batch) == 1 or sum(map(len, batch)) <= limit)
    for batch, following in zip(batches, batches[1:]):  # noqa: B905 - pairs; the last has no partner
        assert sum(map(len, batch)) + len(following[0]) > limit, "a batch could have taken one more"


def test_batches_are_made_as_requests_come() -> None:
    def endless() -> Any:
        while True:
            yield b"12345678"

    assert next(batch_requests(endless(), 20)) == [b"12345678"] * 2


def test_batch_without_room() -> None:
    with pytest.raises(CaprotoValueError, match="max_length=0"):
        list(batch_requests([b"a"], 0))


def with_both(sub: object, response: object) -> tuple[object, object]:
    return sub, response


@pytest.mark.parametrize("func", [with_both, lambda *args: args, lambda a, b=1: (a, b), print, dict.get])
def test_callback_of_the_present_form_stays_itself(func: Any) -> None:
    kept: set[weakref.ref[Any]] = set()
    assert adapt_old_callback_signature(func, kept) is func
    assert not kept


def test_callback_of_the_old_form_gets_the_response_alone() -> None:
    seen: list[object] = []

    def old(response: object) -> None:
        seen.append(response)

    kept: set[weakref.ref[Any]] = set()
    adapted = adapt_old_callback_signature(old, kept)
    adapted("sub", "response")
    assert seen == ["response"]
    assert len(kept) == 1


def test_old_callback_is_not_kept_alive() -> None:
    class Owner:
        def __init__(self) -> None:
            self.seen: list[object] = []

        def old(self, response: object) -> None:
            self.seen.append(response)

    owner = Owner()
    kept: set[weakref.ref[Any]] = set()
    adapted = adapt_old_callback_signature(owner.old, kept)
    adapted("sub", 1)
    assert owner.seen == [1]
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None
    assert not kept
    assert adapted("sub", 2) is None


def test_callback_of_no_form_fails_where_it_is_called() -> None:
    def strange(a: object, b: object, c: object) -> None: ...

    assert adapt_old_callback_signature(strange, set()) is strange


def test_ensure_bytes() -> None:
    assert ensure_bytes("é") == b"\xe9\0"
    assert ensure_bytes(b"abc") == b"abc"
    with pytest.raises(CaprotoTypeError, match="None"):
        ensure_bytes(None)  # type: ignore[arg-type]


def test_utils_only_passes_names_on() -> None:
    assert len(set(_utils.__all__)) == len(_utils.__all__)
    for name in _utils.__all__:
        thing = getattr(_utils, name)
        assert getattr(thing, "__module__", "") != "caproto._utils", name
