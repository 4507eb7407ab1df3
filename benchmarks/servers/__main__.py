"""Our servers beside others, in one table.

Each cell is measured in a server process of its own, the servers of one row one after the other in every round, so
that a slow moment of the machine hits all of them; the best round of each counts.  What can be compared are the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks import peers
from benchmarks.servers.contenders import CONTENDERS, python_of
from benchmarks.servers.rows import ROWS, Outcome, Row


def measure(row: Row, rounds: int, seconds: float, chosen: list[str]) -> dict[str, Outcome]:
    best: dict[str, Outcome] = {}
    failed: set[str] = set()
    for _ in range(rounds if row.name != "images" else 1):
        for contender in CONTENDERS:
            name = contender.name
            if name in failed or name not in chosen or name not in row.contenders:
                continue
            print(f"  {row.name}: {name} ...", end=" ", file=sys.stderr, flush=True)
            try:
                outcome = row.measure(contender, seconds)
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                # A server that stops answering is one of the results.
                print(error or type(error).__name__, file=sys.stderr)
                failed.add(name)
                continue
            print(row.show(outcome), file=sys.stderr)
            if name not in best or row.better(outcome, best[name]):
                best[name] = outcome
    return best


def table(results: dict[str, dict[str, Outcome]]) -> str:
    names = [each.name for each in CONTENDERS if any(each.name in outcomes for outcomes in results.values())]
    lines = [["what", *names, "to reach", ""]]
    for row in ROWS:
        if row.name in results:
            outcomes = results[row.name]
            cells = [row.show(outcomes[name]) if name in outcomes else "-" for name in names]
            lines.append([row.what, *cells, row.target, row.verdict(outcomes)])
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servers", description=__doc__)
    rows, servers = [row.name for row in ROWS], [contender.name for contender in CONTENDERS]
    parser.add_argument("--only", action="append", choices=rows, default=[], help="measure only this row")
    parser.add_argument("--server", action="append", choices=servers, default=[], help="measure only this one")
    parser.add_argument("--rounds", type=int, default=3, help="how often each server runs (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=300.0, help="how long images are sent, once (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    options = parser.parse_args()
    chosen = options.server or servers
    installed = {peers.versions(python_of(contender)) for contender in CONTENDERS if contender.home != "here"}
    before = os.getloadavg()[0]
    results = {
        row.name: measure(row, options.rounds, options.seconds, chosen)
        for row in ROWS
        if not options.only or row.name in options.only
    }
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs, load {before:.1f} before and ", end="")
    print(f"{os.getloadavg()[0]:.1f} after, best of {options.rounds}; {'; '.join(sorted(installed))}\n")
    print(table(results))


if __name__ == "__main__":
    main()
