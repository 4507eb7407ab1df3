"""The contract of both codecs: ``_codec.pyx`` (compiled) and ``_codec_py.py`` (plain Python).

Same names, same answers, same errors.  Offsets and sizes are in bytes; everything on the wire is big-endian.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

#: "cython" or "python".
NAME: str
#: A payload above this many bytes is received into a buffer of its own; a smaller one is copied.
LARGE_PAYLOAD: int
#: The most bytes that one read into ``StreamParser.get_buffer`` may bring.
CHUNK_SIZE: int
#: The largest payload in bytes that a header can announce: a multiple of 8 below 2**32.
MAX_PAYLOAD: int

def configure(**settings: Any) -> None:
    """Name the classes and hooks that results are built with.

    ``metadata_class``, ``statuses``, ``severities``, ``strings``, ``array_class``: what metadata, alarms,
    strings and arrays of the standard library become; ``mode`` ('unset', 'array', 'numpy', 'custom'),
    ``numpy``, ``dtypes`` and ``convert``: the array backend; ``ensure_backend``: called when the first array
    is needed; ``encode``: the encoder that takes everything; ``structures`` (by DBR type) and ``stamp_class``: the
    ctypes classes whose instances are metadata in wire order already; ``status_code``: any form of a status as
    a number.
    """

class Frame:
    """One message (protocol section 2): header fields, payload, and what was parsed so far.

    ``_payload`` holds the payload and owns its bytes; ``_native`` says that its values were swapped in place;
    ``_limit`` is not 0 if the payload was refused; ``_done`` marks a command that was processed.
    """

    _command: int
    _payload_size: int
    _data_type: int
    _data_count: int
    _parameter1: int
    _parameter2: int
    _extended: bool
    _native: bool
    _done: bool
    _limit: int
    _payload: Any
    _data: Any
    _metadata: Any
    sender_address: Any
    def _fill(
        self,
        command: int,
        payload_size: int,
        data_type: int,
        data_count: int,
        parameter1: int,
        parameter2: int,
        payload: Any = b"",
        extended: bool = False,
    ) -> None:
        """Set every field; CaprotoValueError names the one that does not fit.  Keeps `payload`, no copy."""

    def _encode(
        self,
        command: int,
        data: Any,
        data_type: int,
        data_count: int | None,
        parameter1: int,
        parameter2: int,
        metadata: Any,
        trim: bool,
    ) -> None:
        """Set every field of a message with values; errors as :func:`encode_payload`."""

    def _set(self, name: str, value: Any, bits: int) -> None: ...
    def _header_bytes(self) -> bytes:
        """The header, 16 bytes, or 24 if it is extended."""

    def _wire_payload(self) -> Any:
        """The payload in wire order: the payload itself, or a swapped copy if it was swapped in place."""

    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int:
        """Length on the wire, in bytes."""

class UpdateFrame(Frame):
    """A frame that is built from the fields of an update (section 3.7); ``status`` in any form, by ``status_code``."""

    def __init__(
        self,
        data: Any,
        data_type: int,
        data_count: int | None,
        status: Any,
        subscriptionid: int,
        *,
        metadata: Any = None,
    ) -> None:
        """Errors as :func:`encode_payload`; CaprotoValueError names a header field that does not fit."""

def field(slot: str, mapping: dict[int, Any] | None = None, default: Callable[[int], Any] | None = None) -> Any:
    """A read-only attribute that shows one header field.

    Looked up in `mapping` if given; what is not there becomes ``default(number)``, or stays a number.
    """

def data_field() -> Any:
    """The attribute ``data``: decoded on first use, then kept; native byte order.

    A large payload whose values were swapped on arrival may be shared with the array; any other is copied.

    Raises
    ------
    CaprotoValueError
        Unknown DBR type, payload shorter than the header says, or refused for its size.
    """

def metadata_field() -> Any:
    """The attribute ``metadata``: made on first use, then kept; None for plain types.

    Raises CaprotoValueError if the payload is too short for it, or was refused for its size.
    """

def value_range(dbr: int, count: int, size: int) -> tuple[int, int]:
    """Start and stop, in bytes, of the whole elements that a payload of `size` bytes holds."""

class MetadataBase:
    """The metadata of one value (section 4.3); shares a small payload, copies out of a large one.

    A member that the DBR type lacks is an AttributeError.
    """

    _dbr: int
    _raw: bytes
    def __init__(self, dbr: int, raw: bytes) -> None: ...
    def _read(self, name: str) -> Any:
        """A member as it is stored."""

    @property
    def status(self) -> Any: ...
    @property
    def severity(self) -> Any: ...
    @property
    def secondsSinceEpoch(self) -> int: ...
    @property
    def nanoSeconds(self) -> int: ...
    @property
    def timestamp(self) -> float:
        """Seconds since the Unix epoch."""

class CommandTable:
    """Which class each command id becomes, and which commands carry values."""

    classes: Mapping[int, type[Frame]]
    unknown: type[Frame]
    value_commands: frozenset[int]
    def __init__(self, classes: Mapping[int, type[Frame]], unknown: type[Frame], value_commands: Any) -> None: ...

def split_datagram(table: CommandTable, data: Any, address: Any) -> list[Any]:
    """The messages of one datagram, each with a copy of its payload; never raises for what the bytes say.

    What follows a malformed or unknown message is dropped (sections 12, 18 and 19).
    """

class Inbox:
    """The updates of one subscription that nobody has looked at yet, as commands in order.

    The parser fills it without calling any method, so that overriding `push` changes nothing for it.

    Parameters
    ----------
    data_type : int
        The DBR type of the updates, 0..38; CaprotoValueError for any other.

    Attributes
    ----------
    waiting : bool
        Something came since the last `take`; the parser has put this sink on its list ``touched``.
    """

    waiting: bool
    def __init__(self, data_type: int) -> None: ...
    @property
    def data_type(self) -> int: ...
    @property
    def items(self) -> list[Any]:
        """The frames that wait, oldest first; ``_done`` is set.  Not a copy."""

    def push(self, frame: Any) -> bool:
        """Add an update that did not come through the parser; True if `waiting` was False before."""

    def __len__(self) -> int: ...
    def take(self) -> list[Any]:
        """The frames, oldest first; they are the caller's.  Nothing waits any more."""

    def trim(self, keep: int) -> int:
        """Drop the oldest so that at most `keep` stay; returns how many were dropped."""

class Columns:
    """The updates of one subscription that nobody has looked at yet, kept as raw rows and decoded together.

    Parameters and attributes are those of :class:`Inbox`.
    """

    waiting: bool
    def __init__(self, data_type: int) -> None: ...
    @property
    def data_type(self) -> int: ...
    @property
    def nbytes(self) -> int:
        """Bytes of what waits: rows, large payloads, and 64 for each run of equal data_count."""

    def push(self, frame: Any) -> bool:
        """Add an update that did not come through the parser; True if `waiting` was False before.

        CaprotoValueError for another type, a payload shorter than the header says, or a refused one.
        """

    def __len__(self) -> int:
        """How many updates wait."""

    def take(self) -> list[tuple[int, Any, Any, Any, Any]]:
        """What waits, decoded; nothing waits any more.

        Returns
        -------
        list of (data_count, values, timestamps, severity, status)
            One for each run of n updates with the same data_count, oldest first; a payload above LARGE_PAYLOAD
            is a run of its own, whose values may share the received memory but with nobody else.

        All are new, writable and in native byte order.  With numpy `values` has the shape (n,) for a data_count
        of 1, else (n, data_count); strings are of dtype S40 (an empty one where NULs are all).  `timestamps`
        (int64) are nanoseconds since the Unix epoch, `severity` and `status` int16, all of shape (n,).  Types
        without time stamp or alarm have None there.  Without numpy they are ``array.array`` of the element's type,
        'q' and 'h', values flat, and strings a flat list; a backend of the user's own gives a list with what it
        makes of each update.
        """

    def trim(self, keep: int) -> int:
        """Drop the oldest so that at most `keep` stay; returns how many were dropped."""

class Sinks:
    """Where a parser leaves updates, by subscription id (0..2**32-1); like a dict, with a look-up made for it.

    A sink that was taken out gets nothing more.
    """

    def __setitem__(self, number: int, sink: Inbox | Columns) -> None:
        """CaprotoTypeError for what is no sink, CaprotoValueError for what is no id."""

    def __getitem__(self, number: int) -> Inbox | Columns: ...
    def get(self, number: int, default: Any = None) -> Any: ...
    def __delitem__(self, number: int) -> None: ...
    def pop(self, number: int, default: Any = None) -> Any:
        """Take a sink out and return it; `default` if there is none."""

    def __contains__(self, number: object) -> bool: ...
    def __iter__(self) -> Iterator[int]: ...
    def __len__(self) -> int: ...

class StreamParser:
    """Cuts a byte stream into frames (section 2.4); holds at most one incomplete frame.

    A payload above `limit` bytes is skipped without being stored, and its frame's ``_limit`` is set.  Frames
    own their payloads.  RemoteProtocolError once framing is lost, after the frames in front were returned.

    An update (EVENT_ADD from a server, status ECA_NORMAL, not refused) whose subscription id is in `sinks`, whose
    type is that sink's and whose payload holds all of its elements, if any, goes there and is not returned.
    What the parser raises never takes back what it delivered.

    Attributes
    ----------
    touched : list
        The sinks that got something, each once until its `take`; the owner empties or replaces the list.
    """

    error: Exception | None
    touched: list[Any]
    @property
    def sinks(self) -> Sinks: ...
    def __init__(self, table: CommandTable, limit: int) -> None: ...
    @property
    def bytes_needed(self) -> int:
        """How many more bytes the frame in progress needs at least; 0 between frames."""

    def feed(self, data: Any) -> list[Any]:
        """The frames that `data` completes.  `data` is not kept."""

    def get_buffer(self, size_hint: int = -1) -> memoryview:
        """Writable memory of the parser for the next read; valid until the next call of any method."""

    def buffer_updated(self, written: int) -> list[Any]:
        """The frames completed by `written` bytes; CaprotoValueError if that is more than was offered."""

def is_live_update(subscriptions: dict[int, Any], frame: Frame) -> bool:
    """Mark `frame` as processed; say if it is an update, not empty, of a subscription of the same type."""

def swap_inplace(buffer: Any, itemsize: int) -> None:
    """Reverse the bytes of every element of a writable buffer (a no-op on a big-endian machine).

    CaprotoValueError if `itemsize` is not 1, 2, 4 or 8, or does not divide the length.
    """

def encode_payload(
    name: str, dbr: int, data_count: int | None, data: Any, metadata: Any, trim: bool = False
) -> tuple[Any, int]:
    """The padded payload (new memory) and the element count of a value message.

    CaprotoConversionError names the element that the type cannot carry.
    """

def pack_buffer(prefix: bytes, buffer: Any, itemsize: int, swap: bool) -> Any:
    """`prefix`, the bytes of `buffer` (elements reversed if `swap`), then zeros up to a multiple of 8.

    New memory: bytes, or a memoryview of bytes.  CaprotoValueError as :func:`swap_inplace`.
    """

def pack_numbers(prefix: bytes, native: int, values: Sequence[Any]) -> bytes:
    """`prefix`, Python numbers as big-endian elements, then zeros up to a multiple of 8.

    `native` is 1..6 (INT .. DOUBLE).  CaprotoConversionError names the element that does not fit.
    """

def pack_strings(prefix: bytes, values: list[bytes], trim: bool) -> bytes:
    """`prefix`, 40-byte cells (a single one cut behind its NUL if `trim`), zeros up to a multiple of 8.

    CaprotoConversionError for a string of more than 40 bytes.
    """

def unpack_strings(payload: Any, offset: int, count: int) -> list[bytes]:
    """`count` strings, copied from 40-byte cells, each up to its NUL; cells beyond the payload are empty."""
