"""What the drivers of our clients share; 1.3.0 has the same callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Our clients import it with the first value; those on libca have it before anything is measured.
import numpy  # noqa: F401
from tally import Tally


def counter(tally: Tally, stamped: bool) -> Callable[[Any, Any], None]:
    def on_stamped(subscription: Any, response: Any) -> None:
        value = response.data[0]
        response.metadata.timestamp  # noqa: B018 - touched on purpose
        if value > tally.last:
            tally.last = value
            tally.count += 1
        else:
            tally.odd(value)

    def on_plain(subscription: Any, response: Any) -> None:
        value = response.data[0]
        if value > tally.last:
            tally.last = value
            tally.count += 1
        else:
            tally.odd(value)

    return on_stamped if stamped else on_plain


def block_counter(tally: Tally) -> Callable[[Any, Any], None]:
    def on_block(subscription: Any, block: Any) -> None:
        values = block.values
        block.timestamps[-1]  # noqa: B018 - touched on purpose
        number = len(values)
        final = values[-1] < 0
        number -= bool(final)
        if number:
            if values[0] <= tally.last or not (values[1:number] > values[: number - 1]).all():
                tally.wrong += 1
            tally.last = values[number - 1]
            tally.count += number
        if final:
            tally.odd(-1.0)

    return on_block


def data_type(stamped: bool) -> str | None:
    return "time" if stamped else None
