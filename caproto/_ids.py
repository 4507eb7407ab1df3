"""Identifiers: unsigned 32-bit numbers that each side hands out for channels, requests and subscriptions."""

from __future__ import annotations

import itertools
from collections.abc import Collection

from ._errors import CaprotoRuntimeError

__all__ = ["ThreadsafeCounter"]


class ThreadsafeCounter:
    """A callable that returns the next free identifier.

    Parameters
    ----------
    initial_value : int, optional
        The identifier before the first one that is returned.
    dont_clash_with : collection, optional
        Identifiers in use, looked at on each call; these are skipped.
    """

    MAX_ID = 2**32  # identifiers run from 0 to one less than this, then start again

    def __init__(self, *, initial_value: int = -1, dont_clash_with: Collection[int] | None = None) -> None:
        # next() on a count is one atomic step, which is all the locking that is needed.
        self._count = itertools.count(initial_value + 1)
        self._used: Collection[int] = () if dont_clash_with is None else dont_clash_with

    def __call__(self) -> int:
        """Return the next identifier that is not in use."""
        used = self._used
        # Among len(used) + 1 different numbers at least one is free, so the search ends.
        for _ in range(min(len(used) + 1, self.MAX_ID)):
            candidate = next(self._count) % self.MAX_ID
            if candidate not in used:
                return candidate
        raise CaprotoRuntimeError(f"all {self.MAX_ID} identifiers are in use")
