"""Values become other types as in EPICS Base: a real IOC and ours convert the same."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from caproto import (
    CaprotoValueError,
    ChannelByte,
    ChannelChar,
    ChannelDouble,
    ChannelEnum,
    ChannelFloat,
    ChannelInteger,
    ChannelShort,
    ChannelString,
    ChannelType,
)
from tests.isolation import free_port, process_environment, search
from tests.server_framework.layer import run

HERE = Path(__file__).parent
DATABASE = "".join(
    f'record(waveform, "c:{name}") {{ field(FTVL, "{kind}") field(NELM, "500") }}\n'
    for name, kind in (("d", "DOUBLE"), ("f", "FLOAT"), ("l", "LONG"), ("s", "SHORT"), ("c", "UCHAR"))
)
CLASSES: dict[str, Any] = {"c:f": ChannelFloat, "c:l": ChannelInteger, "c:s": ChannelShort, "c:c": ChannelByte}
PRECISIONS = (0, 1, 3, 6, 8, 9, 17, 30)
ODD = [0.5, 1.5, 2.5, -0.5, -1.5, 0.125, -0.4, 0.0, -0.0, 0.9995, 9.9999999, 1e7, 9999999.5, 1.00000001e7, 1e8, 1e15]
ODD += [1e16, 1.1e16, -1e17, 3e9, -3e9, 70000.7, 300.0, 255.9, -129.0, 1e10, 2147483647.5, -2147483648.5, 9.3e18]
ODD += [1e39, -1e39, 1e300, -1e300, 1e-40, -1e-300, float("inf"), float("-inf"), float("nan"), 123456789.125]
TEXTS = [
    "10",
    "010",
    "08",
    "0x1F",
    "-0x10",
    "+4",
    "  7 ",
    "\t7",
    "7 mm",
    "1.7",
    "-1.9",
    "1e3",
    ".5",
    "5.",
    "abc",
    "-",
    ".",
]
TEXTS += [
    "0x",
    "1e",
    "1_0",
    "1,5",
    "inf",
    "-INFINITY",
    "nan",
    "1e308",
    "1e309",
    "-1e309",
    "1e-400",
    "0x1p3",
    "+-5",
    "0e5",
]
TEXTS += ["2147483647", "2147483648", "-2147483648", "-2147483649", "99999999999999999999", "TRUE", "0x1.8"]


def numbers() -> list[float]:
    draw = random.Random(1)
    values = [round(draw.uniform(-100, 100), draw.randrange(7)) for _ in range(150)]
    values += [draw.uniform(-1, 1) * 10 ** draw.uniform(-12, 20) for _ in range(200)]
    return ODD + values


@pytest.fixture(scope="module")
def epics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("ioc")
    (folder / "c.db").write_text(DATABASE)
    environment = process_environment(free_port(), free_port())
    port = int(environment["EPICS_CA_SERVER_PORT"])
    interop = HERE.parent / "interop"
    with open(folder / "output.txt", "w+") as output:
        ioc = subprocess.Popen(
            [sys.executable, str(interop / "run_ioc.py"), str(folder / "c.db"), str(interop / "ioc.acf")],
            stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, env=environment,
        )  # fmt: skip
        try:
            assert search("c:d", port, 20.0), (folder / "output.txt").read_text()
            done = subprocess.run(
                [sys.executable, str(HERE / "convert.py")],
                input=json.dumps([numbers(), TEXTS, PRECISIONS]), capture_output=True, text=True, timeout=60,
                env=environment, check=False,
            )  # fmt: skip
        finally:
            ioc.kill()
            ioc.communicate(timeout=10)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def told(data: Any, number: int) -> list[Any]:
    """What a client reads as one of the native types."""
    return list(run(data.read(ChannelType(number)))[1])


def same(ours: list[Any], theirs: list[Any]) -> list[Any]:
    """Where two lists differ; no number equals no number."""
    assert len(ours) == len(theirs)
    return [pair for pair in zip(ours, theirs, strict=True) if repr(pair[0]) != repr(pair[1])]


def singles(values: list[float]) -> list[float]:
    import array

    return array.array("f", values).tolist()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_real_numbers_become_the_same_text(epics: dict[str, Any], precision: int) -> None:
    data = ChannelDouble(value=numbers(), precision=precision)
    assert same([text.decode() for text in told(data, 0)], epics[str(precision)]) == []
    stored = ChannelFloat(value=[float(value) for value in epics["stored"]], precision=precision)
    assert same([text.decode() for text in told(stored, 0)], epics["single"][str(precision)]) == []


@pytest.mark.parametrize("kind", ["list", "numpy"])
@pytest.mark.parametrize("number", range(1, 7))
def test_real_numbers_become_the_same_numbers(epics: dict[str, Any], number: int, kind: str) -> None:
    values: Any = numbers()
    if kind == "numpy":
        values = pytest.importorskip("numpy").array(values)
    ours = [getattr(value, "item", lambda value=value: value)() for value in told(ChannelDouble(value=values), number)]
    assert same(singles(ours) if number == 2 else ours, epics["as"][str(number)]) == []


@pytest.mark.parametrize("name", CLASSES)
def test_puts_of_real_numbers_store_the_same(epics: dict[str, Any], name: str) -> None:
    data = CLASSES[name](value=[0] * 500)
    run(data.write_from_dbr(numbers(), ChannelType.DOUBLE, None))
    ours = told(data, int(data.data_type))
    assert same(singles(ours) if name == "c:f" else ours, epics["put"][name][: len(ours)]) == []
    assert not any(epics["put"][name][len(ours) :])  # ChannelByte drops zeros at the end


@pytest.mark.parametrize(("name", "cls"), [("c:d", ChannelDouble), ("c:l", ChannelInteger)])
def test_puts_of_texts_store_the_same_or_are_refused(epics: dict[str, Any], name: str, cls: Any) -> None:
    for text, theirs in zip(TEXTS, epics["text"][name], strict=True):
        data = cls(value=1)
        if theirs is None:
            with pytest.raises(CaprotoValueError):
                run(data.write_from_dbr([text.encode()], ChannelType.STRING, None))
        else:
            run(data.write_from_dbr([text.encode()], ChannelType.STRING, None))
            assert repr(float(data.value)) == repr(float(theirs)), text


@pytest.mark.parametrize("value", [1e300, 10**30, [1e300, -1e300]])
def test_a_float_can_hold_whatever_is_written(value: Any) -> None:
    data = ChannelFloat(value=[0.0] if isinstance(value, list) else 0.0, max_length=2 if isinstance(value, list) else 1)
    run(data.write(value))
    assert set(map(abs, told(data, 2))) == {3.4028234663852886e38 if value != 10**30 else 1e30}


def test_integers_of_an_ioc_wrap_as_in_c_and_stay_what_they_are_in_the_ioc() -> None:
    data = ChannelInteger(value=0)
    run(data.write(0xFFFFFFFF))
    assert (data.value, told(data, 5)) == (0xFFFFFFFF, [-1])
    short = ChannelShort(value=[0, 0])
    run(short.write([70000, -40000]))
    assert told(short, 1) == [4464, 25536]
    for cls, value in ((ChannelInteger, 2**31), (ChannelShort, [1, -40000])):
        with pytest.raises(CaprotoValueError, match="is not a value of"):
            cls(value=value)


@pytest.mark.parametrize("value", [10**400, None, "8", float("nan"), {1: 2}, {1}, object()])
def test_what_is_no_number_is_refused_when_it_is_written(value: Any) -> None:
    for data in (ChannelInteger(value=1), ChannelDouble(value=1.0), ChannelDouble(value=[1.0, 2.0])):
        if isinstance(value, float) and not isinstance(data, ChannelInteger):
            continue
        with pytest.raises((CaprotoValueError, TypeError)):
            run(data.write(value))
        assert data.value in (1, [1.0, 2.0])


def test_scalars_of_numpy_are_kept_as_plain_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    data = ChannelDouble(value=1.0)
    for value in (numpy.float32(1.5), numpy.array(1.5), numpy.array([1.5]), numpy.float64(1.5)):
        run(data.write(value))
        assert type(data.value) is float and data.value == 1.5
    flags = ChannelByte(value=[0, 0])
    run(flags.write(numpy.array([True, False])))
    assert flags.value == b"\1"


def test_text_is_not_cut_within_a_character() -> None:
    text = "a" + "é" * 30
    for data in (
        ChannelString(value=text, string_encoding="utf-8"),
        ChannelChar(value=text, string_encoding="utf-8"),
        ChannelChar(value=text, string_encoding="utf-8", report_as_string=True, max_length=100),
    ):
        assert told(data, 0) == [("a" + "é" * 19).encode()]
    states = ChannelEnum(value=0, enum_strings=["ä" * 13], string_encoding="utf-8")
    assert told(states, 0) == [("ä" * 13).encode()]


def test_texts_of_metadata_are_cut_between_characters_and_never_fail() -> None:
    data = ChannelDouble(value=1.0, units="µm·µs", string_encoding="utf-8")
    assert data.read_from_dbr(ChannelType.CTRL_DOUBLE)[0].units == "µm·µ".encode()
    states = ChannelEnum(value=0, enum_strings=["Ω", "off"])  # latin-1 has no such letter
    assert states.read_from_dbr(ChannelType.CTRL_ENUM)[0].enum_strings[:2] == (b"?", b"off")


def test_the_size_of_a_text_field_counts_its_end() -> None:
    from caproto._data.view import ViewKey

    field = ChannelChar(value="abc", max_length=41, report_as_string=True)
    assert field.view(ViewKey(long_string=True)).native_count == 41


@pytest.mark.parametrize("number", range(7))
def test_of_many_elements_only_those_that_are_told_are_converted(number: int) -> None:
    many: list[Any] = [
        ChannelDouble(value=[1.0] * 1000),
        ChannelInteger(value=[1] * 1000),
        ChannelByte(value=b"1" * 1000),
        ChannelEnum(value=[0] * 1000, max_length=1000, enum_strings=["0", "1"]),
        ChannelString(value=["1"] * 1000),
    ]
    for data in many:
        assert len(data.view().content(number, 3)[1]) == 3
        assert len(data.view().content(number)[1]) == 1000
