"""What holds for every test, and the PKCS#11 device and the database servers that several rooms use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asn1crypto.tsp  # type: ignore[import-untyped]  # noqa: F401  # it adds to tables that are frozen by use
import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.postgres import make_postgres
from tests.softhsm import make_softhsm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Postgres
    from tests.softhsm import SoftHsm

LONGEST = (
    "test_survival_postgres",
    "test_survival",
    "test_switch_crashes",
    "test_secrets_nowhere",
    "test_ledger_tending",
    "test_schemathesis",
    "test_life",
    "test_hsm",
    "test_switch",
    "test_dryrun_process",
    "test_emergency",
    "test_fuzz_tokens",
    "test_keys_rotation",
    "test_verify_api",
    "test_activations",
    "test_bundle_attacks",
    "test_answers",
    "test_survival_disk",
    "test_verify_batch",
    "test_publishing_faults",
    "test_seal_profiles",
    "test_fuzz_work",
    "test_backup",
    "test_story",
    "test_sealing_large",
    "test_sealing_desk",
    "test_fuzz_seal_http",
    "test_sealing_http",
    "test_sealing_children",
)
"""Files that take longest, in this order: when one of them comes last, everything waits for it."""
_TURN = {name: turn for turn, name in enumerate(LONGEST)}

DEPTH = frozenset(
    {
        "test_access_records",
        "test_activations",
        "test_any_pdf",
        "test_backup",
        "test_bundle_attacks",
        "test_clock_faults",
        "test_crash",
        "test_determinism",
        "test_dryrun",
        "test_dryrun_process",
        "test_emergency",
        "test_emergency_nodes",
        "test_fuzz_seal_http",
        "test_fuzz_work",
        "test_hostile_documents",
        "test_hsm",
        "test_inspect_hostile",
        "test_inventory_faces",
        "test_keys_rotation",
        "test_ledger_check",
        "test_ledger_fetch",
        "test_ledger_search",
        "test_ledger_tending",
        "test_life",
        "test_logs",
        "test_machine",
        "test_nodes",
        "test_people",
        "test_people_machine",
        "test_postgres_store",
        "test_publishing_faults",
        "test_renew_ledger_command",
        "test_schemathesis",
        "test_seal_profiles",
        "test_sealing_children",
        "test_sealing_desk",
        "test_sealing_large",
        "test_sealing_mishaps",
        "test_secrets_nowhere",
        "test_stamp_batch",
        "test_store_check",
        "test_store_contract",
        "test_survival",
        "test_survival_disk",
        "test_survival_postgres",
        "test_switch",
        "test_switch_crashes",
        "test_switch_refusals",
        "test_two_nodes",
        "test_unserved",
        "test_verify_api_children",
        "test_verify_batch",
        "test_witnessing",
    }
)
"""Files of kills, floods, several nodes and long stories: half the time of all. Without REQUIRE_PEERS
`make test` leaves them out, and says so; CI takes them."""

# A deadline would measure how busy the machine is, and so would the check for slow generation.
# Volume is the business of `make fuzz`.
settings.register_profile(
    "kokuin", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("the same", settings.get_profile("kokuin"), derandomize=True)
settings.load_profile("kokuin")


def pytest_configure(config: pytest.Config) -> None:
    """Try the same examples in every run that names no seed: none fails for a change that it is not about."""
    if config.getoption("--hypothesis-seed") is None:
        settings.load_profile("the same")


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what is of depth, before anybody selects by marks."""
    if item.path.stem in DEPTH:
        item.add_marker(pytest.mark.depth)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, whatever order chance gave to the others."""
    items.sort(key=lambda item: _TURN.get(item.path.stem, len(LONGEST)))


@pytest.fixture(autouse=True)
def _logs_as_at_the_start() -> Iterator[None]:
    """Let no test inherit where another one sent the log."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    """SoftHSM2 for this process: its library reads the variable whenever it is started."""
    made = make_softhsm(tmp_path_factory.mktemp("softhsm") / "hsm")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.settings.items():
            patch.setenv(name, value)
        yield made


@pytest.fixture(scope="session")
def postgres_seed() -> Iterator[Postgres]:
    """A stopped server that has the ledger's roles and an empty ledger, of which others are copies."""
    from tests.ledger.stores import make_template  # noqa: PLC0415 - its libraries are for those who ask

    made = make_postgres()
    try:
        made.start()
        make_template(made)
        made.stop()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def postgres(postgres_seed: Postgres) -> Iterator[Postgres]:
    """PostgreSQL for the tests of this process, which never stop it; each makes databases of its own."""
    yield from _running(postgres_seed)


@pytest.fixture
def own_postgres(postgres_seed: Postgres) -> Iterator[Postgres]:
    """PostgreSQL for a test that stops, kills or sets it back."""
    yield from _running(postgres_seed)


def _running(seed: Postgres) -> Iterator[Postgres]:
    made = make_postgres(seed)
    try:
        made.start()
        yield made
    finally:
        made.remove()
