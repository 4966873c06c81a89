"""What one record must hold, apart from where it stands: the rules for stores and bundles alike.

A leaf is strict, hashes to what the tree has, is not earlier than the one
before, and names a serial number that no other names. Its token is the one
whose hashes the leaf holds, and names the signer whose certificate the leaf
names. Whether signatures verify is asked elsewhere.
"""

from __future__ import annotations

from hashlib import sha256, sha512
from typing import TYPE_CHECKING

from kokuin.ledger.findings import Finding, LedgerFault
from kokuin.ledger.leaf import LeafError, leaf_hash, read_leaf
from kokuin.ledger.serials import SecondLook, SerialWatch
from kokuin.trust.certificate import read_certificate
from kokuin.trust.records import TST_ISSUED
from kokuin.wire import asn1, encode
from kokuin.wire.cms import read_signed_data
from kokuin.wire.der import Fields, Node, children, expect, only_child, read_whole
from kokuin.wire.errors import WireError
from kokuin.wire.token_form import bare_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_WITHIN = {"tst", "tst512", "signer"}
"""Fields that speak of what is within the token."""
_MOST_SIGNERS = 10_000
"""Certificates that are remembered as known or absent: a ledger has some dozens in its life."""


class RecordRules:
    """Judges records in the order of their indexes; of each it remembers eight octets.

    `feed` judges a record and its token; where these come apart, `leaf` and `token` judge each. After the
    last record `second_look` says whether the serial numbers must be looked at once more.
    """

    def __init__(self, certificates: Iterable[bytes] | None = None) -> None:
        """Args: certificates at hand, DER; None: whether a token names the leaf's signer is not asked."""
        self._at = 0
        self._serials = SerialWatch()
        self._signers: dict[str, bytes | None] | None = None
        if certificates is not None:
            self._signers = {}
            for der in certificates:
                self._learn(der)

    def feed(
        self, index: int, leaf: bytes, token: bytes | None, hashed: bytes | None = None
    ) -> list[Finding]:
        """Judge the next record.

        Args:
            index: of the record, for the findings.
            leaf: its octets.
            token: DER of its token's ContentInfo, None when it has none.
            hashed: the leaf's hash in the tree, where it is known.

        Returns:
            What is wrong with it.
        """
        fields, findings = self.leaf(index, leaf, hashed)
        return findings if fields is None else findings + self.token(index, fields, token)

    def leaf(
        self, index: int, leaf: bytes, hashed: bytes | None = None
    ) -> tuple[Mapping[str, Any] | None, list[Finding]]:
        """Judge the next record's leaf; return its fields, None when it is no leaf, and what is wrong."""
        findings = []
        if hashed is not None and leaf_hash(leaf) != hashed:
            findings.append(Finding(LedgerFault.RECORD_CHANGED, index, "its hash is another"))
        try:
            fields = read_leaf(leaf)
        except LeafError as error:
            return None, [*findings, Finding(LedgerFault.RECORD_FORM, index, str(error))]
        at, serial = fields["at"], fields.get("serial")
        if isinstance(at, int):
            if at < self._at:
                findings.append(Finding(LedgerFault.RECORD_TIME, index, f"{at} after {self._at}"))
            self._at = max(at, self._at)
        if isinstance(serial, str):
            self._serials.add(serial)
        return fields, findings

    def token(self, index: int, fields: Mapping[str, Any], token: bytes | None) -> list[Finding]:
        """Judge the token that stands beside a leaf, or that none does."""
        if token is None:
            missing = fields["kind"] == TST_ISSUED and "tok" in fields
            return [Finding(LedgerFault.TOKEN_MISSING, index)] if missing else []
        if "tok" not in fields:
            return [Finding(LedgerFault.TOKEN_INSERTED, index, "its record names none")]
        try:
            return list(self._judge(index, fields, token))
        except WireError as error:
            return [Finding(LedgerFault.TOKEN_CHANGED, index, f"unreadable: {error}")]

    def second_look(self) -> SecondLook | None:
        """Return None when all serial numbers were unique, else what to look through the records with."""
        suspects = self._serials.suspects()
        return SecondLook(self._serials, suspects) if suspects else None

    def _judge(self, index: int, fields: Mapping[str, Any], token: bytes) -> Iterable[Finding]:
        form = issued_form(token, fields["tok"])
        if form is None:
            yield Finding(LedgerFault.TOKEN_CHANGED, index, "tok")
            return
        if _differs(fields, "tok512", sha512(form).hexdigest()):
            yield Finding(LedgerFault.TOKEN_CHANGED, index, "tok512")
        if not fields.keys() & _WITHIN:
            return
        tst_info, signer = _parts(token)
        for name, algorithm in (("tst", sha256), ("tst512", sha512)):
            if _differs(fields, name, algorithm(tst_info).hexdigest()):
                yield Finding(LedgerFault.TST_INFO_CHANGED, index, name)
        named = fields.get("signer")
        if self._signers is not None and isinstance(named, str):
            fault = self._signer_fault(self._signers, named, signer, token)
            if fault is not None:
                yield Finding(fault, index, named)

    def _signer_fault(
        self, signers: dict[str, bytes | None], named: str, signer: bytes, token: bytes
    ) -> LedgerFault | None:
        if signers.get(named) is None:
            for der in read_signed_data(token).certificates:
                # A token may carry what nobody kept: it is the one that the leaf names, or it is not taken.
                if sha256(der).hexdigest() == named:
                    self._learn(der)
        known = signers.get(named)
        if known is not None:
            return None if known == signer else LedgerFault.SIGNER_CHANGED
        # Said once of each certificate, not at every token of its life.
        new = named not in signers
        if len(signers) < _MOST_SIGNERS:
            signers[named] = None
        return LedgerFault.SIGNER_ABSENT if new else None

    def _learn(self, der: bytes) -> None:
        try:
            certificate = read_certificate(der)
        except WireError:
            return
        if self._signers is not None:
            # As a SignerInfo names its signer (RFC 5652 §10.2.4).
            named = encode.sequence(certificate.issuer, encode.integer(certificate.serial))
            self._signers[sha256(der).hexdigest()] = named


def issued_form(token: bytes, tok: object) -> bytes | None:
    """Return the octets of a token that `tok`, SHA-256 in hex, is of: as it stands, or without unsignedAttrs.

    Raises:
        WireError: they are no token.
    """
    if sha256(token).hexdigest() == tok:
        return token
    bare = bare_token(token)
    return bare if sha256(bare).hexdigest() == tok else None


def _differs(fields: Mapping[str, Any], name: str, value: str) -> bool:
    return name in fields and fields[name] != value


def _parts(token: bytes) -> tuple[bytes, bytes]:
    """Return the TSTInfo and the sid of the first SignerInfo (RFC 5652 §5.1); nothing else is decoded."""
    outer = Fields(read_whole(token, asn1.SEQUENCE))
    outer.take_any()
    body = Fields(expect(only_child(outer.take(asn1.context(0))), asn1.SEQUENCE))
    body.take_any()
    body.take(asn1.SET)
    content = Fields(body.take(asn1.SEQUENCE))
    content.take_any()
    tst_info = asn1.octet_string(only_child(content.take(asn1.context(0))))
    body.optional(asn1.context(0))
    body.optional(asn1.context(1))
    return tst_info, _sid(children(body.take(asn1.SET)))


def _sid(signers: list[Node]) -> bytes:
    if not signers:
        return b""
    fields = Fields(expect(signers[0], asn1.SEQUENCE))
    fields.take_any()
    return fields.take_any().octets
