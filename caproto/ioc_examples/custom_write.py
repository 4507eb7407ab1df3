"""A putter that stores what is written in files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from caproto import ChannelType
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class CustomWrite(PVGroup):
    """What is written to A and B is also written to a file of that name, in a directory that is a PV."""

    directory = pvproperty(value=str(Path(tempfile.gettempdir()))[:39], dtype=ChannelType.STRING, doc="Where files are")

    async def save(self, instance: Any, value: Any) -> None:
        """Write a value to the file of its PV."""
        path = Path(self.directory.value) / f"{instance.pvspec.attr}.txt"
        path.write_text(f"{value}\n")

    A = pvproperty(put=save, value=0, doc="Kept in A.txt")
    B = pvproperty(put=save, value=0, doc="Kept in B.txt")


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="custom_write:", desc=CustomWrite.__doc__ or "")
    ioc = CustomWrite(**ioc_options)
    run(ioc.pvdb, **run_options)
