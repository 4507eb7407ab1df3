"""IOCs in Python: PVs are attributes of classes, hooks are async methods.

See the tutorial "Your first IOC"; ``python -m caproto.ioc_examples`` lists examples.
"""

from __future__ import annotations

from . import menus, records
from ._cli import ioc_arg_parser, run, template_arg_parser
from ._group import PVGroup
from ._hooks import expand_macros
from ._layer import AsyncLibraryLayer
from ._pvdata import (
    PvpropertyBoolEnum,
    PvpropertyBoolEnumRO,
    PvpropertyByte,
    PvpropertyByteRO,
    PvpropertyChar,
    PvpropertyCharRO,
    PvpropertyData,
    PvpropertyDouble,
    PvpropertyDoubleRO,
    PvpropertyEnum,
    PvpropertyEnumRO,
    PvpropertyFloat,
    PvpropertyFloatRO,
    PvpropertyInteger,
    PvpropertyIntegerRO,
    PvpropertyReadOnlyData,
    PvpropertyShort,
    PvpropertyShortRO,
    PvpropertyString,
    PvpropertyStringRO,
)
from ._pvfunction import pvfunction
from ._pvproperty import pvproperty
from ._pvspec import PVSpec, channeldata_from_pvspec, data_class_from_pvspec
from ._scan import scan_wrapper
from ._subgroup import NestedPvproperty, SubGroup, get_pv_pair_wrapper

__all__ = [
    "AsyncLibraryLayer",
    "NestedPvproperty",
    "PVGroup",
    "PVSpec",
    "PvpropertyBoolEnum",
    "PvpropertyBoolEnumRO",
    "PvpropertyByte",
    "PvpropertyByteRO",
    "PvpropertyChar",
    "PvpropertyCharRO",
    "PvpropertyData",
    "PvpropertyDouble",
    "PvpropertyDoubleRO",
    "PvpropertyEnum",
    "PvpropertyEnumRO",
    "PvpropertyFloat",
    "PvpropertyFloatRO",
    "PvpropertyInteger",
    "PvpropertyIntegerRO",
    "PvpropertyReadOnlyData",
    "PvpropertyShort",
    "PvpropertyShortRO",
    "PvpropertyString",
    "PvpropertyStringRO",
    "SubGroup",
    "channeldata_from_pvspec",
    "data_class_from_pvspec",
    "expand_macros",
    "get_pv_pair_wrapper",
    "ioc_arg_parser",
    "menus",
    "pvfunction",
    "pvproperty",
    "records",
    "run",
    "scan_wrapper",
    "template_arg_parser",
]
