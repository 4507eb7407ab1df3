"""Text as Channel Access carries it."""

from __future__ import annotations

from ._constants import STR_ENC
from ._errors import CaprotoTypeError

__all__ = ["ensure_bytes"]


def ensure_bytes(s: str | bytes) -> bytes:
    """Return a text as bytes with the NUL that ends it; bytes stay as they are."""
    if isinstance(s, bytes):
        return s
    if isinstance(s, str):
        return s.encode(STR_ENC) + b"\0"
    raise CaprotoTypeError(f"expected str or bytes, not {s!r}")
