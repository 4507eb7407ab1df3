"""Scalars and arrays of all types."""

from __future__ import annotations

from caproto import ChannelType
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class ArrayIOC(PVGroup):
    """Each type as a scalar and as an array; the arrays have room for five elements, or ten bytes."""

    scalar_int = pvproperty(value=1, doc="An integer")
    scalar_int2 = pvproperty(value=2, dtype=int, doc="The same, its type given")
    array_int = pvproperty(value=[3], max_length=5, doc="Up to five integers")
    scalar_float = pvproperty(value=1.01, doc="A number")
    array_float = pvproperty(value=[3.01], max_length=5, doc="Up to five numbers")
    scalar_string = pvproperty(value="string1", dtype=ChannelType.STRING, doc="A short text")
    array_string = pvproperty(
        value=["string1", "string2"], dtype=ChannelType.STRING, max_length=5, doc="Up to five short texts"
    )
    byte = pvproperty(value=b"bytes", max_length=10, doc="Up to ten bytes")
    char = pvproperty(value="chars", max_length=10, doc="A text of up to ten characters")
    enum = pvproperty(value="no", dtype=ChannelType.ENUM, enum_strings=["no", "yes"], doc="One of two")


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="arr:", desc=ArrayIOC.__doc__ or "")
    ioc = ArrayIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
