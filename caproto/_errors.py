"""The error tree: everything this package raises on purpose is defined here.

Each class that also derives from a built-in one is what it says: ``except ValueError`` and
``except CaprotoError`` both catch a :class:`CaprotoValueError`.
"""

from __future__ import annotations

__all__ = [
    "CaprotoAttributeError",
    "CaprotoConversionError",
    "CaprotoError",
    "CaprotoKeyError",
    "CaprotoNetworkError",
    "CaprotoNotImplementedError",
    "CaprotoRuntimeError",
    "CaprotoTimeoutError",
    "CaprotoTypeError",
    "CaprotoValueError",
    "ErrorResponseReceived",
    "Forbidden",
    "LocalProtocolError",
    "ProtocolError",
    "RemoteProtocolError",
    "SkipWrite",
]


class CaprotoError(Exception):
    """Base of every error of this package."""


class ProtocolError(CaprotoError):
    """Somebody broke the rules of Channel Access."""


class LocalProtocolError(ProtocolError):
    """We were about to break the rules; nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the rules."""


class ErrorResponseReceived(CaprotoError):
    """The peer answered a request with an ERROR message."""


class Forbidden(CaprotoError):
    """The access rights of a channel do not allow the operation."""


class CaprotoAttributeError(AttributeError, CaprotoError):
    """An attribute does not exist or is not available in this state."""


class CaprotoKeyError(KeyError, CaprotoError):
    """A name or an identifier is not known."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument, which would put quotes around our sentences.
        return Exception.__str__(self)


class CaprotoNetworkError(OSError, CaprotoError):
    """The operating system refused something about a socket, an interface or a host name."""


class CaprotoNotImplementedError(NotImplementedError, CaprotoError):
    """The operation exists in the interface but not for this type or protocol."""


class CaprotoRuntimeError(RuntimeError, CaprotoError):
    """The operation makes no sense in the present state."""


class CaprotoTimeoutError(TimeoutError, CaprotoError):
    """No answer came within the time that the caller allows."""


class CaprotoTypeError(TypeError, CaprotoError):
    """An argument has the wrong type, or is missing."""


class CaprotoValueError(ValueError, CaprotoError):
    """An argument has a value that is not allowed."""


class CaprotoConversionError(CaprotoValueError):
    """A value cannot be turned into the requested type."""


class SkipWrite(Exception):
    """Raised by a server's write hook to drop a write silently; a signal, not an error."""
