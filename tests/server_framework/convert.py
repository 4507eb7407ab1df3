"""Have a real IOC convert: numbers written to ``c:d``, ``c:f`` ... and read as every type, and texts as numbers.

Reads ``[numbers, texts, precisions]`` from stdin and prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

RECORDS = ("c:f", "c:l", "c:s", "c:c")


async def main() -> None:
    import aioca

    texts: list[str]
    numbers, texts, precisions = json.load(sys.stdin)
    found: dict[str, Any] = {"put": {}, "text": {}, "single": {}}
    await aioca.caput("c:d", numbers, wait=True)
    for precision in precisions:
        for name in ("c:d", "c:f"):
            await aioca.caput(f"{name}.PREC", precision, wait=True)
        found[str(precision)] = [str(text) for text in await aioca.caget("c:d", datatype=0)]
    found["as"] = {number: (await aioca.caget("c:d", datatype=number)).tolist() for number in range(1, 7)}
    for name in RECORDS:
        await aioca.caput(name, numbers, datatype=6, wait=True)
        found["put"][name] = (await aioca.caget(name)).tolist()
    found["stored"] = (await aioca.caget("c:f", datatype=6)).tolist()
    for precision in precisions:
        await aioca.caput("c:f.PREC", precision, wait=True)
        found["single"][precision] = [str(text) for text in await aioca.caget("c:f", datatype=0)]
    for name in ("c:d", "c:l"):
        found["text"][name] = answers = []
        for text in texts:
            put = await aioca.caput(name, text, datatype=0, wait=True, throw=False)
            answers.append((await aioca.caget(name)).tolist()[0] if put.ok else None)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
