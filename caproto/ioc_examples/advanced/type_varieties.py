"""Every type, in every way to say it."""

from __future__ import annotations

import enum

from caproto import ChannelType
from caproto.server import PVGroup, PvpropertyInteger, ioc_arg_parser, pvproperty, run


class MyEnum(enum.IntEnum):
    """Two states."""

    off = 0
    on = 1


class VarietyIOC(PVGroup):
    """All types: by the value, by a Python type, by a type of Channel Access."""

    pi = pvproperty(value=3.14, lower_alarm_limit=3.13, upper_alarm_limit=3.15, precision=3, doc="A number")
    fib = pvproperty(value=[0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55], dtype=float, doc="Numbers")
    enum = pvproperty(value="b", enum_strings=["a", "b", "c", "d"], dtype=ChannelType.ENUM, doc="One of four")
    enum2 = pvproperty(value=MyEnum.on, doc="One of an Enum")
    int = pvproperty(value=96, units="doodles", lower_alarm_limit=-10, upper_alarm_limit=100, doc="An integer")
    int2 = pvproperty(value=96, dtype=ChannelType.LONG, doc="An integer")
    int3 = pvproperty(value=96, dtype=PvpropertyInteger, doc="An integer")
    char = pvproperty(value=b"3", doc="A byte")
    chararray = pvproperty(value="the quick brown fox?", doc="A text as CHAR")
    str = pvproperty(value="hello", dtype=ChannelType.STRING, doc="A text as STRING")
    str2 = pvproperty(value="hello", dtype=ChannelType.STRING, string_encoding="utf-8", doc="A text in UTF-8")
    stra = pvproperty(value=["hello", "how is it", "going"], dtype=ChannelType.STRING, doc="Texts")
    waveform = pvproperty(value=list(range(4000)), record="waveform", doc="Many integers")
    empty_string = pvproperty(dtype=ChannelType.STRING, doc="No text")
    empty_bytes = pvproperty(dtype=bytes, doc="No bytes")
    empty_char = pvproperty(dtype=ChannelType.CHAR, doc="No text as CHAR")
    empty_float = pvproperty(dtype=float, max_length=2, doc="Room for two numbers")


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="type_varieties:", desc=VarietyIOC.__doc__ or "")
    ioc = VarietyIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
