"""Values that survive a restart."""

from __future__ import annotations

import os

from caproto.server import PVGroup, SubGroup, ioc_arg_parser, pvproperty, run
from caproto.server.autosave import AutosaveHelper, RotatingFileManager, autosaved

FILE = os.environ.get("CAPROTO_AUTOSAVE_FILE", "autosave.json")


class Part(PVGroup):
    """PVs of a subgroup."""

    A = autosaved(pvproperty(value=1, record="ao", doc="An integer"), fields=["high_alarm_limit"])
    B = autosaved(pvproperty(value=2.0, doc="A number"))
    C = autosaved(pvproperty(value=[1, 2, 3], doc="An array of integers"))


class AutosavedSimpleIOC(PVGroup):
    """PVs that are saved to a file (CAPROTO_AUTOSAVE_FILE, or autosave.json) and restored from it."""

    autosave_helper = SubGroup(AutosaveHelper, file_manager=RotatingFileManager(FILE))
    A = autosaved(pvproperty(value=1, record="ao", doc="An integer"))
    B = autosaved(pvproperty(value=2.0, doc="A number"))
    C = autosaved(pvproperty(value=[1, 2, 3], doc="An array of integers"))
    subgroup = SubGroup(Part)


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="autosaved_simple:", desc=AutosavedSimpleIOC.__doc__ or "")
    ioc = AutosavedSimpleIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
