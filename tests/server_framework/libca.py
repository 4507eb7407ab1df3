"""Ask a server for PVs with the C library: ``libca.py`` reads names from stdin and prints JSON.

For each name: [type, count, readable, writable, value, names of states] in the native type, or null if it does not
connect.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any


def plain(value: Any) -> Any:
    """The value as JSON knows it; of long arrays, the beginning."""
    if hasattr(value, "tolist"):
        value = value.tolist() if getattr(value, "ndim", 0) == 0 else value[:20].tolist()
    return str(value) if isinstance(value, (str, bytes)) else value


async def main() -> None:
    import aioca

    names = sys.stdin.read().split("\n")
    timeout = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    await asyncio.gather(*(aioca.connect(name, timeout=timeout, throw=False) for name in names))
    infos = await asyncio.gather(*(aioca.cainfo(name, timeout=timeout, throw=False) for name in names))
    # Of enums, the names of the states come along.
    formats = [aioca.FORMAT_CTRL if info.ok and info.datatype == aioca.DBR_ENUM else aioca.FORMAT_RAW for info in infos]
    gets = (aioca.caget(name, timeout=timeout, format=form) for name, form in zip(names, formats, strict=True))
    values = await asyncio.gather(*gets, return_exceptions=True)
    found: dict[str, Any] = {}
    for name, info, value in zip(names, infos, values, strict=True):
        found[name] = None
        if info.ok and info.state_strings[info.state] == "connected":
            content = None if isinstance(value, BaseException) else plain(value)
            states = list(getattr(value, "enums", ()))
            found[name] = [int(info.datatype), info.count, bool(info.read), bool(info.write), content, states]
    json.dump(found, sys.stdout, default=str)


if __name__ == "__main__":
    asyncio.run(main())
