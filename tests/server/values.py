"""What clients are told of channel data: as elements, and as updates."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from caproto._data import ChannelData
from caproto._data.subscription import Subscription
from caproto._data.view import Encoded, ViewKey
from caproto._layout import LAYOUTS

__all__ = ["Collector", "follow", "run", "told"]


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def told(data: ChannelData, data_type: int, count: int = 0, key: ViewKey = ViewKey()) -> tuple[Any, ...]:  # noqa: B008
    """Count and elements of a value as it goes over the wire."""
    encoded = data.view(key).encoded(data_type, count)
    command, size, dbr, number, status = struct.unpack(">HHHHI", encoded.reply)
    assert (command, dbr, status) == (15, data_type, 1)
    assert len(encoded.rest) == size and size % 8 == 0 and encoded.size == size + 16
    layout = LAYOUTS[data_type]
    raw = bytes(encoded.rest)[layout.value_offset :]
    kind = f">{number}{'s' if layout.native == 0 else 'xhfHBid'[layout.native]}"
    if layout.native == 0:
        return number, [raw[40 * at : 40 * at + 40].split(b"\0")[0] for at in range(number)]
    return number, list(struct.unpack(kind, raw[: struct.calcsize(kind)]))


class Collector:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.updates: list[Any] = []

    def put(self, subscription: Subscription, encoded: Encoded) -> None:
        self.updates.append(encoded)


def follow(data: ChannelData, mask: int, *gates: Any) -> Collector:
    sink = Collector()
    data.attach(Subscription(data.view(), int(data.data_type), 0, mask, sink, gates=gates))
    return sink
