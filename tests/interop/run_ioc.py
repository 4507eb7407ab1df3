"""Start an EPICS Base IOC in this process: ``run_ioc.py FILE.db FILE.acf``.

``python -m epicscorelibs.ioc`` has no option for access security, and brings up a pvAccess server that
these tests don't want; the parts it is made of do both.  The IOC runs until stdin is closed.
"""

from __future__ import annotations

import sys

from epicscorelibs import ioc


def main() -> None:
    database, access = sys.argv[1:]
    ioc.iocshRegisterCommon()
    ioc.ioc(f'asSetFilename("{access}")')
    ioc.start_ioc(database)
    while command := sys.stdin.readline():
        ioc.ioc(command.strip())
        print(f"done {command.strip()}", flush=True)


if __name__ == "__main__":
    main()
