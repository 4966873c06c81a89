"""What a dry run found, as one frozen value: nine parts, codes and numbers, never sentences.

Its JSON is the same in every language, and is read back into the same value.
Moments are ISO 8601 in UTC; names of suites, hashes and profiles are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

# Not for the checker alone: pydantic reads the types of the report's fields.
from kokuin.service.migration.report_load import Clients, Measured  # noqa: TC001  # see above
from kokuin.service.migration.report_tokens import Artefacts, Inventory, Renewal  # noqa: TC001  # see above

SCHEMA = 1
"""`schema` of the JSON form; it rises when a field changes its meaning or goes."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One purpose of a profile: what serves it now, and what would; empty where nothing does."""

    purpose: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        """Whether the switch changes it."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class PolicyDiff:
    """Part 1: the profile in force against the one rehearsed.

    Attributes:
        before: the default profile.
        after: the profile rehearsed.
        before_digest: SHA-256 (hex) of the former's TOML.
        after_digest: of the latter's; empty where it cannot be read.
        configuration: digest of the snapshot in force, which the ledger's newest `cfg.activated` leaf names;
            empty where the ledger has none.
        issuing: the policy that decides what is issued at present.
        judged_by: the policy by which this dry run judges.
        edition: of the latter.
        rows: by purpose.
    """

    before: str
    after: str
    before_digest: str
    after_digest: str
    configuration: str
    issuing: str
    judged_by: str
    edition: str
    rows: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Part 5: one link of the chain.

    Attributes:
        item: `ca`, `unit-certificate`, `revocation`, `device`, `key`, `key-backup`.
        subject: the profile whose unit it belongs to.
        state: `ready`, `made-at-switch`, `missing`, `unknown`, `unfit`.
        value: the suite, a date, a mechanism.
    """

    item: str
    subject: str
    state: str
    value: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A code, what it is about, and one line of English that says more."""

    code: str
    subject: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Consequences:
    """Part 8: what stands in the way, what cannot be undone, and the way back."""

    blockers: tuple[Finding, ...]
    irreversible: tuple[Finding, ...]
    rollback: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Bills:
    """Part 9: the cryptography bill of materials (CycloneDX) before and after, and the difference.

    Attributes:
        before: the document as of today.
        after: the document as it would be.
        added: references of components that only the latter has.
        removed: of those that only the former has.
        changed: of those that are described otherwise, as by another state or use.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DryRunReport:
    """All of it.

    Attributes:
        schema: `SCHEMA`.
        kind: always `dry-run`.
        product: name and version of what made it.
        profile: what was rehearsed.
        made: when.
        seconds: how long it took.
        diff: part 1. `inventory` part 2, `artefacts` part 3, `renewal` part 4, `chain` part 5, `measured`
            part 6, `clients` part 7, `consequences` part 8, `bills` part 9.
    """

    schema: int
    kind: str
    product: str
    profile: str
    made: str
    seconds: float
    diff: PolicyDiff
    inventory: Inventory
    artefacts: Artefacts
    renewal: Renewal
    chain: tuple[Readiness, ...]
    measured: Measured
    clients: Clients
    consequences: Consequences
    bills: Bills

    @property
    def possible(self) -> bool:
        """Whether no blocker stands in the way."""
        return not self.consequences.blockers

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        document: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return document


def read_report(document: dict[str, Any]) -> DryRunReport:
    """Read what `DryRunReport.to_dict` made.

    Raises:
        ValueError: it is something else.
    """
    try:
        return _adapter().validate_python(document)
    except ValidationError as error:
        raise ValueError(f"no report of a dry run: {error.error_count()} fields") from None


@cache
def _adapter() -> TypeAdapter[DryRunReport]:
    return TypeAdapter(DryRunReport)
