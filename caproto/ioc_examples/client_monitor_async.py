"""A PV that mirrors another one, by the asyncio client."""

from __future__ import annotations

import argparse
from typing import Any

from caproto.server import PVGroup, pvproperty, run, template_arg_parser


class Mirror(PVGroup):
    """``mirrored`` has the value of another PV, of any server."""

    mirrored = pvproperty(value=0.0, doc="What the other PV is")

    def __init__(self, *args: Any, target: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.target = target

    @mirrored.startup
    async def mirrored(self, instance: Any, async_lib: Any) -> None:
        """Subscribe, and follow."""
        from caproto.asyncio.client import Context

        context = Context()
        (pv,) = await context.get_pvs(self.target)
        subscription = pv.subscribe(data_type="time")
        async for event in subscription:
            await instance.write(float(event.data[0]), timestamp=event.metadata.timestamp)


def parse() -> tuple[argparse.Namespace, dict[str, Any], dict[str, Any]]:
    """Return the arguments, the options of the group and those of the server."""
    parser, split = template_arg_parser(
        default_prefix="mirror:", desc=Mirror.__doc__ or "", supported_async_libs=["asyncio"]
    )
    parser.add_argument("--target", default="random_walk:x", help="the PV to follow (default %(default)s)")
    arguments = parser.parse_args()
    return (arguments, *split(arguments))


if __name__ == "__main__":
    arguments, ioc_options, run_options = parse()
    ioc = Mirror(target=arguments.target, **ioc_options)
    run(ioc.pvdb, **run_options)
