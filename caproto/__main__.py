"""``python -m caproto``: what is installed here, and what the environment resolves to."""

from __future__ import annotations

import importlib.metadata
import platform

from ._environ import get_environment_variables
from ._errors import CaprotoError
from ._net import (
    get_client_address_list,
    get_name_server_list,
    get_netifaces_addresses,
    get_server_address_list,
)
from ._version import __version__
from ._wire import codec_name, codec_reasons


def _version_of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def report() -> list[tuple[str, str]]:
    """What there is to say, as (title, text)."""
    lines = [
        ("caproto", __version__),
        (
            "python",
            f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}",
        ),
        ("codec", codec_name),
    ]
    lines += [(f"no {name} codec", reason) for name, reason in codec_reasons.items()]
    lines += [(name, _version_of(name)) for name in ("numpy", "psutil")]
    lines += [("interface", str(interface)) for interface in get_netifaces_addresses()]
    for title, function in (
        ("search goes to", get_client_address_list),
        ("name servers", get_name_server_list),
        ("servers listen on", get_server_address_list),
    ):
        try:
            addresses = function()
        except CaprotoError as error:
            lines.append((title, f"error: {error}"))
        else:
            lines.append((title, ", ".join(map(str, addresses)) or "none"))
    lines += [(name, str(value)) for name, value in sorted(get_environment_variables().items())]
    return lines


def main() -> None:
    """Print the report."""
    lines = report()
    width = max(len(title) for title, _ in lines)
    for title, text in lines:
        print(f"{title:<{width}}  {text}")


if __name__ == "__main__":
    main()
