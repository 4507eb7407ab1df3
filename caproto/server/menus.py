"""The menus of EPICS Base, and of the motor and asyn records: a :class:`Menu` class each, made on first use.

``menus.menuScan.Passive`` is one choice, ``menus.menuScan.get_string_tuple()`` are their texts, and
``menus.menus`` is a dict of all classes by name.
"""

from __future__ import annotations

import enum
from typing import Any, cast

from .records.tables import asyn as _asyn
from .records.tables import menus as _base
from .records.tables import motor as _motor

__all__ = ["Menu", "menus"]

_TABLE: dict[str, tuple[tuple[str, str], ...]] = {**_base.MENUS, **_motor.MENUS, **_asyn.MENUS}


class Menu(enum.IntEnum):
    """Choices of a field, by number."""

    @classmethod
    def get_string_tuple(cls) -> tuple[str, ...]:
        """Return the texts of the choices, as clients see them."""
        return tuple(label for _, label in _TABLE[cls.__name__])


menus: dict[str, type[Menu]]


def texts(name: str) -> tuple[str, ...]:
    """Return the texts of a menu's choices."""
    return tuple(label for _, label in _TABLE[name])


def __getattr__(name: str) -> Any:
    if name == "menus":
        made: Any = {menu: __getattr__(menu) for menu in _TABLE}
    elif name in _TABLE:
        choices = [(member, number) for number, (member, _) in enumerate(_TABLE[name])]
        made = cast(Any, Menu)(name, choices, module=__name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = made
    return made
