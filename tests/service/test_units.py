"""A unit whose tokens would not be accepted is refused before its first token."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from kokuin.service.config import load_config
from kokuin.service.units import UnitError
from pqc.keyfiles import read_key
from tests.trust.forge import AUTHORITY, DAY, UNIT, issue
from tests.units import load_configured_unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.running import Prepared

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
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
