"""PVs about the IOC itself, under the names that EPICS' iocStats gives them.

Add ``SubGroup(StatusHelper, prefix="...")`` to a group.  What needs ``psutil`` stays zero without it.
"""

from __future__ import annotations

import datetime
import inspect
import logging
import os
import platform
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

from .._version import __version__
from ._group import PVGroup
from ._pvproperty import pvproperty
from ._subgroup import SubGroup
from .autosave import autosaved

__all__ = [
    "TRACEMALLOC_FILTERS", "BasicStatusHelper", "MemoryTracingHelper", "PeriodicStatusHelper", "StatusHelper",
    "get_source_file", "get_top_allocation_info",
]  # fmt: skip

logger = logging.getLogger(__name__)

TRACEMALLOC_FILTERS = (
    tracemalloc.Filter(False, "<frozen importlib._bootstrap>"),
    tracemalloc.Filter(False, "<frozen importlib._bootstrap_external>"),
    tracemalloc.Filter(False, "<unknown>"),
)
_TEXT = 255


def get_source_file(obj: Any) -> Path:
    """Return the file in which a class, function or the class of an object is defined.

    Raises
    ------
    TypeError, OSError
        If there is none, as for what is built in.
    """
    thing = obj if inspect.isclass(obj) or inspect.isroutine(obj) or inspect.ismodule(obj) else type(obj)
    return Path(inspect.getfile(thing))


def get_top_allocation_info(
    snapshot: tracemalloc.Snapshot,
    *,
    key_type: str = "lineno",
    cumulative: bool = False,
    limit: int = 20,
    filters: list[tracemalloc.Filter] | None = None,
) -> list[str]:
    """Return lines about where the most memory was allocated, the largest first.

    Parameters
    ----------
    snapshot : tracemalloc.Snapshot
    key_type : {"lineno", "filename", "traceback"}, optional
        What allocations are grouped by.
    cumulative : bool, optional
        Whether all frames of a traceback count.
    limit : int, optional
        The most entries.
    filters : list of tracemalloc.Filter, optional
        By default :data:`TRACEMALLOC_FILTERS`.
    """
    snapshot = snapshot.filter_traces(list(TRACEMALLOC_FILTERS) if filters is None else filters)
    statistics = snapshot.statistics(key_type, cumulative)
    lines = []
    for number, entry in enumerate(statistics[:limit], 1):
        frame = entry.traceback[0]
        lines.append(f"#{number}: {frame.filename}:{frame.lineno}: {entry.size / 1024:.1f} KiB")
    rest = sum(entry.size for entry in statistics[limit:])
    if rest:
        lines.append(f"{len(statistics) - limit} other: {rest / 1024:.1f} KiB")
    lines.append(f"Total: {sum(entry.size for entry in statistics) / 1024:.1f} KiB")
    return lines


def _psutil() -> Any:
    try:
        import psutil
    except ImportError:
        return None
    return psutil


class BasicStatusHelper(PVGroup):
    """What does not change while the IOC runs."""

    process_id = pvproperty(value=os.getpid(), name="PROCESS_ID", read_only=True, record="ai", doc="Process")
    parent_pid = pvproperty(value=0, name="PARENT_ID", read_only=True, record="ai", doc="Parent process")
    cpu_count = pvproperty(value=0, name="CPU_CNT", read_only=True, record="longin", doc="Number of processors")
    kernel_version = pvproperty(
        value=platform.version(), name="KERNEL_VERS", read_only=True, record="stringin", doc="Kernel"
    )
    version = pvproperty(
        value=f"{__version__} on {sys.version}".replace("\n", " "),
        name="EPICS_VERSION",
        read_only=True,
        record="stringin",
        doc="Version of caproto and Python",
    )
    engineer = pvproperty(
        value="", name="ENGINEER", read_only=True, record="stringin", max_length=_TEXT, doc="Who is responsible"
    )
    location = pvproperty(
        value="", name="LOCATION", read_only=True, record="stringin", max_length=_TEXT, doc="Where it is"
    )
    hostname = pvproperty(value="", name="HOSTNAME", read_only=True, record="stringin", max_length=_TEXT, doc="Machine")
    application_directory = pvproperty(
        value="", name="APP_DIR", read_only=True, record="waveform", max_length=_TEXT, doc="Working directory"
    )
    source_filename = pvproperty(
        value="", name="SOURCE_FILE", read_only=True, record="waveform", max_length=_TEXT, doc="File of the IOC's class"
    )
    sysreset = pvproperty(value=0, name="SYSRESET", record="sub", doc="Write 1 to end the IOC")

    @process_id.startup
    async def process_id(self, instance: Any, async_lib: Any) -> None:
        """Fill in what is known when the server runs."""
        await instance.write(os.getpid())
        await self.parent_pid.write(os.getppid())
        await self.cpu_count.write(os.cpu_count() or 0)
        environment = os.environ
        await self.engineer.write(environment.get("ENGINEER", "")[:_TEXT])
        await self.location.write(environment.get("LOCATION", "")[:_TEXT])
        await self.hostname.write(platform.node()[:_TEXT])
        await self.application_directory.write(os.getcwd()[:_TEXT])
        await self.source_filename.write(str(get_source_file(self._top_))[:_TEXT])

    @sysreset.putter
    async def sysreset(self, instance: Any, value: Any) -> None:
        """End the process in the orderly way."""
        if value == 1:
            logger.warning("%s: the IOC ends as asked", instance.pvname)
            import signal

            signal.raise_signal(signal.SIGTERM)


class PeriodicStatusHelper(PVGroup):
    """What changes while the IOC runs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._started = time.time()
        psutil = _psutil()
        self._process = None if psutil is None else psutil.Process()

    access = pvproperty(
        value="Running",
        name="ACCESS",
        enum_strings=("Running", "Maintenance", "Test", "OFFLINE"),
        record="mbbo",
        doc="Mode",
    )
    start_tod = pvproperty(value="", name="STARTTOD", read_only=True, record="stringin", max_length=100, doc="Start")
    time_of_day = pvproperty(value="", name="TOD", read_only=True, record="stringin", max_length=100, doc="Now")
    heartbeat = pvproperty(value=0, name="HEARTBEAT", read_only=True, record="calcout", doc="Counts seconds")
    start_count = autosaved(
        pvproperty(value=1, name="START_CNT", read_only=True, record="calcout", doc="Number of starts")
    )
    ca_client_count = pvproperty(value=0, name="CA_CLNT_CNT", read_only=True, record="longin", doc="Clients")
    ca_connection_count = pvproperty(value=0, name="CA_CONN_CNT", read_only=True, record="longin", doc="Channels")
    record_count = pvproperty(value=0, name="RECORD_CNT", read_only=True, record="ai", doc="PVs")
    fd_max = pvproperty(value=0, name="FD_MAX", read_only=True, record="ai", doc="Files that may be open")
    fd_count = pvproperty(value=0, name="FD_CNT", read_only=True, record="ai", doc="Open files")
    fd_free = pvproperty(value=0, name="FD_FREE", read_only=True, record="calc", doc="Files that may yet be opened")
    sys_cpu_load = pvproperty(
        value=0.0, name="SYS_CPU_LOAD", read_only=True, record="ai", units="%", precision=1, doc="Load of the machine"
    )
    ioc_cpu_load = pvproperty(
        value=0.0, name="IOC_CPU_LOAD", read_only=True, record="ai", units="%", precision=1, doc="Load by the IOC"
    )
    susp_task_count = pvproperty(value=0, name="SUSP_TASK_CNT", read_only=True, record="longin", doc="Always zero")
    mem_used = pvproperty(value=0, name="MEM_USED", read_only=True, record="ai", units="kB", doc="Memory of the IOC")
    mem_free = pvproperty(value=0, name="MEM_FREE", read_only=True, record="ai", units="kB", doc="Free memory")
    mem_max = pvproperty(value=0, name="MEM_MAX", read_only=True, record="ai", units="kB", doc="Memory in all")
    uptime = pvproperty(value=0, name="UPTIME", read_only=True, record="longin", units="s", doc="Since the start")
    num_threads = pvproperty(value=0, name="NumThreads", read_only=True, record="longin", doc="Threads")
    update_period = pvproperty(
        value=15.0, name="UPD_TIME", record="ao", units="s", lower_ctrl_limit=1, upper_ctrl_limit=60, doc="Period"
    )

    @start_count.putter
    async def start_count(self, instance: Any, value: Any) -> int:
        """Only autosave writes it: how often the IOC was started before."""
        return int(value) + 1

    @start_tod.startup
    async def start_tod(self, instance: Any, async_lib: Any) -> None:
        """Note the start, then update."""
        self._started = time.time()
        await instance.write(_now())
        await self.record_count.write(len(self._top_.pvdb))
        while True:
            await self.update()
            if async_lib.server is not None:
                await self.ca_client_count.write(async_lib.server.circuit_count)
                await self.ca_connection_count.write(async_lib.server.channel_count)
            await async_lib.sleep(max(0.1, self.update_period.value))

    @heartbeat.startup
    async def heartbeat(self, instance: Any, async_lib: Any) -> None:
        """Count."""
        while True:
            await async_lib.sleep(1.0)
            await instance.write((instance.value + 1) % 0x7FFFFFFF)

    async def update(self) -> None:
        """Bring the values up to date."""
        await self.time_of_day.write(_now())
        await self.uptime.write(int(time.time() - self._started))
        await self.num_threads.write(threading.active_count())
        psutil = _psutil()
        if psutil is None or self._process is None:
            return
        memory = psutil.virtual_memory()
        await self.mem_used.write(self._process.memory_info().rss // 1024)
        await self.mem_free.write(memory.available // 1024)
        await self.mem_max.write(memory.total // 1024)
        await self.sys_cpu_load.write(psutil.cpu_percent())
        await self.ioc_cpu_load.write(self._process.cpu_percent())
        if hasattr(self._process, "num_fds"):
            count = self._process.num_fds()
            most = (
                min(self._process.rlimit(psutil.RLIMIT_NOFILE)[0], 0x7FFFFFFF)
                if hasattr(psutil, "RLIMIT_NOFILE")
                else 0
            )
            await self.fd_count.write(count)
            await self.fd_max.write(most)
            await self.fd_free.write(max(0, most - count))


def _now() -> str:
    return datetime.datetime.now().strftime("%m/%d/%Y %H:%M:%S")


class StatusHelper(PVGroup):
    """All of it."""

    basic = SubGroup(BasicStatusHelper, prefix="")
    periodic = SubGroup(PeriodicStatusHelper, prefix="")


class MemoryTracingHelper(PVGroup):
    """Where the memory of the IOC goes, by :mod:`tracemalloc`.

    Parameters
    ----------
    filters : list of tracemalloc.Filter, optional
        By default :data:`TRACEMALLOC_FILTERS`.
    """

    def __init__(self, *args: Any, filters: list[tracemalloc.Filter] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.filters = list(TRACEMALLOC_FILTERS) if filters is None else filters
        self._last: tracemalloc.Snapshot | None = None

    enable_tracing = pvproperty(
        value="Disable", name="EnableTracing", enum_strings=("Disable", "Enable"), record="bo", doc="Tracing"
    )
    diff_results = pvproperty(
        value="Unset", name="TraceDiffResults", read_only=True, record="waveform", max_length=20000, doc="What grew"
    )
    top_allocations = pvproperty(
        value="Unset", name="TraceTopAllocations", read_only=True, record="waveform", max_length=20000, doc="The most"
    )
    trace_count = pvproperty(value=10, name="TraceCount", record="ao", doc="Number of entries")

    @enable_tracing.putter
    async def enable_tracing(self, instance: Any, value: Any) -> None:
        """Start or stop."""
        on = instance.get_raw_value(value) == 1
        if on and not tracemalloc.is_tracing():
            tracemalloc.start()
        elif not on and tracemalloc.is_tracing():
            tracemalloc.stop()
        self._last = None

    @enable_tracing.scan(period=4.0)
    async def enable_tracing(self, instance: Any, async_lib: Any) -> None:
        """Look, while tracing is on."""
        if tracemalloc.is_tracing():
            await self.update()

    async def update(self) -> None:
        """Take a snapshot and show it, and what it has more than the one before."""
        limit = max(1, self.trace_count.value)
        snapshot = tracemalloc.take_snapshot().filter_traces(self.filters)
        text = "\n".join(get_top_allocation_info(snapshot, limit=limit, filters=self.filters))
        await self.top_allocations.write(text[: self.top_allocations.max_length])
        if self._last is not None:
            lines = [str(entry) for entry in snapshot.compare_to(self._last, "lineno")[:limit]]
            await self.diff_results.write("\n".join(lines)[: self.diff_results.max_length])
        self._last = snapshot
