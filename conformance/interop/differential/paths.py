"""Right tokens below paths that are unusual or wrong; a name says what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.trust import forge
from tests.trust.forge import AUTHORITY, DAY, NOW, UNIT

if TYPE_CHECKING:
    from tests.trust.forge import Party

_SIGNING = AUTHORITY[1]


@dataclass(frozen=True)
class Made:
    """A token and the root by which it is judged."""

    token: bytes
    root: Party


def paths() -> dict[str, Made]:
    """Return the tokens by what is unusual or wrong above their unit."""
    permitted = x509.NameConstraints([_within("Test")], None)
    other = x509.NameConstraints([_within("Another")], None)
    excluded = x509.NameConstraints(None, [_within("Test")])
    extensions: dict[str, tuple[tuple[x509.ExtensionType, bool], ...]] = {
        "authority without basicConstraints": (_SIGNING,),
        "authority that is none": ((x509.BasicConstraints(ca=False, path_length=None), True),),
        "authority without key usage": AUTHORITY[:1],
        "authority that may not sign certificates": (AUTHORITY[0], (forge.key_usage("crl_sign"), True)),
        "authority for web servers": (*AUTHORITY, (_purposes(ExtendedKeyUsageOID.SERVER_AUTH), False)),
        "authority for time-stamps": (*AUTHORITY, (_purposes(ExtendedKeyUsageOID.TIME_STAMPING), False)),
        "authority for any purpose": (
            *AUTHORITY,
            (_purposes(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE), False),
        ),
        "names permitted": (*AUTHORITY, (permitted, True)),
        "names not permitted": (*AUTHORITY, (other, True)),
        "names excluded": (*AUTHORITY, (excluded, True)),
        "explicit policy that nobody has": (*AUTHORITY, (x509.PolicyConstraints(0, None), True)),
        "unknown critical extension": (
            *AUTHORITY,
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.8"), b"\x05\x00"), True),
        ),
    }
    found = {name: _below(each) for name, each in extensions.items()}
    return {
        **found,
        "authority that has expired": _below(AUTHORITY, ends=NOW - DAY),
        "authority that is not yet valid": _below(AUTHORITY, begins=NOW + DAY),
        "root that has expired": _root(ends=NOW - DAY),
        "path longer than the root allows": _root(x509.BasicConstraints(ca=True, path_length=0)),
        "path as long as the root allows": _root(x509.BasicConstraints(ca=True, path_length=2)),
        "cross-signed authority": _crossed(),
    }


def _below(extensions: tuple[tuple[x509.ExtensionType, bool], ...], **validity: Any) -> Made:
    root = forge.issue("Path root", None, AUTHORITY)
    authority = forge.issue("Path authority", root, extensions, **validity)
    return _token(root, authority)


def _root(constraints: x509.BasicConstraints | None = None, **validity: Any) -> Made:
    extensions = AUTHORITY if constraints is None else ((constraints, True), _SIGNING)
    root = forge.issue("Path root", None, extensions, **validity)
    middle = forge.issue("Path middle", root, AUTHORITY)
    return _token(root, forge.issue("Path authority", middle, AUTHORITY), middle)


def _crossed() -> Made:
    """The authority has one certificate of a root that nobody trusts, and another of the trusted one."""
    root, stranger = (forge.issue(name, None, AUTHORITY) for name in ("Path root", "Stranger"))
    authority = forge.issue("Path authority", root, AUTHORITY)
    crossed = forge.issue("Path authority", stranger, AUTHORITY, key=authority.key)
    return _token(root, crossed, stranger, authority)


def _token(root: Party, authority: Party, *others: Party) -> Made:
    unit = forge.issue("Path unit", authority, UNIT)
    certificates = [unit.der, authority.der, *(party.der for party in others)]
    return Made(forge.order(signer=unit, certificates=certificates).make(), root)


def _within(organisation: str) -> x509.DirectoryName:
    country = x509.NameAttribute(NameOID.COUNTRY_NAME, "JP")
    return x509.DirectoryName(
        x509.Name([country, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)])
    )


def _purposes(*purposes: x509.ObjectIdentifier) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage(purposes)
