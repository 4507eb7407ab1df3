"""A beamline in miniature: a beam, three detectors behind motors, and a camera."""

from __future__ import annotations

import array
import math
import random
import time
from typing import Any

from caproto.server import PVGroup, SubGroup, ioc_arg_parser, pvproperty, run

WIDTH, HEIGHT = 640, 480


def poisson(mean: float) -> float:
    """Return a count as photons come."""
    return float(max(0, round(random.gauss(mean, math.sqrt(max(mean, 0.0))))))


class Detector(PVGroup):
    """A point detector behind a motor; it counts when it is read."""

    center, sigma = 0.0, 1.0

    det = pvproperty(value=0.0, read_only=True, doc="Counts")
    mtr = pvproperty(value=0.0, precision=3, record="motor", doc="The motor")
    exp = pvproperty(value=1.0, doc="Exposure in seconds")
    vel = pvproperty(value=1.0, doc="Velocity of the motor")
    mtr_tick_rate = pvproperty(value=10.0, units="Hz", doc="Updates of the motor's readback")

    def profile(self, x: float) -> float:
        """Return which part of the beam passes at a position."""
        return math.exp(-((x - self.center) ** 2) / (2 * self.sigma**2))

    @det.getter
    async def det(self, instance: Any) -> float:
        """Count."""
        beam: MiniBeamline = self.parent  # type: ignore[assignment]
        return poisson(200 * beam.current.value * self.exp.value * self.profile(self.mtr.value))

    @mtr.startup
    async def mtr(self, instance: Any, async_lib: Any) -> None:
        """Move the readback towards the setpoint."""
        fields = instance.field_inst
        while True:
            rate = max(self.mtr_tick_rate.value, 0.1)
            await async_lib.sleep(1.0 / rate)
            readback, distance = fields.user_readback_value.value, instance.value - fields.user_readback_value.value
            if not distance:
                continue
            step = max(self.vel.value, 1e-3) / rate
            last = abs(distance) <= step
            await fields.motor_is_moving.write(int(not last))
            await fields.done_moving_to_value.write(int(last))
            await fields.user_readback_value.write(instance.value if last else readback + math.copysign(step, distance))


class PinHole(Detector):
    """A pinhole: a Gaussian."""


class Edge(Detector):
    """An edge: more and more of the beam."""

    def profile(self, x: float) -> float:
        """Return which part of the beam passes at a position."""
        return math.erfc((self.center - x) / self.sigma) / 2


class Slit(Detector):
    """A slit: all of the beam within, nothing outside."""

    def profile(self, x: float) -> float:
        """Return which part of the beam passes at a position."""
        return (math.erfc((x - 5) / self.sigma) - math.erfc((x + 5) / self.sigma)) / 2


class MovingDot(PVGroup):
    """A camera that looks at a spot; the motors move it."""

    det = pvproperty(value=[0.0], dtype=float, max_length=WIDTH * HEIGHT, read_only=True, doc="The image, by rows")
    img_sum = pvproperty(value=0.0, read_only=True, doc="Sum of the image")
    mtrx = pvproperty(value=0.0, precision=3, doc="To the right")
    mtry = pvproperty(value=0.0, precision=3, doc="Up")
    exp = pvproperty(value=1.0, doc="Exposure in seconds")
    shutter_open = pvproperty(value=1, doc="Whether there is light")
    ArraySizeY_RBV = pvproperty(value=HEIGHT, read_only=True, doc="Rows")
    ArraySizeX_RBV = pvproperty(value=WIDTH, read_only=True, doc="Columns")
    ArraySize_RBV = pvproperty(value=[HEIGHT, WIDTH], read_only=True, doc="Rows and columns")

    @det.getter
    async def det(self, instance: Any) -> Any:
        """Take a picture; the spot is the product of two Gaussians."""
        beam: MiniBeamline = self.parent  # type: ignore[assignment]
        light = beam.current.value * self.exp.value * 10 if self.shutter_open.value else 0.0
        row = [math.exp(-(((x - WIDTH / 2) / 50 - self.mtrx.value) ** 2) / 2) for x in range(WIDTH)]
        image = array.array("d")
        for y in range(HEIGHT):
            level = light * math.exp(-(((y - HEIGHT / 2) / 50 - self.mtry.value) ** 2) / 2)
            image.extend(array.array("d", [round(level * value) for value in row]))
        await self.img_sum.write(float(sum(image)))
        return image

    @img_sum.getter
    async def img_sum(self, instance: Any) -> float:
        """Take a picture, and sum."""
        await self.det.write(await self.det.getter(self.det), verify_value=False)
        return float(instance.value)


class MiniBeamline(PVGroup):
    """A storage ring whose current swings, a pinhole, an edge, a slit and a camera."""

    current = pvproperty(value=500.0, read_only=True, units="mA", doc="Current in the ring")
    ph = SubGroup(PinHole, doc="Pinhole")
    edge = SubGroup(Edge, doc="Edge")
    slit = SubGroup(Slit, doc="Slit")
    dot = SubGroup(MovingDot, doc="Camera")

    @current.scan(period=0.1)
    async def current(self, instance: Any, async_lib: Any) -> None:
        """Swing."""
        await instance.write(value=500 + 25 * math.sin(time.monotonic() * 2 * math.pi / 4))


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="mini:", desc=MiniBeamline.__doc__ or "")
    ioc = MiniBeamline(**ioc_options)
    run(ioc.pvdb, **run_options)
