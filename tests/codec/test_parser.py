"""The two codec modules side by side, nothing on top: splitting, limits, memory, swaps, and the contract."""

from __future__ import annotations

import ast
import gc
import inspect
import resource
import struct
import tracemalloc
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import caproto
from tests.conftest import CODEC_MODULES, load_codec
from tests.fuzz.strategies import ROLES, cut, streams

PYI = Path(caproto.__file__).parent / "_codec.pyi"
CONTRACT = ast.parse(PYI.read_text()) if PYI.exists() else ast.Module([], [])


def table(codec: ModuleType) -> Any:
    """A command table of this codec with one class per command id, as `_commands` makes one."""
    made = {
        number: type(f"Command{number}", (codec.Frame,), {"__slots__": ()}) for number in (*range(5), 6, *range(8, 28))
    }
    return codec.CommandTable(made, type("Unknown", (codec.Frame,), {"__slots__": ()}), frozenset({1, 3, 15}))


def fields(frame: Any) -> tuple[Any, ...]:
    names = ("_command", "_payload_size", "_data_type", "_data_count", "_parameter1", "_parameter2")
    return (type(frame).__name__, *(getattr(frame, name) for name in names), bytes(frame), len(frame))


def split(codec: ModuleType, pieces: list[bytes], limit: int = 1 << 20) -> tuple[list[Any], Any]:
    """Frames and the error that ended them, if one did."""
    parser, frames = codec.StreamParser(table(codec), limit), []
    for piece in pieces:
        try:
            frames += parser.feed(piece)
        except caproto.CaprotoError:
            break
    error = parser.error
    return [fields(frame) for frame in frames], None if error is None else (type(error).__name__, str(error))


def through_memory(codec: ModuleType, data: bytes, step: int, limit: int = 1 << 20) -> tuple[list[Any], Any]:
    """The same through ``get_buffer`` and ``buffer_updated``."""
    parser, frames, view = codec.StreamParser(table(codec), limit), [], memoryview(data)
    while view and parser.error is None:
        try:
            buffer = parser.get_buffer()
            size = min(step, len(buffer), len(view))
            buffer[:size] = view[:size]
            frames += parser.buffer_updated(size)
        except caproto.CaprotoError:
            break
        view = view[size:]
    error = parser.error
    return [fields(frame) for frame in frames], None if error is None else (type(error).__name__, str(error))


@pytest.mark.parametrize("role", ROLES)
@given(data=st.data())
def test_same_frames_however_they_come(role: str, data: st.DataObject) -> None:
    plain, compiled = load_codec("python"), load_codec("cython")
    whole = data.draw(streams(role))
    limit = data.draw(st.sampled_from([0, 64, 1 << 20]))
    pieces = data.draw(cut(whole))
    want = split(plain, [whole], limit)
    for codec in (plain, compiled):
        assert split(codec, pieces, limit) == want
        assert split(codec, [whole[n : n + 1] for n in range(len(whole))], limit) == want
        assert through_memory(codec, whole, data.draw(st.integers(1, 500)), limit) == want


@pytest.mark.parametrize("size", [8, 16376, 16384, 16392, 65536, 300_000])
@pytest.mark.parametrize("kind", [0, 4, 5, 6, 20, 34, 14, 99])
def test_large_payloads_however_they_come(codec: ModuleType, size: int, kind: int) -> None:
    payload = bytes(n * 7 & 0xFF for n in range(size))
    head = struct.pack(">HHHHIIII", 1, 0xFFFF, kind, 0, 1, 2, size, size // 8)
    whole = head + payload + struct.pack(">HHHHII", 23, 0, 0, 0, 0, 0)
    want = split(load_codec("python"), [whole])
    assert [frame[1] for frame in want[0]] == [1, 23]
    assert want[0][0][-2] == (whole[:-16] if size >= 0xFFFF else want[0][0][-2])
    for step in (1000, 4096, 99_999):
        assert split(codec, [whole[n : n + step] for n in range(0, len(whole), step)]) == want
        assert through_memory(codec, whole, step) == want


@pytest.mark.parametrize("claim", [1 << 20, 1 << 30, 0xFFFFFFE8, 0xFFFFFFF0, 0xFFFFFFF8])
def test_claim_beyond_the_limit_takes_no_memory(codec: ModuleType, claim: int) -> None:
    parser = codec.StreamParser(table(codec), 65536)
    head = struct.pack(">HHHHIIII", 1, 0xFFFF, 6, 0, 1, 2, claim, claim // 8)
    tracemalloc.start()
    try:
        (frame,) = parser.feed(head)
        for _ in range(20):
            assert parser.feed(bytes(1000)) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 500_000
    assert (frame._payload_size, frame._data_count) == (claim, claim // 8)
    assert parser.bytes_needed == claim - 20_000


def resident() -> int:
    """Bytes of physical memory this process has."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("no /proc: resident memory is not known")
    return int(statm.read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("claim", [1 << 28, 0x80000000, 0xFFFFFFF0])
def test_memory_is_taken_as_data_arrives(codec: ModuleType, claim: int) -> None:
    """No limit is set for what a server may send, and still a mere claim costs nothing."""
    before = resident()
    parser = codec.StreamParser(table(codec), codec.MAX_PAYLOAD)
    assert parser.feed(struct.pack(">HHHHIIII", 1, 0xFFFF, 6, 0, 1, 2, claim, claim // 8)) == []
    for _ in range(20):
        assert parser.feed(bytes(10_000)) == []
    assert parser.bytes_needed == claim - 200_000
    assert resident() - before < 20_000_000


def test_large_payload_that_is_taken_as_it_arrives(codec: ModuleType) -> None:
    size = (1 << 24) + 800
    payload = bytes(range(256)) * (size // 256 + 1)
    whole = struct.pack(">HHHHIIII", 1, 0xFFFF, 20, 0, 1, 2, size, (size - 16) // 8) + payload[:size]
    parser = codec.StreamParser(table(codec), codec.MAX_PAYLOAD)
    frames = [frame for n in range(0, len(whole), 1 << 20) for frame in parser.feed(whole[n : n + (1 << 20)])]
    assert [bytes(frame) for frame in frames] == [whole]


@given(kept=st.lists(st.booleans(), min_size=8, max_size=8), slow=st.booleans())
def test_memory_of_a_large_payload_is_used_again_only_when_nobody_has_it(kept: list[bool], slow: bool) -> None:
    for name in CODEC_MODULES:
        codec = load_codec(name)
        parser = codec.StreamParser(table(codec), 1 << 24)
        frames, views = [], []
        for number, keep in enumerate(kept):
            head = struct.pack(">HHHHII", 1, 20_000, 4, 20_000, 1, 2)
            payload = bytes([number]) * 20_000
            step = 7_000 if slow else 30_000
            found = [frame for n in range(0, 20_016, step) for frame in parser.feed((head + payload)[n : n + step])]
            if keep:
                frames.append((found[0], number))
            else:
                views.append((memoryview(found[0]._payload)[:10], number))
                if number % 3:
                    views.pop()
            del found
        for frame, number in frames:
            assert bytes(frame)[16:] == bytes([number]) * 20_000
        for view, number in views:
            assert bytes(view) == bytes([number]) * 10


def test_memory_of_large_payloads_that_are_let_go_is_used_again(codec: ModuleType) -> None:
    parser = codec.StreamParser(table(codec), 1 << 24)
    message = struct.pack(">HHHHII", 1, 20_000, 4, 20_000, 1, 2) + bytes(20_000)
    homes = set()
    for _ in range(20):
        (frame,) = parser.feed(message)
        homes.add(id(frame._payload))
    assert len(homes) <= 3


def test_commands_are_in_no_cycle_and_not_looked_at(codec: ModuleType) -> None:
    """The collector passes over every tracked object: with 50 000 commands of a chunk that would cost more than all."""

    class WithMore(codec.Frame):  # type: ignore[misc,name-defined]
        pass

    plain = type("Plain", (codec.Frame,), {"__slots__": ()})
    parser = codec.StreamParser(codec.CommandTable({1: plain, 23: WithMore}, plain, frozenset({1})), 1 << 20)
    update, other = parser.feed(struct.pack(">HHHHII", 1, 8, 6, 1, 1, 2) + bytes(8) + bytes([0, 23]) + bytes(14))
    assert gc.is_tracked(other)
    assert gc.is_tracked(update) == (codec.NAME == "python")


def test_reports_about_memory_that_is_no_longer_offered_are_refused(codec: ModuleType) -> None:
    parser = codec.StreamParser(table(codec), 1 << 20)
    offered = len(parser.get_buffer())
    parser.feed(struct.pack(">HHHHII", 1, 20_000, 6, 2500, 1, 2))
    with pytest.raises(caproto.CaprotoValueError):
        parser.buffer_updated(offered)
    assert parser.bytes_needed == 20_000


def test_refused_payload_is_skipped_and_the_next_message_found(codec: ModuleType) -> None:
    parser = codec.StreamParser(table(codec), 1000)
    head = struct.pack(">HHHHII", 1, 2000, 6, 250, 1, 2)
    echo = struct.pack(">HHHHII", 23, 0, 0, 0, 0, 0)
    frames = parser.feed(head + bytes(2000) + echo)
    assert [frame._command for frame in frames] == [1, 23]


def test_nothing_of_a_chunk_stays_alive(codec: ModuleType) -> None:
    """Keep one update of a thousand: what is kept is that one."""
    message = struct.pack(">HHHHII", 1, 24, 20, 1, 1, 2) + bytes(24)
    parser = codec.StreamParser(table(codec), 1 << 20)
    parser.feed(message)
    tracemalloc.start()
    try:
        kept = [parser.feed(message * 1000)[500] for _ in range(50)]
        now, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == 50
    assert now < 100_000


@pytest.mark.parametrize("size", [2, 4, 8])
@given(data=st.data())
def test_swap(size: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.binary(min_size=size, max_size=size), max_size=40))
    offset = data.draw(st.integers(0, 9))
    whole = b"".join(values)
    want = b"".join(value[::-1] for value in values)
    for name in CODEC_MODULES:
        buffer = bytearray(offset) + bytearray(whole)
        load_codec(name).swap_inplace(memoryview(buffer)[offset:], size)
        assert bytes(buffer[offset:]) == want
        assert buffer[:offset] == bytes(offset)


def test_swap_of_every_length_up_to_a_few_vectors(codec: ModuleType) -> None:
    for size in (2, 4, 8):
        for count in range(70):
            whole = bytes(n * 11 & 0xFF for n in range(count * size))
            buffer = bytearray(whole)
            codec.swap_inplace(buffer, size)
            assert bytes(buffer) == b"".join(whole[n : n + size][::-1] for n in range(0, len(whole), size))


@pytest.mark.parametrize(("length", "size"), [(7, 2), (9, 8), (8, 3), (8, 0), (8, -1), (4, 8)])
def test_swap_refuses_the_same_things(length: int, size: int) -> None:
    texts = []
    for name in CODEC_MODULES:
        with pytest.raises(caproto.CaprotoValueError) as raised:
            load_codec(name).swap_inplace(bytearray(length), size)
        texts.append(str(raised.value))
    assert texts[0] == texts[1]


def test_swap_of_what_cannot_be_written(codec: ModuleType) -> None:
    with pytest.raises((TypeError, ValueError, BufferError)):
        codec.swap_inplace(bytes(8), 8)


@pytest.mark.parametrize("native", range(1, 7))
@given(
    values=st.lists(
        st.one_of(
            st.integers(-(2**33), 2**33),
            st.floats(),
            st.booleans(),
            st.none(),
            st.text(max_size=3),
            st.sampled_from([10**400, -1, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31]),
        ),
        max_size=4,
    )
)
def test_numbers_are_packed_or_refused_alike(native: int, values: list[Any]) -> None:
    outcomes = []
    for name in CODEC_MODULES:
        try:
            outcomes.append(load_codec(name).pack_numbers(b"12345678", native, values))
        except caproto.CaprotoError as error:
            outcomes.append((type(error).__name__, str(error)))
    assert outcomes[0] == outcomes[1]


@given(values=st.lists(st.binary(max_size=43), max_size=4), trim=st.booleans())
def test_strings_are_packed_and_unpacked_alike(values: list[bytes], trim: bool) -> None:
    outcomes = []
    for name in CODEC_MODULES:
        codec = load_codec(name)
        try:
            packed = codec.pack_strings(b"1234", values, trim)
            outcomes.append((packed, codec.unpack_strings(packed, 4, len(values))))
        except caproto.CaprotoError as error:
            outcomes.append((type(error).__name__, str(error)))
    assert outcomes[0] == outcomes[1]


def test_buffers_are_packed_alike() -> None:
    for size in (1, 2, 4, 8):
        for count in (0, 1, 5, 1000):
            data = bytes(n * 13 & 0xFF for n in range(size * count))
            packed = {
                (name, swap): load_codec(name).pack_buffer(b"12345678", data, size, swap)
                for name in CODEC_MODULES
                for swap in (True, False)
            }
            for swap in (True, False):
                assert packed["python", swap] == packed["cython", swap]
                assert len(packed["python", swap]) % 8 == 0


def test_buffer_updated_refuses_more_than_was_offered(codec: ModuleType) -> None:
    parser = codec.StreamParser(table(codec), 1 << 20)
    buffer = parser.get_buffer()
    with pytest.raises(caproto.CaprotoValueError):
        parser.buffer_updated(len(buffer) + 1)
    with pytest.raises(caproto.CaprotoValueError):
        parser.buffer_updated(-1)


def test_table_takes_command_classes_only(codec: ModuleType) -> None:
    with pytest.raises(caproto.CaprotoTypeError):
        codec.CommandTable({0: int}, codec.Frame, frozenset())


def public(tree: ast.Module) -> dict[str, ast.stmt]:
    return {
        node.name: node
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    }


@pytest.mark.parametrize("name", public(CONTRACT))
def test_module_keeps_the_contract(codec: ModuleType, name: str) -> None:
    """Every public name of ``_codec.pyi`` is there, with the same parameters."""
    node, thing = public(CONTRACT)[name], getattr(codec, name)
    if isinstance(node, ast.FunctionDef):
        assert parameters_of(thing) in (None, [arg.arg for arg in all_arguments(node)])
        return
    assert isinstance(node, ast.ClassDef)
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and not part.name.startswith("__"):
            assert hasattr(thing, part.name), f"{name}.{part.name}"


def all_arguments(node: ast.FunctionDef) -> list[ast.arg]:
    extra = [argument for argument in (node.args.vararg, node.args.kwarg) if argument is not None]
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, *extra]


def parameters_of(thing: Any) -> list[str] | None:
    try:
        return list(inspect.signature(thing).parameters)
    except ValueError:  # a compiled function without a signature
        return None


def test_both_modules_have_the_same_public_names() -> None:
    names = {
        name: {n for n in vars(load_codec(name)) if not n.startswith("_") and n in public(CONTRACT)}
        for name in CODEC_MODULES
    }
    assert names["python"] == names["cython"] == set(public(CONTRACT))
