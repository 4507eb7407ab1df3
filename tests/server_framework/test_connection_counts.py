"""The IOC tells how many clients and channels it has."""

from __future__ import annotations

import time
from pathlib import Path

from tests.interop.talk import Talk
from tests.server_framework.served import serving

IOC = """
from caproto.server import PVGroup, SubGroup, ioc_arg_parser, pvproperty, run
from caproto.server.stats import StatusHelper

class Ioc(PVGroup):
    status = SubGroup(StatusHelper, prefix="")

if __name__ == "__main__":
    options, run_options = ioc_arg_parser(default_prefix="p:", desc="")
    ioc = Ioc(**options)
    ioc.status.periodic.update_period._value = 0.1
    run(ioc.pvdb, **run_options)
"""


def test_clients_and_channels_are_counted(tmp_path: Path) -> None:
    (tmp_path / "ioc.py").write_text(IOC)
    with serving(["ioc.py"], "p:HEARTBEAT", tmp_path) as (_, environment):
        port = int(environment["EPICS_CA_SERVER_PORT"])
        with Talk(("127.0.0.1", port)) as one, Talk(("127.0.0.1", port)) as two:
            two.channel("p:TOD")
            clients, channels = one.channel("p:CA_CLNT_CNT"), one.channel("p:CA_CONN_CNT")
            deadline = time.monotonic() + 10
            while (counted := [one.read(pv).data[0] for pv in (clients, channels)]) != [2, 3]:
                assert time.monotonic() < deadline, counted
