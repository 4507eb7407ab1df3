"""Where older IOCs also import the names of :mod:`caproto.server` from."""

from __future__ import annotations

from typing import Any

import caproto.server as _home

__all__ = list(_home.__all__)


def __getattr__(name: str) -> Any:
    return getattr(_home, name)
