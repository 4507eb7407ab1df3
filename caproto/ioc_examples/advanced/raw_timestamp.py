"""A value with the time stamp of something else."""

from __future__ import annotations

import time
from typing import Any

from caproto import EPICS2UNIX_EPOCH, TimeStamp
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class RawTimestamp(PVGroup):
    """Write to ``update``: ``value`` counts, and its time stamp is exact to the nanosecond."""

    update = pvproperty(value=0, doc="Write to update")
    value = pvproperty(value=1, read_only=True, doc="Counts, with a time stamp of its own")

    @update.putter
    async def update(self, instance: Any, value: Any) -> None:
        """Count, with a time stamp made of seconds and nanoseconds of the EPICS epoch."""
        seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        stamp = TimeStamp(seconds - int(EPICS2UNIX_EPOCH), nanoseconds)
        await self.value.write(self.value.value + 1, timestamp=stamp)


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="raw:timestamp:", desc=RawTimestamp.__doc__ or "")
    ioc = RawTimestamp(**ioc_options)
    run(ioc.pvdb, **run_options)
