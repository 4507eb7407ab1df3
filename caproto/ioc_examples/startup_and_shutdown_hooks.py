"""What runs when the IOC starts and ends."""

from __future__ import annotations

from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class StartupAndShutdown(PVGroup):
    """One PV with a startup and a shutdown hook."""

    thing = pvproperty(value=2, doc="Has hooks")

    @thing.startup
    async def thing(self, instance: Any, async_lib: Any) -> None:
        """Runs with the server."""
        print(f"{instance.pvname} starts")

    @thing.shutdown
    async def thing(self, instance: Any, async_lib: Any) -> None:
        """Runs before the process ends."""
        print(f"{instance.pvname} ends")


async def on_start(async_lib: Any) -> None:
    """Runs once, when the server is ready."""
    print(f"The server runs on {async_lib.name}")


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="simple:", desc=StartupAndShutdown.__doc__ or "")
    ioc = StartupAndShutdown(**ioc_options)
    run(ioc.pvdb, startup_hook=on_start, **run_options)
