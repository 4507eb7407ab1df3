"""Requests gathered into datagrams or segments of limited size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from ._errors import CaprotoValueError

__all__ = ["batch_requests"]

S = TypeVar("S", bound=Sized)


def batch_requests(request_iter: Iterable[S], max_length: int) -> Iterator[list[S]]:
    """Yield lists of requests, in order, whose ``len()`` add up to `max_length` at most.

    A request that is longer than that comes alone.
    """
    if max_length < 1:
        raise CaprotoValueError(f"max_length={max_length} leaves no room for any request")
    batch: list[S] = []
    total = 0
    for request in request_iter:
        size = len(request)
        if batch and total + size > max_length:
            yield batch
            batch, total = [], 0
        batch.append(request)
        total += size
    if batch:
        yield batch
