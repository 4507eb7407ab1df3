"""Values that survive a restart of the IOC.

Mark pvproperties with :func:`autosaved` and add ``SubGroup(AutosaveHelper)`` to the group.  Values are saved
periodically if they changed and when the IOC ends, and written back when it starts.

A save is a new file: written, flushed to the disk, then renamed over the old one, of which a dated copy stays.
A power cut at any moment leaves a whole file; a file that cannot be read costs a warning, and the one before it
is taken.
"""

from __future__ import annotations

import contextlib
import datetime
import glob
import itertools
import json
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from ._group import PVGroup
from ._pvproperty import pvproperty
from ._runtime import ServerExit

__all__ = ["AutosaveHelper", "RotatingFileManager", "autosaved", "get_autosave_fields"]

logger = logging.getLogger(__name__)

#: How names of files end that are being written, and the seconds after which nobody is writing them any more.
UNFINISHED, BROKEN_OFF = ".tmp", 3600.0
P = TypeVar("P", bound=pvproperty[Any])


def autosaved(pvprop: P, fields: Iterable[str] | None = None) -> P:
    """Mark a pvproperty whose value is to be saved.

    Parameters
    ----------
    pvprop : pvproperty
        It is returned.
    fields : iterable of str, optional
        Fields of its record to save in addition, by attribute or name; by default the description.
    """
    pvprop.autosave_fields = ("description",) if fields is None else tuple(fields)  # type: ignore[attr-defined]
    return pvprop


def get_autosave_fields(pvprop: pvproperty[Any], channeldata: Any) -> dict[str, Any]:
    """Return the fields that are saved with a PV, by attribute; none if it is no record."""
    if channeldata.field_inst is None:
        return {}
    return {attr: getattr(channeldata.field_inst, attr) for attr in getattr(pvprop, "autosave_fields", ())}


class RotatingFileManager:
    """Keeps a file, and dated copies of what it was before.

    Parameters
    ----------
    filename : str or Path
        The file; copies stand beside it.
    max_files_per_day : int, optional
        The most copies of one day.
    max_file_age : int, optional
        Days after which a copy goes.
    date_suffix : str, optional
        What is put between the name and its suffix, for :meth:`datetime.strftime`.
    logger : logging.Logger, optional
        Where problems are reported.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        *,
        max_files_per_day: int = 5,
        max_file_age: int = 30,
        date_suffix: str = "_%Y%m%d-%H%M%S",
        logger: logging.Logger = logger,
    ) -> None:
        self.filename = Path(filename).expanduser().absolute()
        self.max_files_per_day = max_files_per_day
        self.max_file_age = max_file_age
        self.date_suffix = date_suffix
        self.logger = logger

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self.filename.parent

    @property
    def glob_string(self) -> str:
        """Pattern of the file's name and those of its copies."""
        return f"{glob.escape(self.filename.stem)}*{glob.escape(self.filename.suffix)}"

    @property
    def files_by_age(self) -> dict[Path, datetime.datetime]:
        """The copies with their times, newest first."""
        found = {}
        for path in self.directory.glob(self.glob_string):
            with contextlib.suppress(ValueError, OSError):
                stamp = path.name[len(self.filename.stem) : len(path.name) - len(self.filename.suffix)]
                date = datetime.datetime.strptime(stamp.partition("~")[0], self.date_suffix)
                found[path] = (date, path.stat().st_mtime_ns)
        newest_first = sorted(found, key=lambda path: (found[path], path.name), reverse=True)
        return {path: found[path][0] for path in newest_first}

    def prune_files(self) -> set[Path]:
        """Remove copies that are too old or too many for their day; return them."""
        oldest = datetime.datetime.now() - datetime.timedelta(days=self.max_file_age)
        days: dict[datetime.date, int] = {}
        removed = set()
        for path, date in self.files_by_age.items():
            days[date.date()] = days.get(date.date(), 0) + 1
            if date < oldest or days[date.date()] > self.max_files_per_day:
                try:
                    path.unlink()
                except OSError as error:
                    self.logger.warning("cannot remove %s: %s", path, error)
                else:
                    removed.add(path)
        self._remove_broken_off()
        return removed

    def _remove_broken_off(self) -> None:
        """Remove what is left of writes that never ended, since the IOC was killed."""
        oldest = datetime.datetime.now().timestamp() - BROKEN_OFF
        for path in self.directory.glob(f"{glob.escape(self._unfinished)}*{UNFINISHED}"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    @property
    def _unfinished(self) -> str:
        """How names of files begin that are being written."""
        return f".{self.filename.name}-"

    def rotate_in_file(self, fn: Path) -> set[Path]:
        """Make `fn`, which must be in the same directory, the file; what it was becomes a copy.

        Returns
        -------
        set of Path
            The copies that went.
        """
        if self.filename.exists():
            when = datetime.datetime.fromtimestamp(self.filename.stat().st_mtime)
            name = f"{self.filename.stem}{when.strftime(self.date_suffix)}"
            number, copy = 0, self.directory / f"{name}{self.filename.suffix}"
            while copy.exists():
                number += 1
                copy = self.directory / f"{name}~{number}{self.filename.suffix}"
            # The old file keeps its name until the new one takes it: there is one at every moment.
            try:
                os.link(self.filename, copy)
            except OSError:  # no hard links here
                shutil.copy2(self.filename, copy)
        os.replace(fn, self.filename)
        self._sync_directory()
        return self.prune_files()

    def write(self, text: str) -> set[Path]:
        """Make `text` the content of the file, for good; return the copies that went.

        Raises
        ------
        OSError
            If it cannot be written; the file is then what it was.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.directory, prefix=self._unfinished, suffix=UNFINISHED)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            return self.rotate_in_file(Path(name))
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def _sync_directory(self) -> None:
        if hasattr(os, "O_DIRECTORY"):
            handle = os.open(self.directory, os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


class AutosaveHelper(PVGroup):
    """Saves and restores the values of the group it is part of.

    Parameters
    ----------
    file_manager : RotatingFileManager, optional
        By default one for ``filename``.

    Attributes
    ----------
    filename : str or Path
        The file.
    period : float
        Seconds between two looks at the values.
    """

    filename: str | os.PathLike[str] = "autosave.json"
    period: float = 30

    def __init__(self, *args: Any, file_manager: RotatingFileManager | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._file_manager = file_manager
        self._saved: str | None = None
        self._restored = False
        self._async_lib: Any = None
        # Saves run in threads: one at a time, and none puts back what is older.
        self._lock = threading.Lock()
        self._begun = itertools.count()
        self._written = -1

    @property
    def file_manager(self) -> RotatingFileManager:
        """What keeps the files."""
        if self._file_manager is None:
            self._file_manager = RotatingFileManager(self.filename)
        return self._file_manager

    autosave_hook = pvproperty(name=":__autosave_hook__", value=0, read_only=True, doc="Number of saves")

    @autosave_hook.startup
    async def autosave_hook(self, instance: Any, async_lib: Any) -> None:
        """Restore, then save what changes."""
        self._async_lib = async_lib
        await self.restore_from_file(self.file_manager.filename)
        self._restored = True
        while True:
            await async_lib.sleep(self.period)
            await self._save_or_complain()

    @autosave_hook.shutdown
    async def autosave_hook(self, instance: Any, async_lib: Any) -> None:
        # An IOC that ends before all is restored does not put its first values in the place of the saved ones.
        if self._restored:
            await self._save_or_complain()

    async def _save_or_complain(self) -> None:
        try:
            await self.save()
        except (OSError, TypeError, ValueError) as error:  # the last two: a value that JSON does not know
            self.log.error("%s: values are not saved: %s", self.file_manager.filename, error)

    def find_autosave_properties(self) -> Iterator[tuple[pvproperty[Any], Any]]:
        """Yield (pvproperty, PV) of all that is to be saved, in the group around and its subgroups."""
        yield from _marked(self if self.parent is None else self.parent)

    def prepare_data(self) -> dict[str, dict[str, Any]]:
        """Return what is to be saved, by PV: ``{"value": ..., "fields": {attribute: value}}``."""
        data = {}
        for prop, pv in self.find_autosave_properties():
            fields = {attr: _plain(field.value) for attr, field in get_autosave_fields(prop, pv).items()}
            data[pv.pvname] = {"value": _plain(pv.value), "fields": fields}
        return data

    async def save(self, data: dict[str, Any] | None = None) -> None:
        """Save, unless the file says the same already.

        Parameters
        ----------
        data : dict, optional
            By default that of :meth:`prepare_data`.

        Raises
        ------
        OSError
            If the file cannot be written; it is then what it was.
        TypeError, ValueError
            If JSON does not know a value.
        """
        # In lists there may be numbers of numpy.
        text = json.dumps(self.prepare_data() if data is None else data, indent=1, default=_plain)
        if text == self._saved:
            return
        number = next(self._begun)
        if self._async_lib is None:
            self._write(number, text)
        else:
            # The disk may take its time, and nobody but this task has to wait for it.
            await self._async_lib.run_in_thread(self._write, number, text)
        await self.autosave_hook.write(self.autosave_hook.value + 1)

    def _write(self, number: int, text: str) -> None:
        with self._lock:
            if number > self._written:
                self.file_manager.write(text)
                self._saved, self._written = text, number

    async def restore_from_file(self, filename: str | os.PathLike[str]) -> None:
        """Restore values from a file; if it cannot be read, from the newest copy that can."""
        path = Path(filename)
        candidates = [path]
        if path == self.file_manager.filename:
            candidates += self.file_manager.files_by_age
        for candidate in candidates:
            try:
                data = json.loads(candidate.read_text(encoding="utf-8"))
                if not _is_saved(data):
                    raise ValueError("not a file of saved values")
            except FileNotFoundError:
                continue
            except (OSError, ValueError, RecursionError) as error:
                self.log.warning("%s cannot be restored: %s; trying the one before it", candidate, error)
                continue
            await self.restore_values(data)
            return

    async def restore_values(self, data: dict[str, Any]) -> None:
        """Write saved values to their PVs; their putters run.  What cannot be written costs a warning."""
        for prop, pv in self.find_autosave_properties():
            saved = data.get(pv.pvname, {})
            fields = get_autosave_fields(prop, pv)
            writes = [(fields[attr], item) for attr, item in saved.get("fields", {}).items() if attr in fields]
            writes += [(pv, saved["value"])] if "value" in saved else []
            for target, value in writes:
                try:
                    await target.write(value)
                except ServerExit:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever a putter raises, the other values are restored
                    self.log.warning("%s: %r is not restored: %s", target.pvname, value, error)


def _marked(group: PVGroup) -> Iterator[tuple[pvproperty[Any], Any]]:
    for attr, member in type(group)._members_.items():
        if isinstance(member, pvproperty):
            if hasattr(member, "autosave_fields"):
                yield member, group.attr_pvdb[attr]
        else:
            yield from _marked(group._groups_[attr])


def _is_saved(data: Any) -> bool:
    """Return whether this is what :meth:`AutosaveHelper.prepare_data` makes."""
    return isinstance(data, dict) and all(
        isinstance(item, dict) and isinstance(item.get("fields", {}), dict) for item in data.values()
    )


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it: bytes and arrays become lists of numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, (bytes, bytearray, tuple)) else value
