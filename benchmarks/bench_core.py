"""The same work for pytest-benchmark: ``python -m pytest benchmarks --benchmark-enable``.

It runs with the codec that ``CAPROTO_CODEC`` chooses; ``python -m benchmarks`` compares codecs and the
incumbent.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import scenarios  # noqa: E402
import wire  # noqa: E402

import caproto  # noqa: E402


@pytest.fixture(autouse=True)
def name_the_codec(benchmark: Any) -> None:
    benchmark.extra_info["codec"] = caproto.codec_name
    benchmark.group = caproto.codec_name


@pytest.mark.parametrize("messages", [1, 100, 10_000])
def bench_scalar_updates(benchmark: Any, messages: int) -> None:
    circuit = scenarios.subscribed_circuit()
    assert benchmark(scenarios.consume, circuit, wire.scalar_updates(messages)) == messages


def bench_waveform_in_memory(benchmark: Any) -> None:
    circuit = scenarios.subscribed_circuit(wire.DOUBLE, 1_000_000)
    message = wire.waveform_update(1_000_000)

    def receive() -> Any:
        commands, _ = circuit.recv(message)
        circuit.process_command(commands[0])
        return commands[0].data

    assert len(benchmark(receive)) == 1_000_000


def bench_encode_scalar(benchmark: Any) -> None:
    metadata = (0, 0, caproto.TimeStamp(1_000_000, 5))

    def build() -> bytes:
        return bytes(caproto.EventAddResponse((1.5,), wire.TIME_DOUBLE, 1, 1, 0, metadata=metadata))

    assert len(benchmark(build)) == 40


@pytest.mark.parametrize("elements", [1_000, 1_000_000])
@pytest.mark.parametrize("item_size", [8, 4, 2])
def bench_swap_in_place(benchmark: Any, item_size: int, elements: int) -> None:
    from caproto._wire import codec

    buffer = bytearray(elements * item_size)
    benchmark(codec.swap_inplace, buffer, item_size)
