"""Any bytes, cut anywhere: commands or an error of our own tree, and the same from both codecs."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import golden
from tests.fuzz.conftest import Worker
from tests.fuzz.strategies import ROLES, cut, framed, mutated, streams


def ask_stream(worker: Worker, role: str, pieces: list[bytes], process: bool = False) -> Any:
    return worker.ask(what="stream", role=role, pieces=[piece.hex() for piece in pieces], process=process)


def without_padding(answer: Any) -> Any:
    """What must not depend on how the bytes were cut."""
    return {name: answer[name] for name in ("commands", "error", "states")}


@pytest.mark.parametrize("role", ROLES)
@given(data=st.data())
def test_codecs_agree_on_streams(workers: tuple[Worker, Worker], role: str, data: st.DataObject) -> None:
    pieces = data.draw(cut(data.draw(streams(role))))
    process = data.draw(st.booleans())
    plain, compiled = (ask_stream(worker, role, pieces, process) for worker in workers)
    assert plain == compiled


@pytest.mark.parametrize("role", ROLES)
@given(data=st.data())
def test_codecs_agree_on_datagrams(workers: tuple[Worker, Worker], role: str, data: st.DataObject) -> None:
    whole = data.draw(streams(role)).hex()
    plain, compiled = (worker.ask(what="datagram", role=role, data=whole) for worker in workers)
    assert plain == compiled


@pytest.mark.parametrize("role", ROLES)
@given(data=st.data())
def test_whole_cut_and_byte_by_byte_agree(python_worker: Worker, role: str, data: st.DataObject) -> None:
    check_cuts(python_worker, role, data)


@pytest.mark.parametrize("role", ROLES)
@given(data=st.data())
def test_whole_cut_and_byte_by_byte_agree_compiled(cython_worker: Worker, role: str, data: st.DataObject) -> None:
    check_cuts(cython_worker, role, data)


def check_cuts(worker: Worker, role: str, data: st.DataObject) -> None:
    whole = data.draw(streams(role))
    pieces = data.draw(cut(whole))
    answers = [
        ask_stream(worker, role, [whole]),
        ask_stream(worker, role, pieces),
        ask_stream(worker, role, [whole[n : n + 1] for n in range(len(whole))]),
    ]
    first, *others = [without_padding(answer) for answer in answers]
    assert all(other == first for other in others)


@pytest.mark.parametrize("role", ROLES)
@given(data=st.data())
def test_noise(workers: tuple[Worker, Worker], role: str, data: st.DataObject) -> None:
    noise = data.draw(st.binary(max_size=200))
    plain, compiled = (ask_stream(worker, role, [noise], process=True) for worker in workers)
    assert plain == compiled


@pytest.mark.parametrize("role", ROLES)
@given(data=st.data())
def test_sound_framing_never_loses_what_follows(python_worker: Worker, role: str, data: st.DataObject) -> None:
    """Whatever is inside well-framed messages, the message behind them is found."""
    parts = data.draw(st.lists(framed(), max_size=4))
    echo = struct.pack(">HHHHII", 23, 0, 0, 0, 0, 0)
    answer = ask_stream(python_worker, role, [b"".join(parts) + echo], process=True)
    assert answer["error"] is None
    assert [command["header"][0] for command in answer["commands"]][-2:] == [23, 0]


@pytest.mark.parametrize("role", ROLES)
@given(data=st.data())
def test_mutated_messages_one_at_a_time(workers: tuple[Worker, Worker], role: str, data: st.DataObject) -> None:
    wire = data.draw(mutated(role))
    plain, compiled = (ask_stream(worker, role, [wire], process=True) for worker in workers)
    assert plain == compiled


@pytest.mark.parametrize("vector", golden.messages(), ids=str)
def test_codecs_agree_on_the_recording(workers: tuple[Worker, Worker], vector: golden.Vector) -> None:
    role = "server" if vector.role == "repeater" else vector.role
    plain, compiled = (ask_stream(worker, role, [vector.wire], process=True) for worker in workers)
    assert plain == compiled


@pytest.mark.parametrize("hazard", golden.hazards(), ids=lambda raw: raw["name"])
def test_codecs_agree_on_the_hazards(workers: tuple[Worker, Worker], hazard: dict[str, Any]) -> None:
    wire = bytes.fromhex(hazard["hex"])
    for pieces in ([wire], [wire[n : n + 1] for n in range(len(wire))]):
        plain, compiled = (ask_stream(worker, "client", pieces, process=True) for worker in workers)
        assert plain == compiled


@pytest.mark.parametrize("cut_at", range(16))
def test_every_recorded_message_cut_short(workers: tuple[Worker, Worker], cut_at: int) -> None:
    for vector in golden.tcp("server")[cut_at::16]:
        for end in range(0, min(len(vector.wire), 64), 3):
            plain, compiled = (ask_stream(worker, "server", [vector.wire[:end]]) for worker in workers)
            assert plain == compiled
