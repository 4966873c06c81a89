"""A data folder with a ledger of tokens that nobody signed, for counting."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from typing import TYPE_CHECKING

from kokuin.ledger.committer import Committer
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.service.activation import first_snapshot
from kokuin.service.config import load_config
from kokuin.service.migration.inventory import inventory
from kokuin.service.snapshot import Snapshot, UnitReference
from kokuin.trust.anchors import read_certificates
from kokuin.trust.records import TST_ISSUED, Record
from kokuin.wire import oids
from pqc.policies import load_policy, shipped_policies
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.migration.assets import Asset
    from kokuin.service.migration.inventory import Inventory

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
GEN_US = 1_790_000_000_000_000


def schema_errors(bom: str) -> object:
    """Return what CycloneDX's own schema says against a CBOM, None when nothing."""
    # Seconds to load, which each process of a test run would pay.
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    return JsonStrictValidator(SchemaVersion.V1_7).validate_str(bom)


def write(folder: DataFolder, records: Iterable[Record]) -> None:
    """Append records to a folder's ledger as a keeper would."""
    journal = Committer(
        SqliteStore(folder.ledger), capacity=100_000, clock_ns=time.time_ns, on_fatal=lambda _: None
    )
    for future in [journal.append(record) for record in records]:
        future.result(PATIENCE_S)
    journal.close()


def issued(number: int, **fields: object) -> Record:
    """A token's record with these fields and no others."""
    known: Mapping[str, object] = {"id": f"{number:x}", **fields}
    return Record(
        TST_ISSUED,
        known,  # type: ignore[arg-type]  # the test says which
        f"{number:032x}",
        b"token" * 100,
        "u1",
        GEN_US + number,
    )


def token(number: int, profile: str, suite: str, imprint: str, signer: str) -> Record:
    """A token's record with the fields that are counted."""
    return issued(number, profile=profile, suites=[suite], imp_alg=imprint, signer=signer)


def unit_digest(folder: DataFolder) -> str:
    """SHA-256 (hex) of the folder's only unit certificate."""
    (found,) = (
        each
        for each in read_certificates(folder.units)
        if each.ext_key_usage is not None and oids.ID_KP_TIME_STAMPING in each.ext_key_usage.purposes
    )
    return hashlib.sha256(found.der).hexdigest()


def activated(folder: DataFolder, config: Config) -> Snapshot:
    """What the files say, with its unit found, as after the first start."""
    first = first_snapshot(folder, config)
    units = {config.profile: UnitReference(f"unit-{config.profile}", unit_digest(folder))}
    return Snapshot(first.settings, first.default, first.enabled, first.profiles, units)


def take(
    folder: DataFolder,
    *policies: str,
    now: dt.datetime = NOW,
    years: float = 10,
    snapshot: Snapshot | None = None,
    settings: Mapping[str, str] | None = None,
) -> Inventory:
    """Take the inventory of a folder by these policies; none: all that are shipped."""
    config = load_config(folder.root, dict(settings or {}))
    with LedgerReader(folder.ledger) as reader:
        return inventory(
            folder,
            config,
            snapshot or activated(folder, config),
            reader,
            [load_policy(name) for name in policies or shipped_policies()],
            now,
            years,
        )


def find(made: Inventory, name: str) -> Asset:
    """Return the asset of an id."""
    (found,) = (each for each in made.assets if each.facts.id == name)
    return found
