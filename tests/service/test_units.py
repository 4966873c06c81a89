"""A unit whose tokens would not be accepted is refused before its first token."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from kokuin.service.config import load_config
from kokuin.service.keystore import key_file
from kokuin.service.unit_errors import UnitError
from kokuin.service.units import load_unit
from kokuin.trust.hierarchy import make_development_hierarchy
from kokuin.wire.pem import write_block
from pqc.keyfiles import read_key, write_key
from pqc.profiles import load_shipped
from pqc.suites import SUITES
from tests.pqc.keys import key_of, signer_of
from tests.trust.authorities import EVERY
from tests.trust.forge import AUTHORITY, DAY, UNIT, issue
from tests.units import load_configured_unit
from tsa.decide import IssuingRules

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.running import Prepared

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
QUICK = tuple(each for each in EVERY if not each.startswith(("rsa4096", "slh-dsa")))
"""Their keys or signatures take seconds; what they make is tried in `tests/trust`."""
SERVERS_ONLY = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)


@pytest.mark.parametrize(
    ("extensions", "ends", "reason"),
    [
        (AUTHORITY, NOW + DAY, None),
        (AUTHORITY, NOW - DAY, "OUT_OF_BOUNDS_NO_POE"),
        ((*AUTHORITY, SERVERS_ONLY), NOW + DAY, "CHAIN_CONSTRAINTS_FAILURE"),
    ],
    ids=["sound", "expired authority", "authority for web servers"],
)
def test_a_unit_below_an_authority_that_verifiers_refuse_is_not_loaded(
    extensions: tuple[tuple[x509.ExtensionType, bool], ...],
    ends: dt.datetime,
    reason: str | None,
    folder_of: Callable[[str], Prepared],
) -> None:
    folder = folder_of("classical").folder
    config = load_config(folder.root, {})
    root = issue("Root", None, AUTHORITY, begins=NOW - 9 * DAY, ends=NOW + 9 * DAY)
    authority = issue("Authority", root, extensions, begins=NOW - 9 * DAY, ends=ends)
    key = read_key(config.keys / "unit-classical.pem", None)
    unit = issue("Unit", authority, UNIT, key=key, begins=NOW - DAY, ends=NOW + DAY)
    folder.anchors.write_bytes(root.pem)
    folder.units.write_bytes(unit.pem + authority.pem)
    if reason is None:
        assert load_configured_unit(folder, config).unit.certificate == unit.der
    else:
        with pytest.raises(UnitError, match=reason):
            load_configured_unit(folder, config)


@pytest.mark.parametrize("suite_id", QUICK)
def test_a_unit_of_any_suite_is_loaded_with_its_chain(
    suite_id: str, folder_of: Callable[[str], Prepared]
) -> None:
    folder, suite = folder_of("classical").folder, SUITES[suite_id]
    config = load_config(folder.root, {})
    profile = replace(load_shipped("classical"), tst=suite, certificate=suite)
    rules = IssuingRules(profile.policy(config.arc), frozenset(profile.imprints))
    key_file(config, profile.name).unlink()
    write_key(key_file(config, profile.name), key_of(suite), None)
    made = make_development_hierarchy(
        suite,
        signer_of(suite).public_key,
        now=NOW,
        days=profile.certificate_days,
        key_days=profile.key_days,
    )
    folder.anchors.write_bytes(made.anchor_pem)
    folder.units.write_bytes(made.intermediates_pem + made.unit_pem)
    unit = load_unit(folder, config, profile, rules, None, NOW).unit
    assert unit.certificate == made.unit.der
    assert unit.period.start_us == int((NOW - dt.timedelta(minutes=5)).timestamp()) * 1_000_000
    assert unit.period.end_us == int((NOW + profile.key_days * DAY).timestamp()) * 1_000_000
    other = make_development_hierarchy(suite, signer_of(suite).public_key, now=NOW, days=9, key_days=8)
    folder.anchors.write_bytes(other.anchor_pem)
    with pytest.raises(UnitError, match="does not lead to"):
        load_unit(folder, config, profile, rules, None, NOW)


def test_authorities_that_issue_each_other_lead_nowhere(folder_of: Callable[[str], Prepared]) -> None:
    """The search for a chain must end, and in no token."""
    folder = folder_of("classical").folder
    config = load_config(folder.root, {})
    root = issue("Root", None, AUTHORITY, begins=NOW - 9 * DAY, ends=NOW + 9 * DAY)
    one = issue("One", None, AUTHORITY, begins=NOW - 9 * DAY, ends=NOW + 9 * DAY)
    two = issue("Two", one, AUTHORITY, begins=NOW - 9 * DAY, ends=NOW + 9 * DAY)
    again = issue("One", two, AUTHORITY, key=one.key, begins=NOW - 9 * DAY, ends=NOW + 9 * DAY)
    key = read_key(config.keys / "unit-classical.pem", None)
    unit = issue("Unit", two, UNIT, key=key, begins=NOW - DAY, ends=NOW + DAY)
    folder.anchors.write_bytes(root.pem)
    folder.units.write_bytes(unit.pem + again.pem + two.pem + one.pem)
    with pytest.raises(UnitError, match="CN=Unit, O=Test, C=JP does not lead to"):
        load_configured_unit(folder, config)


def test_a_unit_leads_to_an_anchor_of_the_right_name_and_key_that_is_another(
    folder_of: Callable[[str], Prepared],
) -> None:
    folder = folder_of("classical").folder
    config = load_config(folder.root, {})
    root = issue("Root", None, AUTHORITY, begins=NOW - 9 * DAY, ends=NOW + 9 * DAY)
    namesake = issue("Another", None, AUTHORITY, key=root.key, begins=NOW - 9 * DAY, ends=NOW + 9 * DAY)
    key = read_key(config.keys / "unit-classical.pem", None)
    unit = issue("Unit", root, UNIT, key=key, begins=NOW - DAY, ends=NOW + DAY)
    lonely = issue("Lonely", None, UNIT, key=key, begins=NOW - DAY, ends=NOW + DAY)
    for party, anchor in ((unit, namesake), (lonely, lonely)):
        folder.anchors.write_bytes(anchor.pem)
        folder.units.write_bytes(party.pem)
        with pytest.raises(UnitError, match="does not lead to"):
            load_configured_unit(folder, config)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "cannot be read"),
        (b"no certificate", "cannot be read"),
        (write_block("CERTIFICATE", b"\x30\x00"), "cannot be read"),
        (write_block("X509 CRL", b"\x30\x00"), "holds no certificate"),
        (None, "put the certificates there as PEM"),
    ],
)
def test_certificates_that_cannot_be_read_are_named_by_their_file(
    octets: bytes | None, reason: str, folder_of: Callable[[str], Prepared]
) -> None:
    folder = folder_of("classical").folder
    config = load_config(folder.root, {})
    for path in (folder.units, folder.anchors):
        before = path.read_bytes()
        path.unlink()
        if octets is not None:
            path.write_bytes(octets)
        with pytest.raises(UnitError, match=reason) as refused:
            load_configured_unit(folder, config)
        assert str(path) in str(refused.value)
        path.write_bytes(before)


def test_a_unit_whose_purpose_is_not_time_stamping_alone_is_not_loaded(
    folder_of: Callable[[str], Prepared],
) -> None:
    folder = folder_of("classical").folder
    config = load_config(folder.root, {})
    root = issue("Root", None, AUTHORITY, begins=NOW - 9 * DAY, ends=NOW + 9 * DAY)
    key = read_key(config.keys / "unit-classical.pem", None)
    usage = ExtendedKeyUsageOID.TIME_STAMPING
    folder.anchors.write_bytes(root.pem)
    for purposes, critical in (
        (None, False),
        ([usage], False),
        ([ExtendedKeyUsageOID.SERVER_AUTH], True),
        ([usage, ExtendedKeyUsageOID.SERVER_AUTH], True),
    ):
        extensions = () if purposes is None else ((x509.ExtendedKeyUsage(purposes), critical),)
        unit = issue("Unit", root, (UNIT[1], *extensions), key=key, begins=NOW - DAY, ends=NOW + DAY)
        folder.units.write_bytes(unit.pem)
        with pytest.raises(UnitError, match="critical and alone"):
            load_configured_unit(folder, config)
    late = issue("Late", root, UNIT, key=key, begins=NOW - 2 * DAY, ends=NOW - DAY)
    folder.units.write_bytes(late.pem)
    with pytest.raises(UnitError, match="has expired"):
        load_configured_unit(folder, config)
