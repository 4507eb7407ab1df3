"""Each test here begins without EPICS variables, and without memory of what was reported."""

from __future__ import annotations

import os

import pytest

from caproto import _environ


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EPICS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(_environ, "_reported", set())
