"""Bytes that PVs take which nobody uses, in the environment of whoever runs this: ``memory.py KIND RECORD COUNT``.

KIND is ``group``: groups of ten, all of one class; or ``class``: one group, each PV with a declaration of its own.
RECORD is a type of record, or nothing.  Counted is what Python's allocator hands out.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from typing import Any

from caproto.server import PVGroup, pvproperty

TEN = 10


def declare(count: int, keywords: dict[str, Any]) -> type[PVGroup]:
    body: dict[str, Any] = {f"pv{number}": pvproperty(value=1.0, **keywords) for number in range(count)}
    return type("Bench", (PVGroup,), body)


def main(kind: str, record: str, count: int) -> None:
    keywords = {"record": record} if record else {}
    ten = declare(TEN, keywords)
    kept: list[Any] = [ten(prefix="first:")]
    gc.collect()
    tracemalloc.start()
    if kind == "group":
        kept += [ten(prefix=f"bench{number}:") for number in range(count // TEN)]
    else:
        kept.append(declare(count, keywords)(prefix="bench:"))
    gc.collect()
    print(tracemalloc.get_traced_memory()[0] / count)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
