"""Print what each server reaches, one after the other in every round, the best of all rounds; 0 is no answer."""

from __future__ import annotations

import argparse
import os
import socket
import tempfile
import time
from pathlib import Path

from benchmarks.servers import load
from benchmarks.servers.contenders import CONTENDERS, Contender, start


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port if port < 65000 else free_port()


def measure(contender: Contender) -> dict[str, float]:
    """Every figure of one server in a fresh process."""
    port = free_port()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        process = start(contender, port, Path(directory))
        try:
            wait_for(port, process.poll, Path(directory) / "errors")
            for name, _, pv, function in load.MEASUREMENTS:
                try:
                    found[name] = function(port, pv, contender.share)
                except TimeoutError:
                    found[name] = 0.0  # it stopped answering
            found["updates to 50 circuits"], found["  of them lost"] = load.fan_out(port, "bench:double")
        finally:
            process.kill()
            process.wait(10)
    return found


def wait_for(port: int, ended: object, errors: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert callable(ended)
        if ended() is not None:
            break
        try:
            with load.connect(port) as sock:
                load.open_channel(sock, "bench:double")
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"the server did not come up:\n{errors.read_text()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=[contender.name for contender in CONTENDERS])
    arguments = parser.parse_args()
    chosen = [contender for contender in CONTENDERS if not arguments.only or contender.name in arguments.only]
    best: dict[str, dict[str, float]] = {contender.name: {} for contender in chosen}
    for _ in range(arguments.rounds):
        for contender in chosen:
            for name, figure in measure(contender).items():
                kept = best[contender.name].get(name, figure)
                best[contender.name][name] = min(kept, figure) if "lost" in name else max(kept, figure)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; best of {arguments.rounds}")
    print(f"{'':32}" + "".join(f"{contender.name:>16}" for contender in chosen))
    for name in best[chosen[0].name]:
        figures = (best[contender.name][name] for contender in chosen)
        print(f"{name:32}" + "".join(f"{figure:16.2f}" if figure < 100 else f"{figure:16,.0f}" for figure in figures))


if __name__ == "__main__":
    main()
