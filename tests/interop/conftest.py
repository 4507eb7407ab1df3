"""Circuits to the shared IOC."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.ioc import Ioc
from tests.interop.raw import RawClient
from tests.interop.talk import Talk


@pytest.fixture
def talk(ioc: Ioc) -> Iterator[Talk]:
    """A circuit through the library."""
    with Talk(ioc.address) as conversation:
        yield conversation


@pytest.fixture
def raw(ioc: Ioc) -> Iterator[RawClient]:
    """A circuit through plain sockets."""
    with RawClient(ioc.address) as client:
        yield client
