"""Updates that the parser leaves in sinks are those that it returns without them, whole and in order."""

from __future__ import annotations

import gc
import itertools
import resource
import struct
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import caproto
from caproto import _backend, _wire
from tests import golden
from tests.conftest import CODEC_MODULES, load_codec
from tests.fuzz.strategies import cut, streams

EPOCH = 631152000
SUBSCRIPTIONS = (0, 1, 2, 70_000, 0xFFFFFFFF)
VALUE_OFFSETS = {6: 0, 13: 8, 20: 16, 0: 0, 14: 12, 11: 5, 18: 15, 15: 14, 1: 0}
ITEM_SIZES = {6: 8, 13: 8, 20: 8, 0: 40, 14: 40, 11: 1, 18: 1, 15: 2, 1: 2}
PLAIN_NAMES = ("_command", "_payload_size", "_data_type", "_data_count", "_parameter1", "_parameter2")


@pytest.fixture(scope="module", autouse=True)
def both_codecs_use_numpy() -> None:
    """The codec that the package did not choose is told of numpy here; the chosen one by the package."""
    _backend.ensure_backend()
    from caproto._enums import AlarmSeverity, AlarmStatus
    from caproto._numpy_backend import native_dtypes

    for name in CODEC_MODULES:
        codec = load_codec(name)
        if codec is _wire.codec:
            continue
        made = type("Metadata", (codec.MetadataBase,), {"__slots__": ()})
        codec.configure(
            metadata_class=made, statuses=tuple(AlarmStatus), severities=tuple(AlarmSeverity),
            mode="numpy", numpy=numpy, dtypes=native_dtypes(),
        )  # fmt: skip


TABLES: dict[str, Any] = {}


def table(codec: ModuleType, value_commands: tuple[int, ...] = (1, 3, 15)) -> Any:
    key = f"{codec.NAME}{value_commands}"
    if key not in TABLES:
        space = {"__slots__": (), "data": codec.data_field(), "metadata": codec.metadata_field()}
        made = {number: type(f"Command{number}", (codec.Frame,), space) for number in (*range(5), 6, *range(8, 28))}
        unknown = type("Unknown", (codec.Frame,), {"__slots__": ()})
        TABLES[key] = codec.CommandTable(made, unknown, frozenset(value_commands))
    return TABLES[key]


def update(subscription: int, data_type: int, count: int, payload: bytes, status: int = 1, command: int = 1) -> bytes:
    payload += bytes(-len(payload) % 8)
    if len(payload) >= 0xFFFF or count >= 0xFFFF:
        head = struct.pack(">HHHHII", command, 0xFFFF, data_type, 0, status, subscription)
        return head + struct.pack(">II", len(payload), count) + payload
    return struct.pack(">HHHHII", command, len(payload), data_type, count, status, subscription) + payload


def scalar(subscription: int, number: int) -> bytes:
    payload = struct.pack(">HHIIxxxxd", number % 20, number % 4, 1000 + number, number, number / 3)
    return update(subscription, 20, 1, payload)


def whole_update(parser: Any, message: bytes) -> Any:
    (frame,) = parser.feed(message)
    return frame


def describe(frame: Any) -> tuple[Any, ...]:
    return (type(frame).__name__, *(getattr(frame, name) for name in PLAIN_NAMES), bytes(frame))


def is_update(frame: Any) -> bool:
    """What the rule of the parser says, from the outside."""
    if frame._command != 1 or frame._parameter1 != 1 or frame._limit:
        return False
    try:
        _ = frame.data
    except caproto.CaprotoValueError:
        return False
    return True


def row_of(frame: Any) -> tuple[Any, ...]:
    """One update as the columns show it: count, values, time stamp, severity, status."""
    kind, count = frame._data_type, frame._data_count
    data = list(frame.data)
    raw = bytes(frame._wire_payload())
    status, severity = struct.unpack_from(">hh", raw) if 7 <= kind < 35 or kind == 37 else (None, None)
    stamp = None
    if 14 <= kind <= 20:
        seconds, nanoseconds = struct.unpack_from(">II", raw, 4)
        stamp = (seconds + EPOCH) * 10**9 + nanoseconds
    return (count, repr([v if isinstance(v, bytes) else v.item() for v in data]), stamp, severity, status)


def rows_of(sink: Any) -> list[tuple[Any, ...]]:
    """The rows of what `take` gives, one by one; checks shapes, types and memory on the way."""
    rows = []
    for count, values, stamps, severity, status in sink.take():
        number = len(values)
        assert values.shape == ((number,) if count == 1 else (number, count))
        assert values.dtype.isnative and values.flags.writeable and values.flags.c_contiguous
        for column, dtype in ((stamps, "int64"), (severity, "int16"), (status, "int16")):
            assert column is None or (column.shape == (number,) and column.dtype == dtype)
            assert column is None or column.flags.writeable
        for index in range(number):
            own = [values[index].item()] if count == 1 else values[index].tolist()
            rest = [None if column is None else column[index].item() for column in (stamps, severity, status)]
            rows.append((count, repr(own), *rest))
    return rows


# A stream in which sinks have something to do: sound and unsound updates of a few types, between anything else.
kinds = st.sampled_from(sorted(VALUE_OFFSETS))


@st.composite
def updates(draw: st.DrawFn) -> bytes:
    kind, count = draw(kinds), draw(st.integers(0, 3))
    size = VALUE_OFFSETS[kind] + count * ITEM_SIZES[kind] + draw(st.sampled_from([-9, -8, -1, 0, 0, 0, 0, 1, 8]))
    payload = draw(st.binary(min_size=max(0, size), max_size=max(0, size)))
    status = draw(st.sampled_from([1, 1, 1, 1, 0, 400]))
    command = draw(st.sampled_from([1, 1, 1, 1, 1, 3, 15]))
    return update(draw(st.sampled_from(SUBSCRIPTIONS)), kind, count, payload, status, command)


@st.composite
def large_updates(draw: st.DrawFn) -> bytes:
    kind, size = draw(kinds), draw(st.sampled_from([16384, 16392, 70_000]))
    count = draw(st.sampled_from([0, 1, (size - 16) // ITEM_SIZES[kind], size]))
    seed = draw(st.binary(min_size=7, max_size=7))
    return update(draw(st.sampled_from(SUBSCRIPTIONS)), kind, count, (seed * (size // 7 + 1))[:size])


mixed = st.lists(st.one_of(updates(), updates(), updates(), large_updates(), streams("server")), max_size=12).map(
    b"".join
)


def run(codec: ModuleType, pieces: list[bytes], sinks: dict[int, Any], through_memory: bool = False) -> tuple[Any, ...]:
    """What is returned, and what the parser says about it."""
    parser = codec.StreamParser(table(codec), 100_000)
    for number, sink in sinks.items():
        parser.sinks[number] = sink
    returned = []
    for piece in pieces:
        view = memoryview(piece)
        try:
            if not through_memory:
                returned += parser.feed(piece)
                continue
            while view:
                buffer = parser.get_buffer()
                size = min(len(view), len(buffer))
                buffer[:size] = view[:size]
                returned += parser.buffer_updated(size)
                view = view[size:]
        except caproto.CaprotoError:
            break
    assert len({id(sink) for sink in parser.touched}) == len(parser.touched)
    assert all(sink.waiting and len(sink) for sink in parser.touched)
    assert sum(len(sink) > 0 for sink in sinks.values()) == len(parser.touched)
    return returned, None if parser.error is None else str(parser.error)


def expected(codec: ModuleType, whole: bytes, types: dict[int, int]) -> tuple[Any, Any, Any]:
    """From a parser without sinks: what stays in the list, what each sink gets, and the error."""
    frames, error = run(codec, [whole], {})
    stays, goes = [], {number: [] for number in types}
    for frame in frames:
        if is_update(frame) and types.get(frame._parameter2) == frame._data_type and holds_metadata(frame):
            goes[frame._parameter2].append(frame)
        else:
            stays.append(describe(frame))
    return stays, goes, error


def holds_metadata(frame: Any) -> bool:
    return len(frame._payload) >= VALUE_OFFSETS[frame._data_type]


assignments = st.dictionaries(st.sampled_from(SUBSCRIPTIONS), kinds, max_size=4)


@given(data=st.data())
def test_inboxes_get_what_a_parser_without_them_returns(data: st.DataObject) -> None:
    whole, types = data.draw(mixed), data.draw(assignments)
    pieces, through_memory = data.draw(cut(whole)), data.draw(st.booleans())
    for name in CODEC_MODULES:
        codec = load_codec(name)
        stays, goes, error = expected(codec, whole, types)
        sinks = {number: codec.Inbox(kind) for number, kind in types.items()}
        returned, said = run(codec, pieces, sinks, through_memory)
        assert said == error
        assert [describe(frame) for frame in returned] == stays
        for number, sink in sinks.items():
            assert all(frame._done for frame in sink.items)
            assert [describe(frame) for frame in sink.take()] == [describe(frame) for frame in goes[number]]


@given(data=st.data())
def test_columns_hold_the_same_values_stamps_and_alarms(data: st.DataObject) -> None:
    whole, types = data.draw(mixed), data.draw(assignments)
    pieces, through_memory = data.draw(cut(whole)), data.draw(st.booleans())
    keep = data.draw(st.integers(-1, 5))
    outcomes = []
    for name in CODEC_MODULES:
        codec = load_codec(name)
        stays, goes, error = expected(codec, whole, types)
        sinks = {number: codec.Columns(kind) for number, kind in types.items()}
        returned, said = run(codec, pieces, sinks, through_memory)
        assert said == error
        assert [describe(frame) for frame in returned] == stays
        outcomes.append([sink.nbytes for sink in sinks.values()])
        for number, sink in sinks.items():
            want = [row_of(frame) for frame in goes[number]]
            assert len(sink) == len(want)
            if keep >= 0:
                assert sink.trim(keep) == max(0, len(want) - keep)
                want = want[max(0, len(want) - keep) :]
            outcomes[-1].append(sink.nbytes)
            assert rows_of(sink) == want
            assert (len(sink), sink.nbytes, sink.waiting) == (0, 0, False)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("vector", [v for v in golden.tcp("server") if v.decoded["command"] == 1], ids=str)
def test_recorded_updates(codec: ModuleType, vector: golden.Vector) -> None:
    head = vector.decoded
    plain = codec.StreamParser(table(codec), 1 << 24).feed(vector.wire * 3)
    inbox, columns = codec.Inbox(head["data_type"]), codec.Columns(head["data_type"])
    parsers = [codec.StreamParser(table(codec), 1 << 24) for _ in range(2)]
    for parser, sink in zip(parsers, (inbox, columns), strict=True):
        parser.sinks[head["parameter2"]] = sink
    left = [[describe(frame) for frame in parser.feed(vector.wire * 3)] for parser in parsers]
    complete = head["payload_size"] or not (head["data_count"] or head["data_type"] > 6)
    if head["parameter1"] != 1 or not complete:
        assert left == [[describe(frame) for frame in plain]] * 2
        return
    assert left == [[], []]
    assert [describe(frame) for frame in inbox.items] == [describe(frame) for frame in plain]
    assert rows_of(columns) == [row_of(frame) for frame in plain]


def parser_with(codec: ModuleType, sinks: dict[int, Any]) -> Any:
    parser = codec.StreamParser(table(codec), 1 << 24)
    for number, sink in sinks.items():
        parser.sinks[number] = sink
    return parser


@pytest.mark.parametrize("number", SUBSCRIPTIONS)
def test_a_removed_sink_gets_nothing_more(codec: ModuleType, number: int) -> None:
    inbox = codec.Inbox(20)
    parser = parser_with(codec, {number: inbox})
    parser.feed(scalar(number, 0))
    assert parser.sinks.pop(number) is inbox
    assert len(parser.feed(scalar(number, 1))) == 1
    parser.sinks[number] = other = codec.Inbox(20)
    assert parser.feed(scalar(number, 2)) == []
    del parser.sinks[number]
    assert len(parser.feed(scalar(number, 3))) == 1
    assert (len(inbox), len(other)) == (1, 1)


def test_a_replaced_sink_gets_nothing_more(codec: ModuleType) -> None:
    for number in SUBSCRIPTIONS:
        first, second = codec.Inbox(20), codec.Columns(20)
        parser = parser_with(codec, {number: first})
        parser.feed(scalar(number, 0))
        parser.sinks[number] = second
        parser.feed(scalar(number, 1))
        assert (len(first), len(second)) == (1, 1)


def test_sinks_are_a_mapping(codec: ModuleType) -> None:
    sinks, inbox = codec.Sinks(), codec.Inbox(20)
    sinks[5] = inbox
    assert sinks[5] is inbox and sinks.get(5) is inbox and 5 in sinks and list(sinks) == [5] and len(sinks) == 1
    assert sinks.get(6) is None and sinks.get(6, 1) == 1 and sinks.pop(6) is None and sinks.pop(6, 2) == 2
    with pytest.raises(KeyError):
        del sinks[6]
    with pytest.raises(KeyError):
        _ = sinks[6]


@pytest.mark.parametrize("number", [-1, 1 << 32, 1.5, "1", None])
def test_what_is_no_id_is_refused(number: Any) -> None:
    texts = set()
    for name in CODEC_MODULES:
        codec = load_codec(name)
        with pytest.raises(caproto.CaprotoValueError) as raised:
            codec.Sinks()[number] = codec.Inbox(20)
        with pytest.raises(caproto.CaprotoValueError) as popped:
            codec.Sinks().pop(number)
        texts |= {str(raised.value), str(popped.value)}
    assert len(texts) == 1


def test_what_is_no_sink_is_refused() -> None:
    texts = set()
    for name in CODEC_MODULES:
        with pytest.raises(caproto.CaprotoTypeError) as raised:
            load_codec(name).Sinks()[1] = []
        texts.add(str(raised.value))
    assert len(texts) == 1


@pytest.mark.parametrize("data_type", [-1, 39, 1 << 16, "x", None])
@pytest.mark.parametrize("kind", ["Inbox", "Columns"])
def test_what_is_no_type_is_refused(kind: str, data_type: Any) -> None:
    texts = set()
    for name in CODEC_MODULES:
        with pytest.raises(caproto.CaprotoValueError) as raised:
            getattr(load_codec(name), kind)(data_type)
        texts.add(str(raised.value))
    assert len(texts) == 1


def test_touched_is_a_list(codec: ModuleType) -> None:
    with pytest.raises(caproto.CaprotoTypeError):
        parser_with(codec, {}).touched = None


@pytest.mark.parametrize("kind", ["Inbox", "Columns"])
def test_a_sink_is_touched_once_until_taken(codec: ModuleType, kind: str) -> None:
    sink = getattr(codec, kind)(20)
    parser = parser_with(codec, {3: sink})
    for number in range(3):
        parser.feed(scalar(3, number) * 2)
        assert parser.touched == [sink] and sink.waiting
    assert len(sink) == 6
    parser.touched = []
    parser.feed(scalar(3, 4))
    assert parser.touched == []
    sink.take()
    assert not sink.waiting
    parser.feed(scalar(3, 5))
    assert parser.touched == [sink] and len(sink) == 1


@pytest.mark.parametrize("kind", ["Inbox", "Columns"])
def test_push_says_whether_the_sink_slept(codec: ModuleType, kind: str) -> None:
    sink = getattr(codec, kind)(20)
    frames = parser_with(codec, {}).feed(scalar(0, 1) * 2)
    assert [sink.push(frame) for frame in frames] == [True, False]
    assert len(sink) == 2 and sink.waiting
    sink.take()
    assert sink.push(frames[0]) is True


def test_empty_updates_stay_between_the_others(codec: ModuleType) -> None:
    """A plain type without elements has no payload at all."""
    full, empty = update(1, 6, 1, struct.pack(">d", 2.5)), update(1, 6, 0, b"")
    inbox, columns = codec.Inbox(6), codec.Columns(6)
    for sink in (inbox, columns):
        assert parser_with(codec, {1: sink}).feed(full + empty + full + empty + empty) == []
    assert [list(frame.data) for frame in inbox.take()] == [[2.5], [], [2.5], [], []]
    assert [(run[0], run[1].size) for run in columns.take()] == [(1, 1), (0, 0), (1, 1), (0, 0)]


def test_pushed_and_parsed_updates_are_in_one_order(codec: ModuleType) -> None:
    sink = codec.Columns(20)
    parser = parser_with(codec, {1: sink})
    large = update(2, 20, 3000, bytes(16) + struct.pack(">3000d", *range(3000)))
    sink.push(parser.feed(scalar(2, 0))[0])
    parser.feed(scalar(1, 1))
    sink.push(parser.feed(large)[0])
    parser.feed(scalar(1, 2))
    runs = sink.take()
    assert [(run[0], run[1].shape) for run in runs] == [(1, (2,)), (3000, (1, 3000)), (1, (1,))]
    assert runs[1][1].tolist() == [list(map(float, range(3000)))]
    assert [round(value * 3) for run in (runs[0], runs[2]) for value in run[1]] == [0, 1, 2]


@pytest.mark.parametrize(
    "message",
    [update(0, 20, 2, bytes(24)), update(0, 13, 1, bytes(16)), update(0, 20, 0, b"")],
    ids=["short", "other type", "empty"],
)
def test_columns_refuse_what_is_no_row(message: bytes) -> None:
    texts = set()
    for name in CODEC_MODULES:
        codec = load_codec(name)
        sink = codec.Columns(20)
        with pytest.raises(caproto.CaprotoValueError) as raised:
            sink.push(whole_update(parser_with(codec, {}), message))
        assert len(sink) == 0 and not sink.waiting
        texts.add(str(raised.value))
    assert len(texts) == 1


def test_no_sinks_on_the_side_of_a_server(codec: ModuleType) -> None:
    """EVENT_ADD from a client is a subscription, not an update."""
    inbox = codec.Inbox(20)
    parser = codec.StreamParser(table(codec, (4, 19)), 1 << 24)
    parser.sinks[3] = inbox
    assert len(parser.feed(scalar(3, 1))) == 1
    assert len(inbox) == 0


def test_subclasses_are_filled_without_their_methods(codec: ModuleType) -> None:
    class Mine(codec.Inbox):  # type: ignore[misc,name-defined]
        def __init__(self, owner: str) -> None:
            super().__init__(20)
            self.owner = owner

        def push(self, frame: Any) -> bool:
            raise AssertionError("the parser pushes by itself")

    class Rows(codec.Columns):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            """Forgets to call the base class."""

    mine, rows = Mine("me"), Rows()
    parser = parser_with(codec, {1: mine, 2: rows})
    left = parser.feed(scalar(1, 1) + scalar(2, 2) + update(2, 0, 1, b"text\0"))
    assert [frame._data_type for frame in left] == [20]
    assert len(mine.take()) == 1
    assert rows.take()[0][1].tolist() == [b"text"]


def test_a_second_init_starts_anew(codec: ModuleType) -> None:
    sink = codec.Columns(20)
    parser = parser_with(codec, {1: sink})
    parser.feed(scalar(1, 1))
    sink.__init__(6)
    assert len(sink) == 0
    parser.feed(update(1, 6, 1, struct.pack(">d", 2.5)))
    assert sink.take()[0][1].tolist() == [2.5]


def test_cycles_of_sinks_are_collected(codec: ModuleType) -> None:
    class Mine(codec.Inbox):  # type: ignore[misc,name-defined]
        gone = 0

        def __del__(self) -> None:
            type(self).gone += 1

    for number in SUBSCRIPTIONS:
        mine = Mine(20)
        parser = parser_with(codec, {number: mine})
        parser.feed(scalar(number, 1))
        mine.parser = parser
        del mine, parser
    gc.collect()
    assert Mine.gone == len(SUBSCRIPTIONS)


def test_trim_keeps_the_newest(codec: ModuleType) -> None:
    for kind in ("Inbox", "Columns"):
        sink = getattr(codec, kind)(20)
        parser = parser_with(codec, {1: sink})
        for number in range(100):
            parser.feed(scalar(1, number))
            sink.trim(7)
        assert len(sink) == 7
        assert sink.trim(10**30) == 0 and sink.trim(5) == 2 and sink.trim(-3) == 5 and sink.trim(0) == 0
    with pytest.raises(TypeError):
        codec.Columns(20).trim("1")


@pytest.mark.parametrize("way", ["trim", "take"])
def test_what_was_taken_or_trimmed_takes_no_memory(codec: ModuleType, way: str) -> None:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("no /proc: resident memory is not known")
    sink = codec.Columns(20)
    parser = parser_with(codec, {1: sink})
    chunk = scalar(1, 1) * 1000

    def resident() -> int:
        return int(statm.read_text().split()[1]) * resource.getpagesize()

    parser.feed(chunk)
    before = resident()
    for _ in range(2000 if codec.NAME == "cython" else 300):
        parser.feed(chunk)
        sink.trim(1500)
        assert (len(sink), sink.nbytes) == (1500, 1500 * 24 + 64)
        if way == "take":
            assert len(sink.take()[0][1]) == 1500
            parser.touched.clear()
            parser.feed(chunk)
    assert resident() - before < 4_000_000


def test_large_rows_share_their_memory_with_nobody_else(codec: ModuleType) -> None:
    sink = codec.Columns(6)
    message = update(1, 6, 4000, struct.pack(">4000d", *range(4000)))
    parser = parser_with(codec, {1: sink})
    assert parser.feed(message + message) == []
    first, second = sink.take()
    assert first[1].shape == (1, 4000) and first[2:] == (None, None, None)
    first[1][0, 0] = 99
    assert second[1][0, 0] == 0
    parser.feed(message)
    assert first[1][0, :3].tolist() == [99.0, 1.0, 2.0]


@pytest.mark.parametrize("mode", ["array", "custom"])
def test_columns_without_numpy(codec: ModuleType, mode: str) -> None:
    from caproto._array_backend import Array
    from caproto._numpy_backend import native_dtypes

    def convert(wire: bytes, dbr: int, count: int) -> list[Any]:
        return [dbr, count, *wire]

    codec.configure(mode=mode, array_class=Array, convert=convert)
    try:
        sink, texts = codec.Columns(15), codec.Columns(0)
        parser = parser_with(codec, {1: sink, 2: texts})
        payload = struct.pack(">hhIIxx3h", 3, 2, 5, 7, 1, -2, 300)
        parser.feed(update(1, 15, 3, payload) * 2 + update(2, 0, 1, b"ab\0x") + update(2, 0, 2, b"c".ljust(40, b"\0")))
        ((count, values, stamps, severity, status),) = sink.take()
        assert count == 3
        if mode == "array":
            assert (type(values).__name__, values.typecode, values.tolist()) == ("Array", "h", [1, -2, 300] * 2)
        else:
            assert values == [[15, 3, 0, 1, 255, 254, 1, 44]] * 2
        assert (stamps.typecode, stamps.tolist()) == ("q", [(EPOCH + 5) * 10**9 + 7] * 2)
        assert (severity.typecode, severity.tolist(), status.tolist()) == ("h", [2, 2], [3, 3])
        assert [run[:2] for run in texts.take()] == [(1, [b"ab"])]
    finally:
        codec.configure(mode="numpy", numpy=numpy, dtypes=native_dtypes())


def test_framing_lost_behind_a_delivery_is_said_with_the_next_bytes(codec: ModuleType) -> None:
    """As with frames that are returned: what came whole is not lost with what came after it."""
    sink = codec.Inbox(20)
    parser = parser_with(codec, {1: sink})
    broken = struct.pack(">HHHHII", 1, 7, 20, 1, 1, 1)
    assert parser.feed(scalar(1, 1) + broken) == []
    assert len(sink) == 1 and parser.touched == [sink]
    with pytest.raises(caproto.RemoteProtocolError):
        parser.feed(b"")


def test_interleaved_ids_keep_their_order(codec: ModuleType) -> None:
    sinks = {number: codec.Inbox(20) for number in SUBSCRIPTIONS}
    parser = parser_with(codec, sinks)
    order = list(itertools.islice(itertools.cycle(SUBSCRIPTIONS), 50))
    parser.feed(b"".join(scalar(number, index) for index, number in enumerate(order)))
    for number, sink in sinks.items():
        assert [frame.metadata.nanoSeconds for frame in sink.take()] == [
            index for index, owner in enumerate(order) if owner == number
        ]
    assert parser.touched == list(sinks.values())
