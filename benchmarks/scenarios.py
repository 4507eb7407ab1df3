"""What is measured, written against the names that caproto 1.x and 2 share.

Run as a script it measures one scenario with whatever ``caproto`` the interpreter finds and prints JSON::

    python benchmarks/scenarios.py scalar_updates

Every figure is the minimum of several repeats: the machine can only add to it.
"""

from __future__ import annotations

import gc
import json
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wire

import caproto

SENDER = Path(__file__).with_name("sender.py")
CHUNK = 4096
ADDRESS = ("127.0.0.1", 5064)
Result = dict[str, Any]


def subscribed_circuit(data_type: int = wire.TIME_DOUBLE, count: int = 1) -> Any:
    """A client circuit with one channel and one live subscription."""
    circuit = caproto.VirtualCircuit(our_role=caproto.CLIENT, address=ADDRESS, priority=0)
    channel = caproto.ClientChannel("bench:pv", circuit, cid=1)
    circuit.send(caproto.VersionRequest(priority=0, version=13))
    feed(circuit, wire.version_response())
    circuit.send(channel.create())
    feed(circuit, wire.channel_created(1, wire.DOUBLE, count, 7))
    circuit.send(channel.subscribe(data_type=data_type, data_count=count, subscriptionid=wire.SUBSCRIPTION))
    return circuit


def feed(circuit: Any, data: bytes) -> None:
    commands, _ = circuit.recv(data)
    for command in commands:
        circuit.process_command(command)


def consume(circuit: Any, chunk: bytes | memoryview) -> int:
    """What a user of the core does with a received chunk: look at every value and time stamp."""
    commands, _ = circuit.recv(chunk)
    for command in commands:
        circuit.process_command(command)
        _ = command.data[0], command.metadata.timestamp
    return len(commands)


def fastest(run: Callable[[], Any], repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def scalar_updates(updates: int = 10_000, repeats: int = 5) -> Result:
    """TIME_DOUBLE scalars in 4 KiB chunks: recv + process_command + .data[0] + .metadata.timestamp."""
    stream = wire.scalar_updates(updates)
    chunks = [stream[i : i + CHUNK] for i in range(0, len(stream), CHUNK)]
    circuit = subscribed_circuit()
    seen = 0

    def run() -> None:
        nonlocal seen
        for chunk in chunks:
            seen += consume(circuit, chunk)

    best = fastest(run, repeats)
    assert seen == updates * repeats, (seen, updates)
    return {"us_per_update": best / updates * 1e6}


def steps_of_an_update(updates: int = 10_000, repeats: int = 7) -> Result:
    """Where the time of `scalar_updates` goes: what each further step of the loop adds, in us per update."""
    stream = wire.scalar_updates(updates)
    chunks = [stream[i : i + CHUNK] for i in range(0, len(stream), CHUNK)]
    circuit = subscribed_circuit()

    def split() -> None:
        for chunk in chunks:
            circuit.recv(chunk)

    def check() -> None:
        for chunk in chunks:
            for command in circuit.recv(chunk)[0]:
                circuit.process_command(command)

    def data() -> None:
        for chunk in chunks:
            for command in circuit.recv(chunk)[0]:
                circuit.process_command(command)
                _ = command.data[0]

    def metadata() -> None:
        for chunk in chunks:
            consume(circuit, chunk)

    # Cumulative: differences are taken once the best of all rounds is known.
    best = {step.__name__: float("inf") for step in (split, check, data, metadata)}
    for _ in range(repeats):
        for step in (split, check, data, metadata):
            best[step.__name__] = min(best[step.__name__], fastest(step, 1))
    return {f"us_to_{name}": seconds / updates * 1e6 for name, seconds in best.items()}


def delivery(updates: int = 50_000, size: int = 65_536, repeats: int = 7) -> Result:
    """TIME_DOUBLE scalars in 64 KiB chunks to their subscription: as commands, and as decoded columns."""
    from caproto._commands import tables
    from caproto._wire import codec

    stream = wire.scalar_updates(updates)
    chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
    result: Result = {}
    for name, kind in (("commands", codec.Inbox), ("columns", codec.Columns)):
        parser = codec.StreamParser(tables[caproto.SERVER], codec.MAX_PAYLOAD)
        parser.sinks[wire.SUBSCRIPTION] = sink = kind(wire.TIME_DOUBLE)
        seen = 0

        def run(parser: Any = parser, sink: Any = sink, name: str = name) -> None:
            nonlocal seen
            for chunk in chunks:
                parser.feed(chunk)
                parser.touched.clear()
                taken = sink.take()
                seen += len(taken) if name == "commands" else len(taken[0][1])

        result[f"us_as_{name}"] = fastest(run, repeats) / updates * 1e6
        assert seen == updates * repeats, (seen, updates)
    return result


def messages_per_recv(largest: int = 50_000, repeats: int = 5) -> Result:
    """Time and peak memory per message for 1, 10, ... messages in one recv."""
    sizes = [n for n in (1, 10, 100, 1_000, 10_000, 50_000) if n <= largest]
    result: Result = {"us_per_message": {}, "peak_bytes_per_byte": {}}
    for size in sizes:
        chunk = wire.scalar_updates(size)
        rounds = max(1, 5_000 // size)
        circuit = subscribed_circuit()

        def run(circuit: Any = circuit, chunk: bytes = chunk, rounds: int = rounds) -> None:
            for _ in range(rounds):
                consume(circuit, chunk)

        result["us_per_message"][str(size)] = fastest(run, repeats) / (rounds * size) * 1e6
        gc.collect()
        tracemalloc.start()
        consume(circuit, chunk)
        result["peak_bytes_per_byte"][str(size)] = tracemalloc.get_traced_memory()[1] / len(chunk)
        tracemalloc.stop()
    return result


def keep_one_update(updates: int = 200_000, every: int = 10_000) -> Result:
    """Keep 1 update in 10 000, with its data and metadata; what stays allocated per update kept?"""
    stream = wire.scalar_updates(10_000)
    size = 64 * 1024
    circuit = subscribed_circuit()
    consume(circuit, stream[:4000])
    feed_whole = [stream[i : i + size] for i in range(0, len(stream), size)]
    kept: list[Any] = []
    number = 0
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(updates // 10_000):
        for piece in feed_whole:
            # A fresh object each time, as a socket gives: a pinned one shows up as memory.
            commands, _ = circuit.recv(bytes(bytearray(piece)))
            for command in commands:
                circuit.process_command(command)
                if number % every == 0:
                    _ = command.data[0], command.metadata.timestamp
                    kept.append(command)
                number += 1
    commands = command = None
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {"bytes_per_update_kept": (after - before) / len(kept), "chunk_bytes": size}


class Sender:
    """A process of its own that writes the same waveform update again and again."""

    def __init__(self, kind: str, elements: int, updates: int) -> None:
        if kind == "unix":
            self.socket, theirs = socket.socketpair()
        else:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                theirs = socket.create_connection(listener.getsockname())
                self.socket, _ = listener.accept()
        with theirs:
            command = [sys.executable, str(SENDER), str(theirs.fileno()), str(elements), str(updates)]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        self.ready = self.socket.recv(1)

    def go(self) -> None:
        self.socket.sendall(b"g")

    def close(self) -> None:
        self.socket.close()
        self.process.wait()


def bare_loop(sock: socket.socket, elements: int, updates: int) -> None:
    size = len(wire.header(1, elements * 8, wire.DOUBLE, elements, 1, 0)) + elements * 8
    buffer = memoryview(bytearray(size))
    for _ in range(updates):
        have = 0
        while have < size:
            have += sock.recv_into(buffer[have:])


def circuit_loop(sock: socket.socket, elements: int, updates: int) -> None:
    circuit = subscribed_circuit(wire.DOUBLE, elements)
    direct = hasattr(circuit, "get_buffer")
    seen = 0
    while seen < updates:
        if direct:
            commands = circuit.buffer_updated(sock.recv_into(circuit.get_buffer()))
        else:
            commands, _ = circuit.recv(sock.recv(1 << 18))
        for command in commands:
            circuit.process_command(command)
            data = command.data
            assert len(data) == elements and data[-1] == elements - 1
            if direct:
                assert data.dtype.isnative and data.flags.aligned and data.flags.writeable
            seen += 1


def waveforms(kind: str = "unix", elements: int = 1_000_000, updates: int = 40, repeats: int = 3) -> Result:
    """DOUBLE[1 000 000] from a socket to arrays, against reading the same bytes and dropping them."""
    best = {"bare": float("inf"), "circuit": float("inf")}
    for _ in range(repeats):
        for name, loop in (("bare", bare_loop), ("circuit", circuit_loop)):
            sender = Sender(kind, elements, updates)
            start = time.perf_counter()
            sender.go()
            loop(sender.socket, elements, updates)
            best[name] = min(best[name], time.perf_counter() - start)
            sender.close()
    volume = elements * 8 * updates / 1e9
    return {f"{name}_gb_per_s": volume / seconds for name, seconds in best.items()}


def waveforms_tcp() -> Result:
    """As `waveforms`, over loopback TCP instead of a socket pair."""
    return waveforms("tcp")


def byte_swap(repeats: int = 7) -> Result:
    """Swap in place in the codec against ndarray.astype to native, GB/s by item size and element count."""
    import numpy

    from caproto._wire import codec

    result: Result = {}
    for name in ("f8", "f4", "i2"):
        dtype = numpy.dtype(name)
        item_size = dtype.itemsize
        for elements in (1_000, 10_000, 100_000, 1_000_000):
            swapped = (numpy.arange(elements) % 1000).astype(dtype.newbyteorder())
            rounds = max(1, 1_000_000 // elements)
            times = {"codec": float("inf"), "astype": float("inf")}
            for _ in range(repeats):
                for way in times:
                    start = time.perf_counter()
                    if way == "codec":
                        for _ in range(rounds):
                            codec.swap_inplace(swapped, item_size)
                    else:
                        for _ in range(rounds):
                            swapped.astype(dtype)
                    times[way] = min(times[way], time.perf_counter() - start)
            volume = rounds * elements * item_size / 1e9
            result[f"{item_size}x{elements}"] = {way: volume / best for way, best in times.items()}
    return result


def encode(repeats: int = 5) -> Result:
    """Build an EventAddResponse and make bytes of it: one TIME_DOUBLE, and 1 000 000 DOUBLE from an array."""
    import numpy

    stamp = caproto.TimeStamp(1_000_000, 5)
    metadata = (0, 0, stamp)
    scalars = 5_000

    def build_scalars() -> None:
        for _ in range(scalars):
            bytes(
                caproto.EventAddResponse(
                    data=(1.5,),
                    data_type=wire.TIME_DOUBLE,
                    data_count=1,
                    status=1,
                    subscriptionid=0,
                    metadata=metadata,
                )
            )

    values = numpy.arange(1_000_000, dtype=numpy.float64)

    def build_waveform() -> None:
        bytes(
            caproto.EventAddResponse(
                data=values, data_type=wire.DOUBLE, data_count=len(values), status=1, subscriptionid=0
            )
        )

    return {
        "us_per_scalar": fastest(build_scalars, repeats) / scalars * 1e6,
        "ms_per_waveform": fastest(build_waveform, repeats) * 1e3,
    }


IMPORT = """
import sys, time, threading
sys.modules["numpy"] = None
start = time.perf_counter()
import caproto
print(time.perf_counter() - start, threading.active_count(), caproto.__file__, file=sys.stderr)
"""


def import_time(repeats: int = 15) -> Result:
    """`import caproto` in a new interpreter that has no numpy; and how long a bare interpreter takes."""
    seconds, bare = float("inf"), float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare = min(bare, time.perf_counter() - start)
        done = subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True)
        figures = done.stderr.split()
        assert done.stdout == "" and figures[1] == "1", "import printed or started something"
        seconds = min(seconds, float(figures[0]))
    return {"import_ms": seconds * 1e3, "bare_interpreter_ms": bare * 1e3}


SCENARIOS: dict[str, Callable[..., Result]] = {
    run.__name__: run
    for run in (
        scalar_updates,
        steps_of_an_update,
        delivery,
        messages_per_recv,
        keep_one_update,
        waveforms,
        waveforms_tcp,
        byte_swap,
        encode,
        import_time,
    )
}


if __name__ == "__main__":
    arguments = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    outcome = SCENARIOS[sys.argv[1]](**arguments)
    outcome["codec"] = getattr(caproto, "codec_name", "1.x")
    print(json.dumps(outcome))
