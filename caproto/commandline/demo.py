"""``caproto-demo``: monitor a fast waveform with the compiled codec, then with the plain one, and compare."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._errors import CaprotoError
from ._common import FAILED, OK, Parser, complain, finish, positive

# The directory that holds this very package.  ``python -m`` looks in the current directory first, and in a checkout the
# package there has no compiled codec.
HOME = Path(__file__).resolve().parents[2]
TOOL = "caproto-demo"
PV_NAME = "demo:waveform1"
CODECS = ("cython", "python")
TICK = 0.5
EXAMPLES = """
  caproto-demo                                  100 000 elements as fast as they come
  caproto-demo --elements 1000 --seconds 5
  caproto-demo --elements 1000000 --hz 30
  caproto-demo --pv MY:CAMERA:ArrayData         a real IOC instead of the example IOC "waveform"
"""


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=TOOL,
        description="Monitor a fast waveform with the compiled codec, then with the plain one, and compare.",
        examples=EXAMPLES,
    )
    parser.add_argument("--elements", type=int, default=100_000, help="length of the waveform (default %(default)s)")
    parser.add_argument(
        "--hz", type=float, default=0.0, help="updates per second; 0 (default) sends as many as are taken"
    )
    parser.add_argument("--seconds", type=positive, default=3.0, help="per codec (default %(default)s)")
    parser.add_argument("--pv", metavar="NAME", help='monitor this PV instead of the example IOC "waveform"')
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser


class Meter:
    """Counts updates and tells the parent process about them."""

    def __init__(self) -> None:
        self.updates = self.bytes = self.lost = 0
        self.last: float | None = None
        self.start = self.said = time.monotonic()
        self.cpu = time.process_time()

    def update(self, sub: Any, response: Any) -> None:
        data = response.data
        now = time.monotonic()
        if self.last is None:
            # The clock starts with the first update, when everything is warm.
            self.start, self.cpu = now, time.process_time()
        else:
            self.updates += 1
            self.bytes += len(response)
        number = float(data[0]) if len(data) else 0.0
        if self.last is not None and number > self.last + 1:
            self.lost += int(number - self.last) - 1
        self.last = number
        if now - self.said > TICK:
            self.said = now
            self.say()

    def say(self) -> None:
        elapsed = max(time.monotonic() - self.start, 1e-9)
        report = {
            "updates": self.updates,
            "lost": self.lost,
            "rate": self.updates / elapsed,
            "megabytes": self.bytes / elapsed / 1e6,
            "cpu_us": (time.process_time() - self.cpu) / max(self.updates, 1) * 1e6,
        }
        print(json.dumps(report), flush=True)


def work(arguments: argparse.Namespace) -> int:
    """The part that runs once per codec, in a process of its own."""
    from ..sync.client import block, subscribe

    meter = Meter()
    sub = subscribe(arguments.pv or PV_NAME, data_type="time")
    sub.add_callback(meter.update)
    try:
        block(sub, duration=arguments.seconds, repeater=False)
    except CaprotoError as error:
        complain(TOOL, str(error))
        return FAILED
    meter.say()
    return OK


@contextlib.contextmanager
def waveform_source(arguments: argparse.Namespace) -> Iterator[dict[str, str]]:
    """Run the IOC, on loopback only; gives the environment that finds it."""
    environment = dict(os.environ)
    if arguments.pv:
        yield environment
        return
    port = _free_port()
    environment |= {
        "EPICS_CA_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": port,
        "EPICS_CA_NAME_SERVERS": "",
        "EPICS_CAS_SERVER_PORT": port,
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
    }
    command = [sys.executable, "-m", "caproto.ioc_examples.waveform", "--quiet", "--prefix", "demo:"]
    command += ["--elements", str(arguments.elements), "--hz", str(arguments.hz)]
    with subprocess.Popen(command, cwd=HOME, env=environment, stdin=subprocess.DEVNULL) as process:
        try:
            yield environment
        finally:
            process.terminate()


def _free_port() -> str:
    """Return a port that is free for TCP and UDP on loopback."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            with contextlib.suppress(OSError):
                udp.bind(tcp.getsockname())
                return str(tcp.getsockname()[1])


def measure(codec: str, argv: list[str], environment: dict[str, str]) -> dict[str, float] | None:
    """Run the worker with one codec and show its rates; the last report, or None if it failed."""
    command = [sys.executable, "-m", "caproto.commandline.demo", "--worker", *argv]
    report: dict[str, float] | None = None
    live = sys.stdout.isatty()
    with subprocess.Popen(
        command, cwd=HOME, env=environment | {"CAPROTO_CODEC": codec}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            report = json.loads(line)
            assert report is not None
            text = f"{codec:>8}: {report['rate']:10.1f} updates/s  {report['megabytes']:9.1f} MB/s  "
            text += f"{int(report['lost']):6d} lost  {report['cpu_us']:10.1f} us CPU per update"
            print(f"\r{text}" if live else text, end="" if live else "\n", flush=True)
    if live:
        print()
    return report if process.returncode == OK and report and report["updates"] else None


ROWS = (
    ("updates/s", "rate", "12.1f", True),
    ("MB/s", "megabytes", "12.1f", True),
    ("CPU per update, us", "cpu_us", "12.1f", False),
    ("updates", "updates", "12.0f", None),
    ("lost", "lost", "12.0f", None),
)


def table(results: dict[str, dict[str, float]]) -> str:
    """The results side by side; the last column says how many times better the compiled codec is."""
    compiled, plain = (results.get(codec) for codec in CODECS)
    head = "".join(f"{codec:>14}" for codec in results)
    lines = [f"{'':20}{head}{'ratio':>10}" if compiled and plain else f"{'':20}{head}"]
    for title, key, form, more_is_better in ROWS:
        line = f"{title:20}" + "".join(f"  {result[key]:{form}}" for result in results.values())
        if compiled and plain and more_is_better is not None:
            first, second = (compiled, plain) if more_is_better else (plain, compiled)
            line += f"{first[key] / max(second[key], 1e-9):9.1f}x"
        lines.append(line)
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Entry point of ``caproto-demo``."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    if arguments.elements < 2 or arguments.hz < 0:
        _parser().error("--elements must be at least 2, --hz not negative")
    if arguments.worker:
        finish(work(arguments))
    what = arguments.pv or f"{arguments.elements} elements from the example IOC 'waveform'"
    print(f"{what}, {arguments.seconds:g} s per codec", flush=True)
    results = {}
    with waveform_source(arguments) as environment:
        for codec in CODECS:
            result = measure(codec, argv, environment)
            if result is None:
                complain(TOOL, f"no figures with the {codec} codec")
            else:
                results[codec] = result
    if results:
        print("\n" + table(results))
    finish(OK if len(results) == len(CODECS) else FAILED)


if __name__ == "__main__":
    main()
