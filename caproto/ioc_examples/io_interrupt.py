"""A value that changes when something outside happens: here, a key is pressed."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Iterator
from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


@contextlib.contextmanager
def single_keys() -> Iterator[None]:
    """Give keys one by one instead of lines, if this is a terminal."""
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


class IOInterruptIOC(PVGroup):
    """``keypress`` is the last key that was pressed in the terminal of the IOC."""

    keypress = pvproperty(value="", max_length=10, read_only=True, doc="The last key")
    stopping: threading.Event
    reader: threading.Thread

    @keypress.startup
    async def keypress(self, instance: Any, async_lib: Any) -> None:
        """Wait for keys in a thread, and take them from a queue."""
        queue = async_lib.ThreadsafeQueue()
        self.stopping = threading.Event()
        self.reader = threading.Thread(target=self.read_keys, args=(queue,), daemon=True)
        self.reader.start()
        while True:
            await instance.write(value=await queue.async_get())

    def read_keys(self, queue: Any) -> None:
        """Put keys into the queue until the IOC or the input ends."""
        with single_keys():
            while not self.stopping.is_set():
                if not select.select([sys.stdin], [], [], 0.2)[0]:
                    continue
                key = os.read(sys.stdin.fileno(), 1)
                if not key:
                    return
                queue.put(key.decode("latin-1"))

    @keypress.shutdown
    async def keypress(self, instance: Any, async_lib: Any) -> None:
        """Wait until the thread has given the terminal back."""
        self.stopping.set()
        await async_lib.run_in_thread(self.reader.join, 2.0)


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="io:", desc=IOInterruptIOC.__doc__ or "")
    ioc = IOInterruptIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
