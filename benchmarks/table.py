"""One command for every figure: ``python -m benchmarks``.

Runs each scenario in fresh processes of the incumbent and of this checkout with both codecs, one after the
other in every round so that a slow moment of the machine hits all of them, keeps the best of each, and prints
what was reached beside what was to be reached.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import peers
import rows

HERE = Path(__file__).resolve().parent
CONTENDERS = ("incumbent", "cython", "python")


def environment(contender: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EPICS_", "CAPROTO_", "PYTHON"))}
    if contender != "incumbent":
        kept.update(CAPROTO_CODEC=contender, PYTHONPATH=str(HERE.parent))
    return kept


def run(contender: str, python: Path | str, scenario: str, arguments: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [str(python), str(HERE / "scenarios.py"), scenario, json.dumps(arguments)],
        env=environment(contender),
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        raise SystemExit(f"{scenario} of {contender} failed:\n{done.stderr}")
    outcome: dict[str, Any] = json.loads(done.stdout)
    expected = "1.x" if contender == "incumbent" else contender
    if outcome["codec"] != expected:
        raise SystemExit(f"{scenario} of {contender} ran with codec {outcome['codec']}")
    return outcome


def merge(old: Any, new: Any, name: str = "") -> Any:
    """The better of two runs, figure by figure: rates grow, times and memory shrink."""
    if isinstance(old, dict):
        return {key: merge(old[key], new[key], key if not key[0].isdigit() else name) for key in old}
    if isinstance(old, float):
        return max(old, new) if name in rows.RATES or name.endswith("gb_per_s") else min(old, new)
    return old


def measure(rounds: int, only: list[str]) -> dict[str, dict[str, Any]]:
    pythons = {"incumbent": peers.incumbent_python(), "cython": sys.executable, "python": sys.executable}
    results: dict[str, dict[str, Any]] = {contender: {} for contender in CONTENDERS}
    for scenario, plan in rows.PLANS.items():
        if only and scenario not in only:
            continue
        for _ in range(rounds):
            for contender, arguments in plan.items():
                print(f"  {scenario}: {contender} ...", file=sys.stderr, flush=True)
                outcome = run(contender, pythons[contender], scenario, arguments)
                before = results[contender].get(scenario)
                results[contender][scenario] = merge(before, outcome) if before else outcome
    return results


def machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} CPUs, {system}"


def print_table(lines: list[rows.Line]) -> None:
    head = ("what", "codec", "incumbent", "measured", "ratio", "to reach", "")
    cells = [head] + [
        (
            line.what,
            line.codec,
            line.incumbent,
            line.measured,
            line.ratio,
            line.target,
            "" if line.target == "-" else "met" if line.met else "NOT MET",
        )
        for line in lines
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for number, row in enumerate(cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n\n")[1])
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (default: %(default)s)")
    parser.add_argument(
        "--only", action="append", choices=list(rows.PLANS), default=[], help="measure only this scenario"
    )
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    options = parser.parse_args()

    print(f"machine: {machine()}")
    print(f"incumbent: {peers.versions(peers.incumbent_python())}")
    results = measure(options.rounds, options.only)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    print_table(rows.judge(results))


if __name__ == "__main__":
    main()
