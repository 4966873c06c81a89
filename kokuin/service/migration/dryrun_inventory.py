"""Part 2 of a dry run: counts of tokens by purpose, suite, key and expiry, and what nobody can place."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from kokuin.service.migration.dryrun_status import path_of
from kokuin.service.migration.report_tokens import Asset, Count, Inventory, InventoryRow, Unknown
from kokuin.trust.report import iso_time
from kokuin.wire.algorithms import DIGEST_BY_NAME
from pqc.policies import NEVER, Usage
from pqc.suites import SUITES
from pqc.verifying import key_facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kokuin.service.migration import assets
    from kokuin.service.migration.certificates import Found
    from kokuin.service.migration.dryrun_survey import Cohort, Survey
    from kokuin.service.migration.inventory import Inventory as FolderInventory
    from kokuin.trust.anchors import TrustStore
    from kokuin.trust.certificate import Certificate


def count(
    survey: Survey, certificates: Sequence[Found], trust: TrustStore, made: FolderInventory
) -> Inventory:
    """Put the ledger's cohorts and the folder's assets together.

    Args:
        survey: the ledger's tokens.
        certificates: of the folder.
        trust: the same as anchors and helpers.
        made: the folder's inventory.
    """
    signers = {each.digest: each.certificate for each in certificates}
    sums: dict[tuple[str, str, str], list[int]] = {}
    imprints: Counter[str] = Counter()
    for cohort in survey.cohorts.values():
        kind = cohort.kind
        _learn(cohort, signers, trust)
        each = sums.setdefault((kind.profile, kind.suite, kind.signer), [0, 0])
        each[0] += cohort.tokens
        each[1] += cohort.octets
        imprints[kind.imprint] += cohort.tokens
    rows = [_row(key, tokens, octets, signers) for key, (tokens, octets) in sums.items()]
    return Inventory(
        leaves=survey.leaves,
        tokens=survey.tokens,
        octets=sum(cohort.octets for cohort in survey.cohorts.values()),
        rows=tuple(sorted(rows, key=lambda row: (-row.tokens, row.profile, row.suite, row.signer))),
        imprints=tuple(Count(*item) for item in sorted(imprints.items())),
        unknown=tuple(_unknown(survey, signers)),
        assets=tuple(_asset(each) for each in made.assets),
    )


def _learn(cohort: Cohort, signers: dict[str, Certificate], trust: TrustStore) -> None:
    """Take a unit's certificate from a token that carries it, when the folder has it no more."""
    if cohort.kind.signer not in signers and cohort.specimen:
        for certificate in path_of(cohort.specimen, trust, cohort.specimen_gen):
            signers.setdefault(hashlib.sha256(certificate.der).hexdigest(), certificate)


def _row(
    key: tuple[str, str, str], tokens: int, octets: int, signers: Mapping[str, Certificate]
) -> InventoryRow:
    profile, suite, signer = key
    certificate = signers.get(signer)
    facts = None if certificate is None else key_facts(certificate.public_key)
    return InventoryRow(
        profile=profile,
        suite=suite,
        signer=signer,
        key="" if facts is None else facts.name,
        expires="" if certificate is None else iso_time(certificate.not_after),
        tokens=tokens,
        octets=octets,
    )


def _unknown(survey: Survey, signers: Mapping[str, Certificate]) -> list[Unknown]:
    found: Counter[tuple[str, str]] = Counter()
    for cohort in survey.cohorts.values():
        kind = cohort.kind
        if kind.suite not in SUITES:
            found["SUITE_UNKNOWN", kind.suite] += cohort.tokens
        if kind.imprint not in DIGEST_BY_NAME:
            found["HASH_UNKNOWN", kind.imprint] += cohort.tokens
        if kind.signer not in signers:
            found["CERTIFICATE_NOT_AT_HAND", kind.signer] += cohort.tokens
        if not cohort.specimen:
            found["TOKEN_NOT_AT_HAND", kind.profile] += cohort.tokens
    unknown = [Unknown(what, value, tokens) for (what, value), tokens in sorted(found.items())]
    if survey.unreadable:
        unknown.append(Unknown("LEAF_UNREADABLE", "", survey.unreadable))
    return unknown


def _asset(asset: assets.Asset) -> Asset:
    lasts = [limit.last for limit in asset.limits if limit.usage is Usage.VERIFY and limit.last is not None]
    last = min(lasts, default=None)
    written = "" if last is None else "never" if last == NEVER else str(last)
    left = None if asset.years_left is None else round(asset.years_left, 2)
    return Asset(asset.facts.id, asset.facts.name, asset.facts.kind.value, written, left)
