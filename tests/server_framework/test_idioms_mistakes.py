"""Mistakes in IOCs: each fails when the class or the group is made, and says where it is."""

from __future__ import annotations

import inspect
import logging
import textwrap
from pathlib import Path
from typing import Any

import pytest

from caproto import CaprotoTypeError, ChannelDouble, ChannelType
from caproto.server import PVGroup, pvproperty, run

# Body of the class, beginning at line 4; the line that has to be named, and a part of the message.
MISTAKES = {
    "negative period": (
        """
        a = pvproperty(value=1)
        @a.scan(period=-1)
        async def a(self, instance, async_lib): ...
        """,
        4, "period=-1 s",
    ),
    "period that is no number": (
        """
        a = pvproperty(value=1)
        @a.scan(period="fast")
        async def a(self, instance, async_lib): ...
        """,
        4, "'fast' is no period",
    ),
    "scan without a period": (
        """
        a = pvproperty(value=1)
        @a.scan
        async def a(self, instance, async_lib): ...
        """,
        4, "@x.scan(period=1.0)",
    ),
    "hook that cannot be called": ("a = pvproperty(5)", 4, "the get hook 5 cannot be called"),
    "use before there are PVs": (
        """
        a = pvproperty(value=1)
        def __init__(self, *args, **kwargs):
            self.b = self.a.value
        """,
        4, "super().__init__",
    ),
    "keyword of a subgroup": ("a = SubGroup(PVGroup, nosuch=3)", 4, "'nosuch'"),
    "precision that is no number": ("a = pvproperty(value=1.0, precision='three')", 4, "precision='three'"),
    "limit that is no number": ("a = pvproperty(value=1, upper_ctrl_limit='high')", 4, "upper_ctrl_limit='high'"),
    "value of another type": ("a = pvproperty(value='abc', dtype=int)", 4, "'abc' is not a value of LONG"),
    "value that is too large": ("a = pvproperty(value=2**31)", 4, "2147483648 is not a value of LONG"),
    "value that is too long": ("a = pvproperty(value=[1, 2, 3], max_length=2)", 4, "3 elements do not fit"),
    "unknown keyword": ("a = pvproperty(value=1, unit='mm')", 4, "'unit'"),
    "unknown state": ("a = pvproperty(value='c', dtype=bool)", 4, "'c' is none of"),
    "unknown record": ("a = pvproperty(value=1, record='nosuch')", 4, "record='nosuch'"),
    "the same name twice": (
        """
        a = pvproperty(value=1, name='n')
        b = pvproperty(value=1, name='n')
        """,
        5, "'p:n' of 'b' is already that of 'a'",
    ),
    "macro without a value": ("a = pvproperty(value=1, name='{m}')", 4, "macro 'm'"),
    "hook that is not async": (
        """
        a = pvproperty(value=1)
        @a.putter
        def a(self, instance, value): ...
        """,
        5, "Ioc.a",
    ),
    "hook of a member that does not exist": (
        """
        a = SubGroup(PVGroup)
        @a.x.putter
        async def a(self, instance, value): ...
        """,
        4, "no pvproperty 'x'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_names_its_line(name: str, tmp_path: Path) -> None:
    body, line, message = MISTAKES[name]
    head = "from caproto.server import PVGroup, SubGroup, pvproperty\n\nclass Ioc(PVGroup):\n"
    source = head + textwrap.indent(inspect.cleandoc(body), "    ") + "\nIoc(prefix='p:')\n"
    path = tmp_path / "my_ioc.py"
    path.write_text(source)
    with pytest.raises(Exception) as raised:
        exec(compile(source, str(path), "exec"), {"__name__": "my_ioc"})
    text = str(raised.value)
    assert f"{path}:{line}" in text and message in text, text


def test_a_second_putter_replaces_the_first_and_a_warning_names_both(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):

        class Ioc(PVGroup):
            a = pvproperty(value=1)

            @a.putter
            async def a(self, instance: Any, value: Any) -> int:
                return 1

            @a.putter
            async def a(self, instance: Any, value: Any) -> int:
                return 2

    (record,) = caplog.records
    assert record.getMessage().count(__file__) == 3

    caplog.clear()
    with caplog.at_level(logging.WARNING):

        class Other(Ioc):
            @Ioc.a.putter
            async def a(self, instance: Any, value: Any) -> int:
                return 3

    assert not caplog.records  # that is what subclasses are for


def test_what_is_run_has_to_be_pvs() -> None:
    class Ioc(PVGroup):
        a = pvproperty(value=1)

    for pvdb, message in (
        (Ioc(prefix="p:"), "`ioc.pvdb`"),
        ({"x": 5}, "'x' is 5"),
        ([ChannelDouble(value=1.0)], "no dict"),
    ):
        with pytest.raises(CaprotoTypeError, match=message):
            run(pvdb)  # type: ignore[arg-type]


def test_metadata_that_are_none_are_as_if_not_given() -> None:
    data = ChannelDouble(value=1.0, units=None, precision=None, upper_ctrl_limit=None)  # type: ignore[arg-type]
    assert (data.units, data.precision, data.upper_ctrl_limit) == ("", 0, 0)
    assert data.read_from_dbr(ChannelType.CTRL_DOUBLE)[0].units == b""
