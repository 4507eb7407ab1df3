"""What a hook may ask of the library that runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from ._engine import ServerEngine

__all__ = ["AsyncLibraryLayer"]


T = TypeVar("T")


class AsyncLibraryLayer(ABC):
    """The ``async_lib`` of startup, shutdown and scan hooks.

    Attributes
    ----------
    name : str
        Name of the library, such as ``"asyncio"``.
    library : module
        The library itself.
    Event : type
        An event with ``set``, ``clear``, ``is_set`` and ``await wait(timeout=None)``.
    ThreadsafeQueue : type
        A queue between threads and tasks: ``put`` and ``get`` from threads, ``await async_put`` and
        ``await async_get`` from tasks.
    server : ServerEngine or None
        The server that the hooks belong to: ``circuit_count`` and ``channel_count`` say how busy it is.
    """

    name: ClassVar[str] = ""
    library: ClassVar[Any] = None
    Event: ClassVar[Any] = None
    ThreadsafeQueue: ClassVar[Any] = None
    server: ServerEngine | None = None

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds, while everything else goes on."""

    async def run_in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function that blocks, while everything else goes on; a layer without threads calls it in place."""
        return function(*arguments)
