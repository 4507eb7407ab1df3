"""The fields of a record: made from the tables, one by one, when somebody uses them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, NamedTuple

from ..._constants import MAX_ENUM_STATES
from ..._enums import ChannelType
from ..._errors import CaprotoAttributeError, CaprotoRuntimeError, CaprotoValueError
from .._group import PVGroup
from .._pvdata import PvpropertyChar, PvpropertyData, PvpropertyEnum, PvpropertyReadOnlyData
from .._pvproperty import pvproperty
from . import _behaviour as behaviour
from ._processing import is_disabled, processed, stopped

__all__ = ["Field", "RecordFieldGroup", "table_of"]

LINK_SIZE = 1024
STRING_SIZE = 40


class Field(NamedTuple):
    """One field as the database definition has it.

    `type` is that of the definition without ``DBF_``; `initial` is its text; `flags` are the ``special`` and the
    words ``PP`` (a write processes the record), ``PROP`` (a property of the value) and ``ASL0`` (its level of access
    security is 0; others have 1).
    """

    name: str
    attr: str
    type: str
    menu: str
    initial: str
    size: int
    flags: str
    prompt: str

    @property
    def read_only(self) -> bool:
        """Whether clients may not write."""
        return "NOMOD" in self.flags.split()


# What other versions of EPICS Base call these fields, and older code does.
_OLDER = {"desired_output_link": "DOL", "num_elements_in_ovlh": "ONVH"}
RECORD_TYPE = Field("RTYP", "record_type", "STRING", "", "", STRING_SIZE, "NOMOD", "Record Type")
_TABLES: dict[str, dict[str, Field]] = {}


def table_of(record: str) -> dict[str, Field]:
    """Return the fields of a record type by name, those that all records have included, but for VAL."""
    table = _TABLES.get(record)
    if table is None:
        names = ("common",) if record == "base" else ("common", record)
        modules = [importlib.import_module(f"{__package__}.tables.{name}") for name in names]
        fields = [Field(*row) for module in modules for row in module.FIELDS]
        table = {field.name: field for field in (*fields, RECORD_TYPE)}
        _TABLES[record] = table
    return table


class PvpropertyText(PvpropertyChar[Any]):
    """A text of limited size: what does not fit with its NUL is cut off, as in a real record."""

    def preprocess_value(self, value: Any) -> str:
        """Return `value` as text that fits."""
        if not isinstance(value, (str, bytes)) and len(value) == 1:
            value = value[0]
        if isinstance(value, (str, bytes)):
            value = value[: self._max_length - 1]
        return super().preprocess_value(value)


class PvpropertyTextRO(PvpropertyReadOnlyData[Any], PvpropertyText):
    """The same for reading."""


class PvpropertyLargeEnum(PvpropertyEnum[Any]):
    """A menu of more choices than a client can be told: those beyond have numbers only."""

    def get_raw_value(self, value: Any) -> int:
        """Return the number of a choice."""
        if isinstance(value, int) and len(self.enum_strings) <= value < 0x10000:
            return int(value)
        return super().get_raw_value(value)


class PvpropertyLargeEnumRO(PvpropertyReadOnlyData[Any], PvpropertyLargeEnum):
    """The same for reading."""


_NUMBERS: dict[str, Any] = {
    "SHORT": ChannelType.INT, "USHORT": ChannelType.LONG, "LONG": ChannelType.LONG, "ULONG": ChannelType.DOUBLE,
    "INT64": ChannelType.DOUBLE, "UINT64": ChannelType.DOUBLE, "FLOAT": ChannelType.FLOAT,
    "DOUBLE": ChannelType.DOUBLE, "ENUM": ChannelType.LONG,
}  # fmt: skip


def _menu(field: Field, record: str) -> dict[str, Any]:
    if field.type == "DEVICE":
        strings = tuple(importlib.import_module(f"{__package__}.tables.{record}").DEVICES) if record != "base" else ()
    else:
        from .. import menus

        strings = menus.texts(field.menu)
    dtype: Any = ChannelType.ENUM
    if len(strings) > MAX_ENUM_STATES or field.initial.isdigit():
        dtype = PvpropertyLargeEnumRO if field.read_only else PvpropertyLargeEnum
    value: Any = int(field.initial) if field.initial.isdigit() else field.initial or 0
    shown = strings[:MAX_ENUM_STATES]
    if isinstance(value, str) and value not in shown:
        value = strings.index(value)
    return {"dtype": dtype, "value": value, "enum_strings": shown}


def _specification(field: Field, record: str) -> dict[str, Any]:
    """Return what makes a pvproperty of a field."""
    if field.type in ("MENU", "DEVICE"):
        return _menu(field, record)
    if field.type in ("CHAR", "UCHAR"):
        return {"dtype": bytes, "value": bytes([int(field.initial or 0)]), "max_length": 1}
    if field.type in _NUMBERS:
        dtype = _NUMBERS[field.type]
        real = dtype in (ChannelType.DOUBLE, ChannelType.FLOAT)
        return {"dtype": dtype, "value": float(field.initial or 0) if real else int(field.initial or 0)}
    if field.type == "NOACCESS" and field.name != "TIME" and record not in ("lsi", "lso", "printf"):
        return {"dtype": ChannelType.DOUBLE, "value": 0.0}  # an array of the type and size of other fields
    size = LINK_SIZE if field.type.endswith("LINK") else field.size or STRING_SIZE
    dtype = PvpropertyTextRO if field.read_only else PvpropertyText
    return {"dtype": dtype, "value": field.initial, "max_length": size, "report_as_string": True}


class _FieldAttributes(type):
    """Lets the fields of a record class be attributes of it that come into being on first use."""

    def __getattr__(cls, attr: str) -> Any:
        record = None if attr.startswith("_") else cls.__dict__.get("_table") or getattr(cls, "_table", None)
        name = None if record is None else cls.field_of(attr)
        if name is None:
            raise CaprotoAttributeError(f"{cls.__name__} has no field {attr!r}")
        owner = next(base for base in cls.__mro__ if "_table" in base.__dict__)
        return _make(owner, table_of(str(record))[name])


def _make(owner: Any, field: Field) -> pvproperty[Any]:
    """Make the pvproperty of a field, as an attribute of the class."""
    known = owner.__dict__.get(field.attr)
    if known is not None:
        made: pvproperty[Any] = known
        return made
    keywords = _specification(field, owner._table)
    prop: pvproperty[Any] = pvproperty(name=field.name, doc=field.prompt, read_only=field.read_only, **keywords)
    prop.location = None
    prop.__set_name__(owner, field.attr)
    setattr(owner, field.attr, prop)
    return prop


async def _refuse_put(field: Any, *args: Any, **kwargs: Any) -> None:
    raise CaprotoValueError(f"{field.pvname}: clients may not write while DISP is 1")


class _ByName(Mapping[str, Any]):
    """The fields of one record by name."""

    def __init__(self, fields: RecordFieldGroup) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> Any:
        return self._fields.made.get(name) or self._fields.make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(type(self._fields).field_names())

    def __len__(self) -> int:
        return len(type(self._fields).field_names())


class _ByAttribute(dict[str, Any]):
    """The fields of one record by attribute; a missing one is made."""

    def __init__(self, fields: RecordFieldGroup) -> None:
        self._fields = fields

    def __missing__(self, attr: str) -> Any:
        name = type(self._fields).field_of(attr)
        if name is None:
            raise KeyError(attr)
        return self._fields.by_name[name]


class RecordFieldGroup(PVGroup, metaclass=_FieldAttributes):
    """The fields of one record.

    Attributes are named after what the database definition says the fields are (``high_alarm_limit``); names of
    fields (``HIGH``) work, too.  What is no field is looked up in the group of the PV, for the sake of hooks.

    Attributes
    ----------
    parent : PvpropertyData
        The PV: the field VAL.
    by_name : mapping
        Fields by name.
    scan_rate_sec : float or None
        Seconds between two runs of a scan hook; None if SCAN is passive.
    """

    _table: ClassVar[str] = "base"
    _record_type: ClassVar[str | None] = None
    has_value_hook: ClassVar[bool] = False
    record_name_of_type: ClassVar[str] = "base"
    scan_changed: Any = None
    # Whether DISP is set.
    refuses_puts = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "value_write_hook" in cls.__dict__:
            cls.has_value_hook = True
        cls.record_name_of_type = cls._record_type or cls._table

    def __init__(self, prefix: str, *, parent: PvpropertyData[Any], name: str | None = None, **kw: Any) -> None:
        group = parent.group
        self.parent: Any = parent
        self.prefix = prefix
        self.macros = {} if group is None else group.macros
        self.name = self._name_ = parent.name if name is None else name
        self.states = {} if group is None else group.states
        self.alarms = {None: parent.alarm}
        self.groups = self._groups_ = {}
        self.made: dict[str, PvpropertyData[Any]] = {}
        self.by_name = _ByName(self)
        self.attr_pvdb = _ByAttribute(self)
        self.scan_rate_sec: float | None = None

    # What the class knows -----------------------------------------------------------------------

    @classmethod
    def _own(cls) -> dict[str, pvproperty[Any]]:
        """Fields that the body of a class declares, by name."""
        own = {}
        for prop in cls._members_.values():
            if isinstance(prop, pvproperty):
                own[str(prop.pvspec.name)] = prop
        return own

    @classmethod
    def field_names(cls) -> list[str]:
        """Return the names of all fields but VAL."""
        names = dict.fromkeys(table_of(cls._table)) | dict.fromkeys(cls._own())
        return [name for name in names if name != "VAL"]

    @classmethod
    def field_of(cls, attr: str) -> str | None:
        """Return the name of the field that has an attribute or name; None if there is none."""
        for name, prop in cls._own().items():
            if attr in (name, prop.attr_name):
                return name
        table = table_of(cls._table)
        if attr in table:
            return attr
        found = next((field.name for field in table.values() if field.attr == attr), None)
        return found if found is not None or _OLDER.get(attr) not in table else _OLDER[attr]

    @classmethod
    def may_have_jobs(cls, pvspec: Any) -> bool:
        """Return whether a field may have a startup, shutdown or scan hook."""
        return bool(pvspec.fields or cls._members_)

    # Fields -------------------------------------------------------------------------------------

    def make(self, name: str) -> PvpropertyData[Any]:
        """Make a field."""
        cls = type(self)
        prop = cls._own().get(name)
        if prop is None:
            owner = next(base for base in cls.__mro__ if "_table" in base.__dict__)
            prop = _make(owner, table_of(cls._table)[name])
        hooks = {kind: hook for (field, kind), hook in self.parent.pvspec.fields or () if field == name}
        spec = prop.pvspec._replace(**hooks)
        start = behaviour.writable(behaviour.initial(self.parent, cls, name))
        try:
            field = (spec if start is None else spec._replace(value=start)).create(self)
        except CaprotoRuntimeError:  # the PV has another type than such records, and a value that the field cannot have
            field = spec.create(self)
        if name not in cls._own():
            field._change_metadata(self._digits(name))
        field.alarm = self.parent.alarm
        field._asg = self.parent.asg
        if "asl" not in (spec.cls_kwargs or {}):
            field.asl = self._level(name)
        self.made[name] = field
        dict.__setitem__(self.attr_pvdb, str(prop.attr_name), field)
        action = behaviour.ON_WRITE.get(name)
        if action is not None:
            field.on_write = lambda value: action(self, name, value)
        if self.refuses_puts:
            self.refuse_puts(True)
        return field

    def refuse_puts(self, refuse: bool) -> None:
        """Let clients write nothing but DISP, or everything again."""
        self.refuses_puts = refuse
        for target in (self.parent, *(field for name, field in self.made.items() if name != "DISP")):
            # Of this record only: looking for DISP before every write of a client would cost all PVs.
            if refuse:
                target.auth_write = partial(_refuse_put, target)
            else:
                target.__dict__.pop("auth_write", None)

    def _level(self, name: str) -> int:
        """Return the access security level of a field; one that EPICS Base does not have has 0 like any PV."""
        field = table_of(self._table).get(name)
        return 0 if field is None or "ASL0" in field.flags.split() else 1

    def __getattr__(self, attr: str) -> Any:
        if attr.startswith("_"):
            raise AttributeError(attr)
        name = type(self).field_of(attr)
        if name is not None:
            return self.by_name[name]
        group = self.__dict__["parent"].group
        if group is None or not hasattr(group, attr):
            raise CaprotoAttributeError(f"{type(self).__name__} has no field {attr!r}")
        return getattr(group, attr)

    @property
    def pvdb(self) -> dict[str, Any]:  # type: ignore[override]
        """All fields by their whole names; makes those that do not exist yet."""
        return {f"{self.prefix}{name}": field for name, field in self.by_name.items()}

    @property
    def attr_to_pvname(self) -> dict[str, str]:
        """Names of fields by attribute."""
        table = {field.attr: field.name for field in table_of(self._table).values() if field.name != "VAL"}
        return table | {str(prop.attr_name): name for name, prop in self._own().items()}

    def fields_with_jobs(self) -> list[PvpropertyData[Any]]:
        """Return the fields that have a startup, shutdown or scan hook."""
        names = [field for (field, _), _ in self.parent.pvspec.fields or ()]
        names += [name for name, prop in self._own().items() if prop.pvspec.startup or prop.pvspec.scan]
        names += [name for name, prop in self._own().items() if prop.pvspec.shutdown]
        return [self.by_name[name] for name in dict.fromkeys(names)]

    # The record and its PV ----------------------------------------------------------------------

    async def value_write_hook(self, instance: Any, value: Any) -> None:
        """Do what has to be done when the PV gets a new value; for overriding."""

    async def is_disabled(self) -> bool:
        """Return whether the fields DISA and DISV, or SDIS, keep the record from being processed."""
        return await is_disabled(self)

    async def stopped(self) -> bool:
        """The same when the record is to be processed: its alarm says so."""
        return await stopped(self)

    async def value_written(self, value: Any) -> None:
        """Let the fields follow a new value."""
        await self.value_write_hook(self.parent, value)
        await self._refresh(behaviour.FOLLOW, value)
        await processed(self)

    async def metadata_written(self) -> None:
        """Let the fields follow new units, limits and the like."""
        await self._refresh(behaviour.SHOW_METADATA)
        own = type(self)._own()
        for name, field in list(self.made.items()):
            digits = {} if name in own else self._digits(name)
            if digits and getattr(field, "precision", None) != digits["precision"]:
                await field.write_metadata(**digits)

    def _digits(self, name: str) -> dict[str, Any]:
        """Return the precision of a field: real numbers are shown with as many digits as the PV."""
        digits = getattr(self.parent, "precision", None)
        real = table_of(self._table)[name].type in ("DOUBLE", "FLOAT")
        return {"precision": digits} if real and digits is not None else {}

    async def publish(self, flags: Any) -> None:
        """Let the fields follow the alarm and the time."""
        await self._refresh(behaviour.SHOW)

    async def _refresh(self, table: Mapping[str, Any], *arguments: Any) -> None:
        """Store what a table says of the PV in fields that exist; nobody has seen those that do not."""
        made = self.made
        for name, told in table.items():
            field = made.get(name)
            if field is None:
                continue
            value = behaviour.writable(told(self.parent, *arguments))
            strings = getattr(field, "enum_strings", ())
            if isinstance(value, int) and 0 <= value < len(strings):
                value = strings[value]
            if value is not None and field.value != value:
                with suppress(CaprotoValueError):  # as in `make`
                    await field.write(value, verify_value=False, update_fields=False)

    async def begin_scan(self, period: float) -> None:
        """Take the period of a scan hook as that of the record, until SCAN is changed."""
        self.scan_rate_sec = period
        scan = self.by_name["SCAN"]
        for choice in scan.enum_strings:
            if behaviour.seconds_of(choice) == period:
                await scan.write(choice, verify_value=False, update_fields=False)
