"""States by name."""

from __future__ import annotations

import enum

from caproto import ChannelType
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class Weekday(enum.IntEnum):
    """Where work days begin at one."""

    sunday = 0
    monday = 1
    tuesday = 2


class EnumIOC(PVGroup):
    """Four ways to say which states there are."""

    bo = pvproperty(value="On", dtype=bool, enum_strings=["Off", "On"], record="bo", doc="A switch")
    bi = pvproperty(value="a", dtype=ChannelType.ENUM, enum_strings=["a", "b"], record="bi", doc="One of two")
    mbbi = pvproperty(
        value="two", dtype=ChannelType.ENUM, enum_strings=["one", "two", "three"], record="mbbi", doc="One of three"
    )
    enum_class = pvproperty(value=Weekday.monday, dtype=Weekday, record="mbbi", doc="The names of an Enum")


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="enum:", desc=EnumIOC.__doc__ or "")
    ioc = EnumIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
