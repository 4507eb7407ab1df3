"""Every DBR type, read from a real IOC in every count, against what plain sockets and ``struct`` say."""

from __future__ import annotations

from typing import Any

import pytest

import caproto
from tests import dbr_table, view
from tests.interop.raw import RawClient
from tests.interop.talk import Talk

pytestmark = pytest.mark.interop

NUMBERS = [number for number in dbr_table.READABLE if number < 35 and dbr_table.native(number) != 0]
STRINGS = [number for number in dbr_table.READABLE if dbr_table.native(number) == 0]
SCALARS = {
    "ioc:ai": dbr_table.READABLE,
    "ioc:longin": dbr_table.READABLE,
    "ioc:int64in": NUMBERS,
    "ioc:mbbi": dbr_table.READABLE,
    "ioc:bo": dbr_table.READABLE,
    "ioc:stringin": STRINGS,
}
ARRAYS = ["string", "char", "short", "enum", "long", "float", "double"]


def compare(talk: Talk, raw: RawClient, name: str, data_type: int, count: int) -> Any:
    """Read ``name`` both ways; returns the library's response."""
    sid, _, _ = raw.create(name)
    witness = raw.read(sid, data_type, count)
    response = talk.read(talk.channel(name), data_type, count)
    assert response.status.code_with_severity == witness.parameter1
    assert (int(response.data_type), response.data_count) == (data_type, witness.data_count)
    if response.status.success:
        want = dbr_table.decode(data_type, witness.data_count, witness.payload)
        assert not view.differences(view.dbr(response), want)
    return response


def type_name(data_type: int) -> str:
    return dbr_table.TYPES[data_type][0]


@pytest.mark.parametrize("name", SCALARS)
def test_scalar_in_every_type(talk: Talk, raw: RawClient, name: str) -> None:
    for data_type in SCALARS[name]:
        for count in (0, 1, 3):
            response = compare(talk, raw, name, data_type, count)
            assert response.status.name == "ECA_NORMAL", (type_name(data_type), count)


@pytest.mark.parametrize("element", ARRAYS)
@pytest.mark.parametrize("count", [0, 1, 3, 5, 9])
def test_array_in_every_type(talk: Talk, raw: RawClient, element: str, count: int) -> None:
    """As many as there are, one, some, all, and more than there are."""
    for data_type in STRINGS if element == "string" else dbr_table.READABLE:
        compare(talk, raw, f"ioc:wf:{element}", data_type, count)


@pytest.mark.parametrize("data_type", [n for n in dbr_table.READABLE if n < 35], ids=type_name)
def test_empty_array_in_every_type(talk: Talk, raw: RawClient, data_type: int) -> None:
    response = compare(talk, raw, "ioc:wf:empty", data_type, 0)
    assert len(response.data) == 0


@pytest.mark.parametrize("data_type", [35, 36], ids=type_name)
def test_write_only_types_fail_their_own_read(talk: Talk, data_type: int) -> None:
    channel = talk.channel("ioc:ai")
    response = talk.read(channel, data_type, 1)
    assert response.status.name == "ECA_GETFAIL"
    assert talk.read(channel).status.name == "ECA_NORMAL"


def test_conversion_that_fails_has_a_status_and_the_circuit_lives(talk: Talk) -> None:
    channel = talk.channel("ioc:stringin")
    assert talk.read(channel, caproto.ChannelType.DOUBLE).status.name == "ECA_GETFAIL"
    assert view.values(talk.read(channel)) == ["Hello, CA"]


def test_no_read_access(talk: Talk) -> None:
    channel = talk.channel("ioc:hidden")
    assert channel.access_rights == caproto.AccessRights.NO_ACCESS
    assert talk.read(channel).status.name == "ECA_NORDACCESS"
    assert talk.read(channel, 20, 0).status.name == "ECA_NORDACCESS"


def test_class_name_is_the_record_type(talk: Talk) -> None:
    assert view.values(talk.read(talk.channel("ioc:ai"), 38)) == ["ai"]


@pytest.mark.parametrize("name", ["ioc:lsi.VAL$", "ioc:lsi.$"])
def test_long_string(talk: Talk, name: str) -> None:
    response = talk.read(talk.channel(name), caproto.ChannelType.CHAR, 0)
    assert bytes(response.data) == b"a long string, longer than the forty bytes of a DBR_STRING element\0"


@pytest.mark.parametrize(
    ("name", "data_type", "count"),
    [
        ("int64in", 6, 1),
        ("wf:ulong", 6, 5),
        ("wf:ushort", 5, 5),
        ("wf:uchar", 4, 5),
        ("wf:mega", 6, 1_000_000),
    ],
)
def test_native_type_and_count(talk: Talk, name: str, data_type: int, count: int) -> None:
    channel = talk.channel(f"ioc:{name}")
    assert (channel.native_data_type, channel.native_data_count) == (data_type, count)


def test_count_beyond_sixteen_bits(talk: Talk, raw: RawClient) -> None:
    response = compare(talk, raw, "ioc:wf:long70000", 5, 70000)
    assert len(response.data) == 70000
    assert len(compare(talk, raw, "ioc:wf:char65534", 4, 65534).data) == 65534
    assert len(compare(talk, raw, "ioc:wf:char65534", 18, 65534).data) == 65534


def test_unknown_name_fails_only_itself(talk: Talk) -> None:
    with pytest.raises(LookupError):
        talk.channel("ioc:nosuch")
    assert talk.read(talk.channel("ioc:ai")).status.success


def test_sixty_character_name(talk: Talk) -> None:
    name = "ioc:a23456789012345678901234567890123456789012345678901234567z"[:60]
    assert view.values(talk.read(talk.channel(name))) == [1.0]


def test_arrays_are_native_aligned_writable_and_own_themselves(talk: Talk) -> None:
    numpy = pytest.importorskip("numpy")
    channel = talk.channel("ioc:wf:double")
    for data_type in (6, 20, 34, 5, 19, 1, 2):
        data = talk.read(channel, data_type).data
        assert isinstance(data, numpy.ndarray)
        assert data.dtype.isnative
        assert data.flags.aligned
        assert data.flags.writeable
        data[0] = 5
