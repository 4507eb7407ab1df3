"""What the clients talk to, each a process of its own on loopback."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.isolation import free_port, process_environment, search

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent

#: Records of a real IOC by the name of its database: how many, and what they are.
CALC = """record(calc, "bench:{}") {{ field(SCAN, ".1 second") field(INPA, "bench:{}.VAL") field(CALC, "A+1") }}\n"""
AI = """record(ai, "bench:{}") {{ field(VAL, "1") field(PINI, "YES") }}\n"""
DATABASES = {"calc": (CALC, 1_000), "ai": (AI, 10_000)}


def environment(port: int, repeater: int) -> dict[str, str]:
    """The variables of a client, and of the server it may talk to."""
    kept = process_environment(port, repeater, EPICS_CA_MAX_ARRAY_BYTES="16000000")
    return {name: value for name, value in kept.items() if not name.startswith(("CAPROTO_", "PYTHON"))}


@contextlib.contextmanager
def flood(count: int, updates: int) -> Iterator[dict[str, str]]:
    """The environment of one client of a server that floods it."""
    port = free_port()
    variables = environment(port, free_port())
    command = [sys.executable, str(HERE / "flood.py"), str(port), str(count), str(updates)]
    with subprocess.Popen(
        command, env={**variables, "PYTHONPATH": str(CHECKOUT)}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("the flooding server did not start")
            yield variables
        finally:
            process.kill()


@contextlib.contextmanager
def ioc(database: str) -> Iterator[dict[str, str]]:
    """The environment of the clients of a real IOC."""
    port = free_port()
    variables = environment(port, free_port())
    template, number = DATABASES[database]
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as output:
        records = Path(directory) / "bench.db"
        records.write_text("".join(template.format(i, i) for i in range(number)))
        interop = CHECKOUT / "tests" / "interop"
        with subprocess.Popen(
            [sys.executable, str(interop / "run_ioc.py"), str(records), str(interop / "ioc.acf")],
            env=variables,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process:
            try:
                if not search(f"bench:{number - 1}", port, 60.0):
                    output.seek(0)
                    raise RuntimeError(f"the IOC did not come up:\n{output.read().decode()}")
                yield variables
            finally:
                process.kill()
