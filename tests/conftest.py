"""What tests share: an isolated environment, the codec fixture, the real IOC, bounded property tests."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from tests.isolation import epics_environment, free_port

if TYPE_CHECKING:
    from tests.interop.ioc import Ioc

CODEC_MODULES = {"cython": "caproto._codec", "python": "caproto._codec_py"}


def pytest_configure(config: pytest.Config) -> None:
    # Before anything imports caproto: no test may see the EPICS settings of the machine it runs on.
    for name in [name for name in os.environ if name.startswith("EPICS_")]:
        del os.environ[name]
    os.environ.update(epics_environment(free_port(), free_port()))
    try:
        from hypothesis import HealthCheck, settings
    except ImportError:
        return
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    settings.register_profile("quick", max_examples=200, deadline=None, suppress_health_check=slow)
    settings.register_profile("thorough", max_examples=3000, deadline=None, suppress_health_check=slow)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_report_header(config: pytest.Config) -> str:
    import caproto

    where = os.path.dirname(caproto.__file__)
    numpy = importlib.util.find_spec("numpy")
    version = importlib.import_module("numpy").__version__ if numpy else "not installed"
    wish = os.environ.get("CAPROTO_CODEC", "auto")
    return f"caproto: codec {caproto.codec_name} (CAPROTO_CODEC={wish}), numpy {version}, from {where}"


def load_codec(name: str) -> ModuleType:
    """The codec module ``name``; a codec that isn't built skips, unless it was asked for by name."""
    try:
        return importlib.import_module(CODEC_MODULES[name])
    except ImportError as reason:
        if os.environ.get("CAPROTO_CODEC") == name:
            pytest.fail(f"CAPROTO_CODEC={name} was asked for, and {CODEC_MODULES[name]} can't be imported: {reason}")
        pytest.skip(f"{CODEC_MODULES[name]} is not built: {reason}")


@pytest.fixture(params=list(CODEC_MODULES))
def codec(request: pytest.FixtureRequest) -> ModuleType:
    """Each codec module in turn."""
    return load_codec(request.param)


@pytest.fixture(scope="session")
def ioc() -> Iterator[Ioc]:
    """A real IOC that serves ``tests/interop/ioc.db``; shared, so leave records as you found them."""
    yield from run_ioc()


@pytest.fixture
def own_ioc() -> Iterator[Ioc]:
    """An IOC of the test's own, to be killed and restarted."""
    yield from run_ioc()


def run_ioc() -> Iterator[Ioc]:
    if importlib.util.find_spec("epicscorelibs") is None:
        pytest.skip("no epicscorelibs wheel for this platform: there is no real IOC to talk to")
    from tests.interop.ioc import Ioc

    server = Ioc()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def ioc_environment(ioc: Ioc, monkeypatch: pytest.MonkeyPatch) -> Ioc:
    """The shared IOC, with this process' EPICS variables pointing at it."""
    for name, value in epics_environment(ioc.port, ioc.repeater_port).items():
        monkeypatch.setenv(name, value)
    return ioc
