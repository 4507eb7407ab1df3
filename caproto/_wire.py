"""The choice between the two codecs: ``CAPROTO_CODEC=auto|cython|python``.

``auto`` takes the compiled one if it imports and remembers why if it does not; a codec asked for by name is never
silently replaced.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from ._errors import CaprotoValueError

__all__ = ["MODULES", "codec", "codec_name", "codec_reasons"]

MODULES = {"cython": "caproto._codec", "python": "caproto._codec_py"}


def _choose(wanted: str) -> tuple[Any, str, dict[str, str]]:
    if wanted not in ("auto", *MODULES):
        raise CaprotoValueError(f"CAPROTO_CODEC={wanted!r} is not one of auto, cython, python")
    reasons: dict[str, str] = {}
    for name in MODULES if wanted == "auto" else (wanted,):
        try:
            return importlib.import_module(MODULES[name]), name, reasons
        except ImportError as error:
            reasons[name] = str(error)
    why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise ImportError(f"CAPROTO_CODEC={wanted} was asked for but cannot be had ({why})")


_chosen, codec_name, codec_reasons = _choose(os.environ.get("CAPROTO_CODEC") or "auto")
#: The codec module in use, its name, and why others were not taken.
if TYPE_CHECKING:
    # Calls are checked against the contract that both codecs keep.
    from . import _codec as codec
else:
    codec = _chosen
