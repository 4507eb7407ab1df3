"""Values and metadata of Python as bytes of the wire, and values of one DBR type as another's.

Whatever the wire cannot carry is refused here, with an error that names the element or the member.
"""

from __future__ import annotations

import array
import struct
import sys
from typing import Any

from . import _complaints as complain
from ._constants import STR_ENC
from ._errors import CaprotoConversionError, CaprotoTypeError, CaprotoValueError
from ._layout import CHAR, DOUBLE, ENUM, FLOAT, LAST_DBR, LAYOUTS, NATIVES, STRING
from ._wire import codec

_LITTLE = sys.byteorder == "little"


def encode_payload(
    name: str, dbr: int, data_count: int | None, data: Any, metadata: Any, trim: bool = False
) -> tuple[bytes, int]:
    """The padded payload and the element count of a message.

    Parameters
    ----------
    name : str
        The command, for error messages.
    dbr : int
        DBR type, 0..38.
    data_count : int or None
        Must agree with `data`; None takes its length.
    data : tuple, list, number, str, ndarray, array.array or bytes-like
        A plain ``array.array`` and bytes-like objects are big-endian already; an :class:`Array` and an ndarray
        know their byte order.
    metadata : None, sequence, mapping, DBR structure or bytes
    trim : bool
        A single string ends behind its NUL instead of filling 40 bytes (section 3.6).
    """
    if not 0 <= dbr <= LAST_DBR:
        raise complain.unknown_type(name, dbr)
    prefix = encode_metadata(name, dbr, metadata)
    try:
        payload, count = encode_values(LAYOUTS[dbr].native, () if data is None else data, prefix, trim)
    except (CaprotoValueError, CaprotoTypeError) as error:
        raise type(error)(f"{name}: {error}") from None
    if data_count is not None and data_count != count:
        raise CaprotoValueError(f"{name}: data_count={data_count} but data holds {count} elements")
    return payload, count


def encode_values(native: int, values: Any, prefix: bytes = b"", trim: bool = False) -> tuple[bytes, int]:
    """Elements as big-endian bytes behind `prefix`, padded to 8, and their number."""
    if native == STRING:
        strings = as_strings(values)
        return codec.pack_strings(prefix, strings, trim), len(strings)
    kind = NATIVES[native]
    if isinstance(values, (tuple, list)):
        return codec.pack_numbers(prefix, native, values), len(values)
    if isinstance(values, (bytes, bytearray, memoryview)):
        size = memoryview(values).nbytes
        if size % kind.size:
            raise complain.ragged(size, kind.size)
        return codec.pack_buffer(prefix, values, 1, False), size // kind.size
    if isinstance(values, array.array):
        if values.itemsize == kind.size and _same_kind(values.typecode, native):
            native_order = getattr(values, "endian", ">") == ("<" if _LITTLE else ">")
            return codec.pack_buffer(prefix, values, kind.size, native_order and _LITTLE), len(values)
        return codec.pack_numbers(prefix, native, values.tolist()), len(values)
    if hasattr(values, "__array_interface__") and hasattr(values, "dtype"):
        return _encode_ndarray(native, values, prefix)
    if isinstance(values, str):
        if native != CHAR:
            raise CaprotoTypeError(f"data={values!r} is text; {kind.name} takes numbers")
        text = _text_bytes("data", values)
        return codec.pack_buffer(prefix, text, 1, False), len(text)
    if isinstance(values, (int, float)) or not hasattr(values, "__iter__"):
        values = (values,)
    values = tuple(values)
    return codec.pack_numbers(prefix, native, values), len(values)


def _same_kind(typecode: str, native: int) -> bool:
    return (typecode in "fd") == (native in (FLOAT, DOUBLE)) and (typecode in "HBIL") == (native in (ENUM, CHAR))


def _encode_ndarray(native: int, values: Any, prefix: bytes) -> tuple[bytes, int]:
    from ._numpy_backend import native_dtypes, numpy_module

    numpy = numpy_module()
    # The codec takes plain arrays by itself once it knows numpy; it never imports it.
    codec.configure(numpy=numpy)
    wanted = native_dtypes()[native]
    flat = numpy.ascontiguousarray(values).reshape(-1)
    if flat.dtype.newbyteorder("=") != wanted:
        if flat.dtype.kind not in "biuf":
            raise CaprotoTypeError(f"data of dtype {flat.dtype} cannot be sent as {NATIVES[native].name}")
        if flat.size and native not in (FLOAT, DOUBLE):
            _check_ndarray_range(native, flat, numpy)
        elif flat.size and native == FLOAT:
            with numpy.errstate(over="ignore"):
                narrow = flat.astype(wanted)
            bad = numpy.flatnonzero(numpy.isinf(narrow) & ~numpy.isinf(flat))
            if bad.size:
                raise complain.element(native, int(bad[0]), flat[bad[0]].item())
        flat = flat.astype(wanted)
    swap = flat.dtype.isnative and _LITTLE
    return codec.pack_buffer(prefix, flat.view("u1").data if flat.size else b"", wanted.itemsize, swap), flat.size


def _check_ndarray_range(native: int, flat: Any, numpy: Any) -> None:
    kind = NATIVES[native]
    bad = ~((flat >= kind.low) & (flat <= kind.high))
    if flat.dtype.kind == "f":
        bad |= flat != numpy.trunc(flat)
    if bad.any():
        index = int(numpy.flatnonzero(bad)[0])
        raise complain.element(native, index, flat[index].item())


def as_strings(values: Any) -> list[bytes]:
    """A string, or strings, as a list of byte strings."""
    if isinstance(values, (str, bytes, bytearray, memoryview)):
        values = [values]
    elif hasattr(values, "__array_interface__") and hasattr(values, "dtype"):
        values = values.reshape(-1).tolist()
    elif isinstance(values, (int, float)):
        values = [str(values)]
    strings = []
    for index, value in enumerate(values):
        if isinstance(value, str):
            try:
                value = value.encode(STR_ENC)
            except UnicodeEncodeError:
                raise _not_encodable(f"data[{index}]", value) from None
        elif not isinstance(value, (bytes, bytearray, memoryview)):
            raise complain.element(STRING, index, value)
        strings.append(bytes(value))
    return strings


def _text_bytes(what: str, text: str) -> bytes:
    try:
        return text.encode(STR_ENC)
    except UnicodeEncodeError:
        raise _not_encodable(what, text) from None


def _not_encodable(what: str, text: str) -> CaprotoConversionError:
    return CaprotoConversionError(f"{what}={text!r} cannot be encoded as {STR_ENC}")


def encode_metadata(name: str, dbr: int, metadata: Any) -> bytes:
    """The bytes in front of the value: zeros if `metadata` is None."""
    layout = LAYOUTS[dbr]
    if metadata is None:
        return bytes(layout.value_offset)
    if isinstance(metadata, codec.MetadataBase):
        known: Any = metadata
        if known._dbr == dbr:
            return bytes(known)
        metadata = known.to_dict()
    if isinstance(metadata, (bytes, bytearray, memoryview)) or hasattr(metadata, "DBR_ID"):
        raw = bytes(metadata)
        if len(raw) > layout.value_offset or layout.value_offset - len(raw) > 4:
            raise CaprotoValueError(
                f"{name}: metadata of {len(raw)} bytes, but {layout.name} has {layout.value_offset} in front of it"
            )
        return raw.ljust(layout.value_offset, b"\0")
    if not layout.members:
        raise CaprotoValueError(f"{name}: {layout.name} carries no metadata")
    return _pack_members(name, dbr, _named(name, dbr, metadata))


def _named(name: str, dbr: int, metadata: Any) -> dict[str, Any]:
    """Metadata given as a mapping or as a sequence in the order of the wire, by member name."""
    members = [member.name for member in LAYOUTS[dbr].members]
    if not hasattr(metadata, "keys"):
        flat: list[Any] = []
        for item in metadata:
            if hasattr(item, "secondsSinceEpoch"):
                flat += [item.secondsSinceEpoch, item.nanoSeconds]
            elif isinstance(item, tuple) and len(item) == 2 and "secondsSinceEpoch" in members:
                flat += item
            else:
                flat.append(item)
        if len(flat) != len(members):
            raise CaprotoValueError(
                f"{name}: metadata has {len(flat)} members, "
                f"{LAYOUTS[dbr].name} has {len(members)}: {', '.join(members)}"
            )
        return dict(zip(members, flat, strict=True))
    values = dict(metadata)
    stamp = values.pop("stamp", values.pop("timestamp", None))
    if stamp is not None and "secondsSinceEpoch" in members:
        from ._dbr import TimeStamp

        stamp = TimeStamp.from_flexible_value(stamp)
        values.update(secondsSinceEpoch=stamp.secondsSinceEpoch, nanoSeconds=stamp.nanoSeconds)
    strings = values.pop("enum_strings", None)
    if strings is not None and "strs" in members:
        values.update(no_str=len(strings), strs=strings)
    unknown = sorted(set(values) - set(members))
    if unknown:
        raise CaprotoValueError(f"{name}: {LAYOUTS[dbr].name} has no member {unknown[0]!r}")
    return values


def _pack_members(name: str, dbr: int, values: dict[str, Any]) -> bytes:
    layout = LAYOUTS[dbr]
    out = bytearray(layout.value_offset)
    for member in layout.members:
        value = values.get(member.name, 0)
        if member.format.endswith("s"):
            value = _pack_text(name, member.name, int(member.format[:-1]), value or b"")
        try:
            struct.pack_into(">" + member.format, out, member.offset, value)
        except (struct.error, TypeError, OverflowError):
            raise CaprotoValueError(
                f"{name}: metadata {member.name}={value!r} does not fit {layout.name} (format {member.format!r})"
            ) from None
    return bytes(out)


def _pack_text(name: str, member: str, size: int, value: Any) -> bytes:
    if member == "strs" and not isinstance(value, (bytes, bytearray)):
        cells = as_strings(value)
        if len(cells) > 16 or any(len(cell) > 26 for cell in cells):
            raise CaprotoValueError(f"{name}: metadata enum_strings: at most 16 strings of at most 26 bytes")
        return b"".join(cell.ljust(26, b"\0") for cell in cells).ljust(size, b"\0")
    raw = _text_bytes(f"{name}: metadata {member}", value) if isinstance(value, str) else bytes(value)
    if len(raw) > size:
        raise CaprotoValueError(f"{name}: metadata {member}={value!r} is longer than {size} bytes")
    return raw


def convert_values(
    values: Any,
    from_dtype: int,
    to_dtype: int,
    *,
    direction: Any = None,
    string_encoding: str = STR_ENC,
    enum_strings: Any = None,
    auto_byteswap: bool = True,
) -> Any:
    """A sequence of values of one DBR type as a list of values of another, the way EPICS converts them.

    Numbers become text with ``str``, enum indices become their state string, text becomes a number or an index.
    """
    source, target = LAYOUTS[from_dtype].native, LAYOUTS[to_dtype].native
    if isinstance(values, (str, bytes, int, float)):
        values = [values]
    if target == STRING:
        return [_to_text(value, source, enum_strings, string_encoding) for value in values]
    if source == STRING:
        texts = [value.decode(string_encoding) if isinstance(value, bytes) else str(value) for value in values]
        return [_from_text(text, target, enum_strings) for text in texts]
    if target in (FLOAT, DOUBLE):
        return [float(value) for value in values]
    return [int(value) for value in values]


def _to_text(value: Any, source: int, enum_strings: Any, encoding: str) -> bytes:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if source == ENUM and enum_strings is not None and isinstance(value, int) and value < len(enum_strings):
        value = enum_strings[value]
    return value if isinstance(value, bytes) else str(value).encode(encoding)


def _from_text(text: str, target: int, enum_strings: Any) -> Any:
    if target == ENUM and enum_strings is not None and text in enum_strings:
        return list(enum_strings).index(text)
    try:
        return float(text) if target in (FLOAT, DOUBLE) else int(text, 0) if text[:1] != "0" else int(float(text))
    except ValueError:
        raise CaprotoConversionError(f"{text!r} is not a value of {NATIVES[target].name}") from None


codec.configure(encode=encode_payload)
