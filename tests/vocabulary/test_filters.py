"""Channel names taken apart, filters, and the JSON they are written in."""

from __future__ import annotations

import json
import math
import re
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caproto._errors import CaprotoValueError
from caproto._filters import (
    ArrayFilter,
    ChannelFilter,
    DeadbandFilter,
    RecordAndField,
    RecordModifier,
    RecordModifiers,
    SyncFilter,
    apply_arr_filter,
    parse_channel_filter,
    parse_record_field,
)
from caproto._json5 import parse_json5

LONG, FILTERED = RecordModifiers.long_string, RecordModifiers.filtered
NOTHING = ChannelFilter(None, None, None, None)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("name", "record", "field", "modifiers", "filters"),
    [
        ("rec", "rec", None, None, None),
        ("rec.", "rec", None, None, None),
        ("rec.EGU", "rec", "EGU", None, None),
        ("rec.NAME$", "rec", "NAME", LONG, None),
        ("rec.$", "rec", None, LONG, None),
        ("rec.[0:2]", "rec", None, FILTERED, "[0:2]"),
        ("rec.VAL[1]{ts:{}}", "rec", "VAL", FILTERED, "[1]{ts:{}}"),
        ('rec.{"dbnd":{"abs":1.5}}', "rec", None, FILTERED, '{"dbnd":{"abs":1.5}}'),
        ("rec.DESC$[0:3]", "rec", "DESC", LONG | FILTERED, "[0:3]"),
        ("XF{Mtr-Ax:X}Pos[1].RBV", "XF{Mtr-Ax:X}Pos[1]", "RBV", None, None),
        ("rec$", "rec$", None, None, None),
        ("rec.VAL$x", "rec", "VAL$x", None, None),
        ("", "", None, None, None),
    ],
)
def test_record_field(
    name: str, record: str, field: str | None, modifiers: RecordModifiers | None, filters: str | None
) -> None:
    parsed = parse_record_field(name)
    expected = None if modifiers is None else RecordModifier(modifiers, filters)
    assert (parsed.record, parsed.field, parsed.modifiers) == (record, field, expected)


@given(st.text())
def test_any_name_can_be_taken_apart(name: str) -> None:
    parsed = parse_record_field(name)
    assert isinstance(parsed, RecordAndField)
    assert parsed.record == name.split(".")[0]
    again = parsed.record_dot_field
    if parsed.modifiers is not None:
        again += "." if parsed.field is None else ""
        again += "$" if LONG in parsed.modifiers.modifiers else ""
        again += parsed.modifiers.filter_ or ""
    assert again == (name[:-1] if name.partition(".")[2] == "" and name.endswith(".") else name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", NOTHING),
        ("{}", NOTHING),
        ('{"ts":{}}', NOTHING._replace(ts=True)),
        ('{"dbnd":{"abs":1.5}}', NOTHING._replace(dbnd=DeadbandFilter("abs", 1.5))),
        ('{"dbnd":{"rel":10}}', NOTHING._replace(dbnd=DeadbandFilter("rel", 10.0))),
        ('{"dbnd":{"d":1.5,"m":"rel"}}', NOTHING._replace(dbnd=DeadbandFilter("rel", 1.5))),
        ('{"dbnd":{"d":2}}', NOTHING._replace(dbnd=DeadbandFilter("abs", 2.0))),
        ('{"arr":{"s":1,"i":2,"e":-3}}', NOTHING._replace(arr=ArrayFilter(1, 2, -3))),
        ('{"arr":{}}', NOTHING._replace(arr=ArrayFilter(0, 1, -1))),
        ('{"arr":{"s":"3","e":4.0}}', NOTHING._replace(arr=ArrayFilter(3, 1, 4))),
        ('{"sync":{"while":"blue"}}', NOTHING._replace(sync=SyncFilter("while", "blue"))),
        ('{"sync":{"m":"after","s":"red"}}', NOTHING._replace(sync=SyncFilter("after", "red"))),
        (
            "{dbnd:{abs:.5},'arr':{s:+2,},}",
            NOTHING._replace(dbnd=DeadbandFilter("abs", 0.5), arr=ArrayFilter(2, 1, -1)),
        ),
        ("[3]", NOTHING._replace(arr=ArrayFilter(3, 1, 3))),
        ("[-2]", NOTHING._replace(arr=ArrayFilter(-2, 1, -2))),
        ("[1:4]", NOTHING._replace(arr=ArrayFilter(1, 1, 4))),
        ("[:4]", NOTHING._replace(arr=ArrayFilter(0, 1, 4))),
        ("[1:]", NOTHING._replace(arr=ArrayFilter(1, 1, -1))),
        ("[1:3:9]", NOTHING._replace(arr=ArrayFilter(1, 3, 9))),
        ("[:2:]", NOTHING._replace(arr=ArrayFilter(0, 2, -1))),
        ("[0:3]{ts:{}}", NOTHING._replace(arr=ArrayFilter(0, 1, 3), ts=True)),
    ],
)
def test_channel_filter(text: str, expected: ChannelFilter) -> None:
    assert parse_channel_filter(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{", "[", "[]", "[1:2:3:4]", "[a]", "[1:0:3]", "[1][2]", "7", '"ts"', "[1,2]", "{}{}", "ts:{}",
        '{"ts":1}', '{"ts":{"num":"dbl"}}', '{"dec":{"n":10}}', '{"foo":{}}', '{"arr":{"i":0}}',
        '{"arr":{"x":1}}',
        '{"arr":{"s":"x"}}', '{"arr":{"s":1.5}}', '{"arr":{"s":true}}', '{"arr":{"s":null}}', '[1]{"arr":{}}',
        '{"dbnd":{"abs":"x"}}', '{"dbnd":{"abs":true}}', '{"dbnd":{"abs":1,"rel":2}}',
        '{"dbnd":{"d":1,"m":"x"}}',
        '{"dbnd":{"abs":NaN}}', '{"dbnd":{"abs":[1]}}',
        '{"sync":{}}', '{"sync":{"while":1}}', '{"sync":{"while":""}}', '{"sync":{"m":"never","s":"x"}}',
        '{"sync":{"while":"a","after":"b"}}', '{"ts":{},"ts":{}}',
    ],
)  # fmt: skip
def test_bad_filter_is_quoted_in_the_error(text: str) -> None:
    with pytest.raises(CaprotoValueError, match=re.escape(repr(text))):
        parse_channel_filter(text)


@given(st.text() | st.text("[]{}:,\"'0123456789-+.eExaNInfity tsarrdbn"))
def test_any_text_is_a_filter_or_our_error(text: str) -> None:
    try:
        assert isinstance(parse_channel_filter(text), ChannelFilter)
    except CaprotoValueError:
        pass


def by_the_book(count: int, start: int, step: int, end: int) -> list[int]:
    """The indices that count from `start` to `end`, one by one, both moved into the array."""
    first = start if start >= 0 else max(0, count + start)
    last = end if end >= 0 else max(0, count + end)
    return [index for index in range(first, last + 1) if index < count and (index - first) % step == 0]


@given(st.integers(0, 12), st.integers(-15, 15), st.integers(1, 5), st.integers(-15, 15))
def test_array_filter_counts_both_ends(count: int, start: int, step: int, end: int) -> None:
    values = list(range(count))
    assert apply_arr_filter(ArrayFilter(start, step, end), values) == by_the_book(count, start, step, end)


@pytest.mark.parametrize("values", [5, 2.5, "text", None])
def test_array_filter_leaves_scalars_alone(values: Any) -> None:
    assert apply_arr_filter(ArrayFilter(1, 1, -1), values) is values


def test_array_filter_keeps_the_kind_of_array() -> None:
    window = ArrayFilter(1, 1, -2)
    assert apply_arr_filter(window, array("d", [1, 2, 3, 4])) == array("d", [2, 3])
    assert apply_arr_filter(window, b"abcd") == b"bc"
    assert apply_arr_filter(window, (1, 2, 3)) == (2,)
    assert apply_arr_filter(ArrayFilter(3, 1, 1), [1, 2, 3, 4]) == []
    values = [1, 2]
    assert apply_arr_filter(None, values) is values


def test_array_filter_on_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    got = apply_arr_filter(ArrayFilter(-3, 2, -1), numpy.arange(6))
    assert got.tolist() == [3, 5]
    scalar = numpy.array(7)
    assert apply_arr_filter(ArrayFilter(0, 1, -1), scalar) is scalar


@given(json_values, st.sampled_from([None, 1]))
def test_reads_all_json_that_python_writes(value: Any, indent: int | None) -> None:
    assert parse_json5(json.dumps(value, indent=indent)) == value
    assert parse_json5(json.dumps(value, ensure_ascii=False)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a:1,$b_2:'x',}", {"a": 1, "$b_2": "x"}),
        (" [ 1 , 2 , ] ", [1, 2]),
        ("'it\\'s \\u0041\\x42\\n'", "it's AB\n"),
        ("0x1F", 31),
        ("-0x10", -16),
        ("+7", 7),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5e3", -1500.0),
        ("-Infinity", -math.inf),
        ("'a\\\nb'", "ab"),
        ("/* x */ [1, // one\n 2 /**/] //", [1, 2]),
        ("'// no comment'", "// no comment"),
    ],
)
def test_json5_beyond_json(text: str, value: Any) -> None:
    got = parse_json5(text)
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tru",
        "nulls",
        "{a}",
        "{a:}",
        "{a:1 b:2}",
        "[1 2]",
        "'a",
        "'a\n'",
        "01x",
        "1 2",
        "{a:1,a:2}",
        "[,]",
        "1 /* x",
        "1 / 2",
        "--1",
        "\\",
    ],
)
def test_what_is_no_json5(text: str) -> None:
    with pytest.raises(CaprotoValueError, match=re.escape(repr(text))):
        parse_json5(text)


def test_hostile_texts_end_soon() -> None:
    for text in ("[" * 5000, "{a:" * 5000, "'" + "\\x" * 30000, "[" + "1," * 30000):
        with pytest.raises(CaprotoValueError):
            parse_json5(text)
    assert parse_json5("1" * 60000) == math.inf
    with pytest.raises(CaprotoValueError, match="longer than"):
        parse_json5(" " * 100000)
