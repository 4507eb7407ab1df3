"""The server that sends much at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flavours.scenarios import Flooder
from tests.isolation import epics_environment, free_port


@pytest.fixture
def flooder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Flooder]:
    server = Flooder(free_port())
    for name, value in epics_environment(server.port, free_port()).items():
        monkeypatch.setenv(name, value)
    yield server
    server.close()
    assert server.errors == []
