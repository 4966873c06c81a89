"""Services that many tests share: each is started once, by the first test that asks for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.service.evidence.embedded import embedding_folder
from tests.service.running import NEVER_BEHIND, Prepared, Service, prepare, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXTENSION = "1.3.6.1.4.1.32473.77"
"""The request extension that the shared service is configured to accept."""


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Prepared]:
    """Give a fresh data folder of a profile; keys are made once a session."""
    templates: dict[str, Prepared] = {}

    def fresh(profile: str) -> Prepared:
        if profile not in templates:
            templates[profile] = prepare(tmp_path_factory.mktemp("template") / "data", profile)
        return templates[profile].copy(tmp_path_factory.mktemp(profile) / "data")

    return fresh


@pytest.fixture(scope="session")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give a PYTHONPATH for which no child gives way: on a busy machine a niced one may need minutes."""
    folder = tmp_path_factory.mktemp("at-once")
    (folder / "sitecustomize.py").write_text("import os\nos.nice = lambda _: 0\n")
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a service that inherits our environment turn nobody away because the machine stands still."""
    for name, seconds in (("LEDGER__BEHIND", 60), ("SERVER__BODY", 60)):
        monkeypatch.setenv(f"TSA_{name}_SECONDS", str(seconds))


@pytest.fixture(scope="session")
def single(folder_of: Callable[[str], Prepared], at_once: str) -> Iterator[Service]:
    """One worker, P-256."""
    settings = {**NEVER_BEHIND, "TSA_REQUESTS__EXTENSIONS": f'["{EXTENSION}"]', "PYTHONPATH": at_once}
    with serving(folder_of("classical"), settings) as service:
        yield service


@pytest.fixture(scope="session")
def double(folder_of: Callable[[str], Prepared], at_once: str) -> Iterator[Service]:
    """Parent, keeper and two workers, P-256."""
    with serving(folder_of("classical"), {**NEVER_BEHIND, "PYTHONPATH": at_once}, workers=2) as service:
        yield service


@pytest.fixture(scope="session")
def rsa(folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    """One worker, RSA-3072, and the unit's name in the token."""
    with serving(folder_of("classical-rsa"), {**NEVER_BEHIND, "TSA_UNIT__NAME_IN_TOKEN": "true"}) as service:
        yield service


@pytest.fixture(scope="session")
def pq(folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    """One worker, ML-DSA-65."""
    with serving(folder_of("pq"), NEVER_BEHIND) as service:
        yield service


@pytest.fixture(scope="session")
def embedding(folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    """Parent, keeper and two workers; P-256, with evidence by ML-DSA-65 in each token."""
    with serving(embedding_folder(folder_of), NEVER_BEHIND, workers=2) as service:
        yield service


@pytest.fixture(scope="session")
def clockless(folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    """A service whose only time server answers nobody."""
    settings = {"KIND": '"ntp"', "SERVERS": '["127.0.0.1:9"]', "SINGLE_SOURCE": "true", "QUORUM": "1"}
    clock = {f"TSA_CLOCK__{name}": value for name, value in settings.items()}
    with serving(folder_of("classical"), clock, ready=False) as service:
        yield service


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Service:
    """Whichever of the services above a test names by indirect parametrization."""
    named: Service = request.getfixturevalue(request.param)
    return named
