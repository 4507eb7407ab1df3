"""IPv4 addresses as text and as the 32-bit numbers that commands carry; no sockets."""

from __future__ import annotations

from ._errors import CaprotoTypeError, CaprotoValueError

__all__ = ["ipv4_from_int32", "ipv4_to_int32"]


def ipv4_from_int32(int_packed_ip: int) -> str:
    """Return the dotted form of a 32-bit number, most significant byte first."""
    number = int_packed_ip
    if not 0 <= number <= 0xFFFFFFFF:
        raise CaprotoValueError(f"{number!r} is not an IPv4 address: it does not fit into 32 bits")
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def ipv4_to_int32(ip: str) -> int:
    """Return the 32-bit number of a dotted address."""
    if not isinstance(ip, str):
        raise CaprotoTypeError(f"an IPv4 address is a str like '127.0.0.1', not {ip!r}")
    parts = ip.split(".")
    # isdecimal() alone accepts digits of other scripts.
    digits = all(p.isascii() and p.isdecimal() and len(p) <= 3 for p in parts)
    if len(parts) != 4 or not digits or max(map(int, parts)) > 255:
        raise CaprotoValueError(f"{ip!r} is not an IPv4 address of the form a.b.c.d")
    a, b, c, d = map(int, parts)
    return a << 24 | b << 16 | c << 8 | d
