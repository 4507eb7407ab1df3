"""Waveforms at a high rate: the source for demonstrations of speed."""

from __future__ import annotations

import argparse
import array
import math
import time
from typing import Any

from caproto.server import PVGroup, pvproperty, run, template_arg_parser

# As many updates as possible: bytes that are made before others have their turn, bytes that may wait for the slowest
# client, and how many seconds to wait while they do.
BURST = 250_000
BACKLOG = 4_000_000
PATIENCE = 0.0003


class Waveforms(PVGroup):
    """Waveforms of numbers, ``waveform1`` and so on, whose first element is the number of the update."""

    rate = pvproperty(value=10.0, units="Hz", doc="Updates per second; 0 is as many as possible")
    sent = pvproperty(value=0, read_only=True, doc="Number of updates")

    @rate.startup
    async def rate(self, instance: Any, async_lib: Any) -> None:
        """Send."""
        waveforms = [pv for pv in self.pvdb.values() if pv.max_length > 1]
        burst = max(1, BURST // sum(8 * pv.max_length for pv in waveforms))
        number = 0
        while True:
            started = time.monotonic()
            for _ in range(1 if instance.value > 0 else burst):
                number += 1
                for pv in waveforms:
                    # Each update is an array of its own: the one before may still be on its way to somebody.
                    values = pv.value[:] if isinstance(pv.value, array.array) else pv.value.copy()
                    values[0] = number
                    await pv.write(values)
            await self.sent.write(number)
            period = 1.0 / instance.value if instance.value > 0 else 0.0
            await async_lib.sleep(max(0.0, started + period - time.monotonic()))
            while not period and any(pv.backlog > BACKLOG for pv in waveforms):
                await async_lib.sleep(PATIENCE)


def sine(elements: int) -> Any:
    """Return one period, as numpy's array or, without it, as Python's own."""
    values = array.array("d", (math.sin(2 * math.pi * i / elements) for i in range(elements)))
    try:
        import numpy
    except ImportError:
        return values
    return numpy.array(values)


def waveforms(count: int, elements: int, hz: float) -> type[Waveforms]:
    """Return a group with `count` waveforms of `elements` elements, `hz` times a second."""
    body: dict[str, Any] = {"rate": Waveforms.rate._with(value=hz)}
    for number in range(1, count + 1):
        body[f"waveform{number}"] = pvproperty(value=sine(elements), read_only=True, doc="A sine")
    return type("Waveforms", (Waveforms,), {"__doc__": Waveforms.__doc__, **body})


def parse() -> tuple[argparse.Namespace, dict[str, Any], dict[str, Any]]:
    """Return the arguments, the options of the group and those of the server."""
    parser, split = template_arg_parser(default_prefix="waveform:", desc=Waveforms.__doc__ or "")
    parser.add_argument("--count", type=int, default=1, help="number of waveforms (default %(default)s)")
    parser.add_argument("--elements", type=int, default=1000, help="elements of each (default %(default)s)")
    parser.add_argument("--hz", type=float, default=10.0, help="updates per second (default %(default)s); 0: many")
    arguments = parser.parse_args()
    if arguments.count < 1 or arguments.elements < 2 or arguments.hz < 0:
        parser.error("--count must be at least 1, --elements at least 2, --hz not negative")
    return (arguments, *split(arguments))


if __name__ == "__main__":
    arguments, ioc_options, run_options = parse()
    ioc = waveforms(arguments.count, arguments.elements, arguments.hz)(**ioc_options)
    run(ioc.pvdb, **run_options)
