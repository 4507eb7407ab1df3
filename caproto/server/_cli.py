"""The command line of an IOC, and how to run it."""

from __future__ import annotations

import argparse
import importlib.util
import os
import textwrap
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .._data import ChannelData
from .._errors import CaprotoTypeError, CaprotoValueError
from .._log import config_caproto_logging
from .._net import bcast_socket, get_server_address_list
from .._version import __version__
from ._access import parse_access_file

if TYPE_CHECKING:
    from .typing import AinitHook

__all__ = ["ioc_arg_parser", "run", "template_arg_parser"]

ASYNC_LIBRARIES = ("asyncio", "trio")

Options = tuple[dict[str, Any], dict[str, Any]]


def _library(name: str) -> str:
    """Return the name of an async library, or say that it is not there."""
    if name in ASYNC_LIBRARIES and importlib.util.find_spec(name) is None:
        raise argparse.ArgumentTypeError(f"the package {name} is not installed; pip install caproto[{name}] brings it")
    return name


def _interface(address: str) -> str:
    """Return the address of an interface, or say why nobody can listen there."""
    with bcast_socket() as sock:
        try:
            sock.bind((address, 0))
        except OSError as error:
            raise argparse.ArgumentTypeError(f"cannot listen on {address}: {error.strerror}") from error
    return address


def _access_file(path: str) -> str:
    """Return the path of an access security file, or say what is wrong with it."""
    try:
        with open(path, encoding="utf-8") as file:
            parse_access_file(file.read(), path)
    except (OSError, CaprotoValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return path


def template_arg_parser(
    *,
    desc: str,
    default_prefix: str,
    argv: list[str] | None = None,
    macros: Mapping[str, str] | None = None,
    supported_async_libs: list[str] | None = None,
) -> tuple[argparse.ArgumentParser, Callable[[argparse.Namespace], Options]]:
    """Return the parser of an IOC's command line, to be extended, and what splits its result.

    Parameters
    ----------
    desc : str
        What ``--help`` says the IOC is.
    default_prefix : str
        Prefix of the PVs' names.
    argv : list of str, optional
        Not used here; see :func:`ioc_arg_parser`.
    macros : dict, optional
        Default values of the macros; each becomes an option.
    supported_async_libs : list of str, optional
        The libraries it can run on; the first is the default.

    Returns
    -------
    parser : argparse.ArgumentParser
    split_args : callable
        Takes the parsed arguments, sets the level of the log, and returns (options of the group, options of
        :func:`run`).
    """
    libraries = list(supported_async_libs or ASYNC_LIBRARIES)
    macros = dict(macros or {})
    parser = argparse.ArgumentParser(
        description=textwrap.dedent(desc or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"caproto version {__version__}",
    )
    parser.add_argument("--prefix", type=str, default=default_prefix, help="default: %(default)r")
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument("-q", "--quiet", action="store_true", help="show warnings and errors only")
    loudness.add_argument("-v", "--verbose", action="count", default=0, help="show more; -vvv shows everything")
    parser.add_argument("--list-pvs", action="store_true", help="log the names of the PVs at start")
    parser.add_argument(
        "--async-lib",
        type=_library,
        choices=libraries,
        default=libraries[0],
        help="the library to run on (default: %(default)s)",
    )
    parser.add_argument(
        "--interfaces",
        nargs="+",
        type=_interface,
        default=None,
        help="addresses to listen on (default: EPICS_CAS_INTF_ADDR_LIST, or else all)",
    )
    parser.add_argument("--acf", metavar="FILE", type=_access_file, help="access security file: who may do what")
    for name, value in macros.items():
        parser.add_argument(f"--{name}", type=str, default=value, help="macro, default: %(default)r")

    def split_args(args: argparse.Namespace) -> Options:
        if args.verbose:
            config_caproto_logging(level="DEBUG" if args.verbose > 1 else "INFO")
        elif not args.quiet:
            config_caproto_logging(level="INFO")
        else:
            config_caproto_logging(level="WARNING")
        group = {"prefix": args.prefix, "macros": {name: getattr(args, name.replace("-", "_")) for name in macros}}
        runner = {
            "module_name": f"caproto.{args.async_lib}.server",
            "log_pv_names": args.list_pvs,
            "interfaces": args.interfaces or get_server_address_list(),
        }
        if args.acf is not None:  # IOCs may hand the options to a `run` of their own, which knows the others only
            runner["access_security"] = args.acf
        return group, runner

    return parser, split_args


def ioc_arg_parser(
    *,
    desc: str,
    default_prefix: str,
    argv: list[str] | None = None,
    macros: Mapping[str, str] | None = None,
    supported_async_libs: list[str] | None = None,
) -> Options:
    """Parse the command line of an IOC.

    Parameters
    ----------
    desc, default_prefix, macros, supported_async_libs
        As of :func:`template_arg_parser`.
    argv : list of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    ioc_options : dict
        ``prefix`` and ``macros``, for the PVGroup.
    run_options : dict
        For :func:`run`.
    """
    parser, split_args = template_arg_parser(
        desc=desc, default_prefix=default_prefix, macros=macros, supported_async_libs=supported_async_libs
    )
    return split_args(parser.parse_args(argv))


def run(
    pvdb: Mapping[str, ChannelData],
    *,
    module_name: str = "caproto.asyncio.server",
    interfaces: list[str] | None = None,
    log_pv_names: bool = False,
    startup_hook: AinitHook | None = None,
    access_security: str | os.PathLike[str] | None = None,
) -> None:
    """Serve PVs until the process is asked to end.

    Parameters
    ----------
    pvdb : dict
        PVs by name.
    module_name : str, optional
        The skin that serves them.
    interfaces : list of str, optional
        Addresses to listen on.
    log_pv_names : bool, optional
        Whether to log the names at start.
    startup_hook : async callable, optional
        Awaited with the async layer when the server is ready.
    access_security : str or path, optional
        An access security file: who may do what with which PV.

    Raises
    ------
    CaprotoTypeError
        If `pvdb` is no dict, or has something else than PVs.
    OSError, CaprotoValueError
        If the access security file cannot be read, or is malformed; the message tells the line.
    """
    if not isinstance(pvdb, Mapping):
        raise CaprotoTypeError(f"run(pvdb): {pvdb!r} is no dict of PVs; that of a group is `ioc.pvdb`")
    for name, data in list(pvdb.items()):
        if not isinstance(data, ChannelData):
            raise CaprotoTypeError(f"run(pvdb): {name!r} is {data!r}, and not a PV such as ChannelDouble(value=1.0)")
    try:
        skin = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise CaprotoValueError(f"cannot run on {module_name}: {error}") from error
    skin.run(
        pvdb,
        interfaces=interfaces,
        log_pv_names=log_pv_names,
        startup_hook=startup_hook,
        access_security=access_security,
    )
