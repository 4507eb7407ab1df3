"""Our clients beside others, in one table.

Each cell is measured in a process of its own, the clients of one row one after the other in every round, so that a
slow moment of the machine hits all of them; the best round of each counts.  What can be compared are the ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.clients import servers
from benchmarks.clients.rows import OURS, ROWS, Row

#: The module that drives a client, and the interpreter that has it; None is the one that runs this.
CLIENTS: dict[str, tuple[str, Callable[[], Path] | None]] = {
    "threading": ("with_threading", None),
    "asyncio": ("with_asyncio", None),
    "trio": ("with_trio", None),
    "aioca": ("with_aioca", peers.libca_python),
    "pyepics": ("with_pyepics", peers.libca_python),
    "cothread": ("with_cothread", peers.libca_python),
    "1.3.0": ("with_threading", peers.incumbent_python),
    "1.3.0 asyncio": ("with_asyncio", peers.incumbent_python),
    "sockets": ("with_sockets", None),
}
TIME_LIMIT = 300.0


def available(client: str) -> bool:
    if client not in OURS:
        return True
    package = f"caproto.{client}"
    return importlib.util.find_spec(package) is not None and importlib.util.find_spec(f"{package}.client") is not None


def drive(client: str, scenario: str, arguments: dict[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    """Return what the client's process reports, or raise RuntimeError with what it said instead."""
    module, python = CLIENTS[client]
    if python is None:
        variables = {**variables, "PYTHONPATH": str(servers.CHECKOUT)}
    command = [sys.executable if python is None else str(python()), str(servers.HERE / "drive.py"), module]
    command += [scenario, json.dumps(arguments)]
    try:
        done = subprocess.run(
            command, env=variables, cwd=servers.HERE, capture_output=True, text=True, timeout=TIME_LIMIT
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"not done in {TIME_LIMIT:.0f} s") from error
    lines = done.stdout.splitlines()
    if not lines:
        raise RuntimeError(f"exit status {done.returncode}\n{done.stderr}")
    if done.returncode:
        print(f"{client} in {scenario} ended with status {done.returncode}:\n{done.stderr}", file=sys.stderr)
    outcome: dict[str, Any] = json.loads(lines[-1])
    expected = "1.3.0" if client.startswith("1.3.0") else None
    if expected and outcome["caproto"] != expected:
        raise RuntimeError(f"ran with caproto {outcome['caproto']}")
    return outcome


def cell(row: Row, client: str, seconds: float, variables: dict[str, str] | None) -> dict[str, Any]:
    """Measure once."""
    scenario, arguments = row.scenario(client)
    arguments = dict(arguments)
    if arguments.pop("timed", False):
        arguments["seconds"] = seconds
    if variables is not None:
        return drive(client, scenario, arguments, variables)
    arguments["updates"] = int(arguments["updates"] * seconds)
    with servers.flood(int(row.server.split(":")[1]), arguments["updates"]) as made:
        return drive(client, scenario, arguments, made)


def measure(row: Row, rounds: int, seconds: float, clients: list[str]) -> dict[str, dict[str, Any]]:
    best: dict[str, dict[str, Any]] = {}
    failed: set[str] = set()
    with contextlib.ExitStack() as stack:
        variables = None if row.server.startswith("flood") else stack.enter_context(servers.ioc(row.server))
        for _ in range(rounds):
            for client in row.clients:
                if client in failed or client not in clients or not available(client):
                    continue
                print(f"  {row.name}: {client} ...", end=" ", file=sys.stderr, flush=True)
                try:
                    outcome = cell(row, client, seconds, variables)
                except RuntimeError as error:
                    print(error, file=sys.stderr)
                    failed.add(client)
                    continue
                print(row.show(outcome, best), file=sys.stderr)
                before = best.get(client)
                if before is None or (outcome[row.key] > before[row.key]) == row.rising:
                    best[client] = outcome
    return best


def verdict(row: Row, outcomes: dict[str, dict[str, Any]]) -> str:
    told = {client: row.met(outcomes[client], outcomes) for client in OURS if client in outcomes}
    short = [client for client, met in told.items() if met is False]
    if short:
        return "**not met** by " + ", ".join(short)
    return "met" if any(told.values()) else ""


def table(results: dict[str, dict[str, dict[str, Any]]]) -> str:
    columns = [client for client in CLIENTS if any(client in outcomes for outcomes in results.values())]
    lines = [["what", *columns, "to reach", ""]]
    for row in ROWS:
        if row.name in results:
            outcomes = results[row.name]
            cells = [row.show(outcomes[client], outcomes) if client in outcomes else "-" for client in columns]
            lines.append([row.what, *cells, row.target, verdict(row, outcomes)])
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clients", description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("--only", action="append", choices=names, default=[], help="measure only this row")
    parser.add_argument("--client", action="append", choices=list(CLIENTS), default=[], help="measure only this one")
    parser.add_argument("--rounds", type=int, default=3, help="how often each client runs (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="roughly how long each of them is busy (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    options = parser.parse_args()
    clients = options.client or list(CLIENTS)
    before = os.getloadavg()[0]
    results = {}
    for row in ROWS:
        if not options.only or row.name in options.only:
            results[row.name] = measure(row, options.rounds, options.seconds, clients)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs, load {before:.1f} before and ", end="")
    print(f"{os.getloadavg()[0]:.1f} after; {peers.versions(peers.libca_python())}, caproto 1.3.0\n")
    print(table(results))


if __name__ == "__main__":
    main()
