"""Every scenario over every client that offers what it needs, against a real IOC where one can be had."""

from __future__ import annotations

import pytest

from tests.flavours.adapters import FLAVOURS, flavour
from tests.flavours.scenarios import FLOOD, OWN, SCENARIOS, SHARED, Flooder
from tests.interop.ioc import Ioc
from tests.isolation import epics_environment

pytestmark = pytest.mark.interop


def pairs(server: str) -> list[tuple[str, str]]:
    return [
        (name, client)
        for name, (_, needs) in SCENARIOS[server].items()
        for client, adapter in FLAVOURS.items()
        if needs <= adapter.offers
    ]


@pytest.mark.parametrize(("scenario", "client"), pairs(SHARED))
def test_with_the_ioc(scenario: str, client: str, ioc_environment: Ioc) -> None:
    with flavour(client) as adapter:
        adapter.run(SCENARIOS[SHARED][scenario][0](adapter, ioc_environment))


@pytest.mark.parametrize(("scenario", "client"), pairs(OWN))
def test_with_an_ioc_that_ends(scenario: str, client: str, own_ioc: Ioc, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in epics_environment(own_ioc.port, own_ioc.repeater_port).items():
        monkeypatch.setenv(name, value)
    with flavour(client) as adapter:
        adapter.run(SCENARIOS[OWN][scenario][0](adapter, own_ioc))


@pytest.mark.parametrize(("scenario", "client"), pairs(FLOOD))
def test_with_much_at_once(scenario: str, client: str, flooder: Flooder) -> None:
    with flavour(client) as adapter:
        adapter.run(SCENARIOS[FLOOD][scenario][0](adapter, flooder))
