"""A server with one PV of every kind, for tests: ``python -m tests.server.serve asyncio|trio [ACCESS_SECURITY_FILE]``.

It says the name of its skin on standard output as soon as it listens, and ``bye`` when a shutdown hook has run; it ends
with SIGTERM or SIGINT.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from caproto._data import (
    ChannelByte,
    ChannelChar,
    ChannelDouble,
    ChannelEnum,
    ChannelFloat,
    ChannelInteger,
    ChannelShort,
    ChannelString,
)
from caproto._enums import AccessRights

LIMITS = {
    "upper_disp_limit": 100, "lower_disp_limit": -100, "upper_alarm_limit": 90, "upper_warning_limit": 80,
    "lower_warning_limit": -80, "lower_alarm_limit": -90,
}  # fmt: skip


class Hooked(ChannelDouble):
    """Reads are counted, writes wait a little and are doubled; 13 is a failure."""

    layer: Any = None
    reads = 0

    async def server_startup(self, async_layer: Any) -> None:
        self.layer = async_layer
        await self.write(1.0, verify_value=False)

    async def server_shutdown(self, async_layer: Any) -> None:
        await async_layer.sleep(0.01)
        print("bye", flush=True)

    async def read(self, data_type: Any) -> Any:
        self.reads += 1
        await self.layer.sleep(0.001)
        return await super().read(data_type)

    async def verify_value(self, data: Any) -> Any:
        await self.layer.sleep(0.01)
        if data == 13:
            raise ZeroDivisionError("a bug of the user")
        return data * 2


class Ticking(ChannelInteger):
    """Counts a hundred times per second; nobody may write it."""

    def check_access(self, hostname: str, username: str) -> AccessRights:
        return AccessRights.READ

    async def server_scan(self, async_layer: Any) -> None:
        while True:
            await async_layer.sleep(0.01)
            await self.write(self.value + 1)


class ReadOnly(ChannelDouble):
    def check_access(self, hostname: str, username: str) -> AccessRights:
        return AccessRights.READ


def pvdb() -> dict[str, Any]:
    return {
        "double": ChannelDouble(value=1.5, precision=3, units="mm", **LIMITS),
        "float": ChannelFloat(value=2.5, precision=1),
        "long": ChannelInteger(value=70000, units="counts", **LIMITS),
        "short": ChannelShort(value=-3),
        "enum": ChannelEnum(value="on", enum_strings=["off", "on", "fault"]),
        "string": ChannelString(value="hello"),
        "char": ChannelChar(value="a long text " * 10, max_length=1000),
        "byte": ChannelByte(value=b"\x01\x02\xff", max_length=10),
        "array": ChannelDouble(value=[1.0, 2.0, 3.0], max_length=10),
        "strings": ChannelString(value=["a", "bc"], max_length=4),
        "million": ChannelDouble(value=[0.0], max_length=1_000_000),
        "hooked": Hooked(value=0.0),
        "ticking": Ticking(value=0),
        "readonly": ReadOnly(value=4.0),
        **{f"many:{number}": ChannelInteger(value=number) for number in range(1000)},
    }


def main() -> None:
    skin = importlib.import_module(f"caproto.{sys.argv[1]}.server")

    async def started(async_layer: Any) -> None:
        print(async_layer.name, flush=True)

    skin.run(pvdb(), startup_hook=started, access_security=sys.argv[2] if len(sys.argv) > 2 else None)


if __name__ == "__main__":
    main()
