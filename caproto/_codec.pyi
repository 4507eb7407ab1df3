"""The contract of both codecs: ``_codec.pyx`` (compiled) and ``_codec_py.py`` (plain Python).

Same names, same answers, same errors.  Offsets and sizes are in bytes; everything on the wire is big-endian.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

NAME: str
LARGE_PAYLOAD: int
CHUNK_SIZE: int
MAX_PAYLOAD: int

def configure(**settings: Any) -> None:
    """Name the classes and hooks that results are built with.

    ``metadata_class``, ``statuses``, ``severities``, ``strings``, ``array_class``: what metadata, alarms, strings and
    arrays of the standard library become; ``mode`` ('unset', 'array', 'numpy', 'custom'), ``numpy``, ``dtypes`` and
    ``convert``: the array backend; ``ensure_backend``: called when the first array is needed; ``encode``: the encoder
    of whatever is not a plain sequence of numbers.
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
    ) -> None: ...
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
    ) -> None: ...
    def _set(self, name: str, value: Any, bits: int) -> None: ...
    def _header_bytes(self) -> bytes: ...
    def _wire_payload(self) -> Any: ...
    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int: ...

def field(slot: str, mapping: dict[int, Any] | None = None, default: Callable[[int], Any] | None = None) -> Any:
    """A read-only attribute that shows one header field, looked up in `mapping` if given."""

def data_field() -> Any:
    """The attribute ``data``: a new native array, decoded on first use, then kept."""

def metadata_field() -> Any:
    """The attribute ``metadata``: decoded on first use, then kept; None for plain types."""

def value_range(dbr: int, count: int, size: int) -> tuple[int, int]:
    """Start and stop, in bytes, of the whole elements that a payload of `size` bytes holds."""

class MetadataBase:
    """The metadata of one value (section 4.3); shares a small payload, copies out of a large one."""

    _dbr: int
    _raw: bytes
    def __init__(self, dbr: int, raw: bytes) -> None: ...
    def _read(self, name: str) -> Any: ...
    @property
    def status(self) -> Any: ...
    @property
    def severity(self) -> Any: ...
    @property
    def secondsSinceEpoch(self) -> int: ...
    @property
    def nanoSeconds(self) -> int: ...
    @property
    def timestamp(self) -> float: ...

class CommandTable:
    """Which class each command id becomes, and which commands carry values."""

    classes: Mapping[int, type[Frame]]
    unknown: type[Frame]
    value_commands: frozenset[int]
    def __init__(self, classes: Mapping[int, type[Frame]], unknown: type[Frame], value_commands: Any) -> None: ...

def split_datagram(table: CommandTable, data: Any, address: Any) -> list[Any]:
    """The messages of one datagram; what follows a malformed or unknown one is dropped (section 12, 18 and 19)."""

class StreamParser:
    """Cuts a byte stream into frames (section 2.4); holds at most one incomplete frame.

    A payload above `limit` bytes is skipped without being stored.  Raises RemoteProtocolError once framing is lost.
    """

    error: Exception | None
    def __init__(self, table: CommandTable, limit: int) -> None: ...
    @property
    def bytes_needed(self) -> int: ...
    def feed(self, data: Any) -> list[Any]: ...
    def get_buffer(self, size_hint: int = -1) -> memoryview: ...
    def buffer_updated(self, written: int) -> list[Any]: ...

def is_live_update(subscriptions: dict[int, Any], frame: Frame) -> bool:
    """Mark `frame` as processed; whether it is an update, not empty, of a subscription of the same type."""

def swap_inplace(buffer: Any, itemsize: int) -> None:
    """Reverse the bytes of every element of a writable buffer (a no-op on a big-endian machine)."""

def encode_payload(
    name: str, dbr: int, data_count: int | None, data: Any, metadata: Any, trim: bool = False
) -> tuple[Any, int]:
    """The padded payload (new memory) and the element count of a value message."""

def pack_buffer(prefix: bytes, buffer: Any, itemsize: int, swap: bool) -> Any:
    """`prefix`, then the bytes of `buffer` (its elements reversed if `swap`), then zeros up to a multiple of 8."""

def pack_numbers(prefix: bytes, native: int, values: Sequence[Any]) -> bytes:
    """`prefix`, then a sequence of Python numbers as big-endian elements, then zeros up to a multiple of 8."""

def pack_strings(prefix: bytes, values: list[bytes], trim: bool) -> bytes:
    """`prefix`, then 40-byte cells (a single one cut behind its NUL if `trim`), then zeros up to a multiple of 8."""

def unpack_strings(payload: Any, offset: int, count: int) -> list[bytes]:
    """`count` strings from 40-byte cells, each up to its NUL; cells beyond the payload are empty."""
