"""What a certificate states of its standing in law: qcStatements (RFC 3739 §3.2.6, EN 319 412-5).

A certificate that says more than is true harms whoever relies on it. So nothing is stated but what a seal
profile spells out, and what only a supervised authority may say goes into requests alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.wire import asn1, encode, oids
from kokuin.wire.der import Fields, Node, children, expect, read_whole
from kokuin.wire.tsp import Extension

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kokuin.trust.certificate import Certificate

_PKIX_SYNTAX_V2 = "1.3.6.1.5.5.7.11.2"
_LEGAL_PERSON = "0.4.0.194121.1.2"
_COMPLIANCE = "0.4.0.1862.1.1"
_RETENTION = "0.4.0.1862.1.3"
_DEVICE = "0.4.0.1862.1.4"
_PDS = "0.4.0.1862.1.5"
_TYPE = "0.4.0.1862.1.6"
_TYPE_SEAL = "0.4.0.1862.1.6.2"
_LEGISLATION = "0.4.0.1862.1.7"

MAX_STATEMENTS = 32


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Where a statement of the authority's practice lies, and in which language (ISO 639-1)."""

    url: str
    language: str


@dataclass(frozen=True, slots=True)
class QcStatements:
    """What is stated (EN 319 412-5 §4).

    Attributes:
        compliance: QcCompliance: as the law wants it: Regulation (EU) No 910/2014, or that of `legislation`.
        device: QcSSCD: the key is in a device that the law asks for.
        seal: QcType is eseal alone.
        legislation: QcCClegislation: countries, two letters each; empty: not said.
        retention_years: QcRetentionPeriod: for how long the authority keeps its records; None: not said.
        disclosures: QcPDS.
    """

    compliance: bool = False
    device: bool = False
    seal: bool = False
    legislation: tuple[str, ...] = ()
    retention_years: int | None = None
    disclosures: tuple[Disclosure, ...] = ()

    @property
    def supervised(self) -> bool:
        """Whether something is stated that only an authority under supervision may say."""
        return self.compliance or self.device

    def extension(self) -> Extension:
        """The extension, not critical, with the meaning of the subject's identifier (EN 319 412-1 §5.1)."""
        return Extension(oids.ID_PE_QC_STATEMENTS, critical=False, value=encode.sequence(*self._statements()))

    def _statements(self) -> Iterable[bytes]:
        yield _statement(_PKIX_SYNTAX_V2, encode.sequence(encode.oid(_LEGAL_PERSON)))
        if self.compliance:
            yield _statement(_COMPLIANCE)
        if self.device:
            yield _statement(_DEVICE)
        if self.seal:
            yield _statement(_TYPE, encode.sequence(encode.oid(_TYPE_SEAL)))
        if self.legislation:
            yield _statement(_LEGISLATION, encode.sequence(*map(encode.printable_string, self.legislation)))
        if self.retention_years is not None:
            yield _statement(_RETENTION, encode.integer(self.retention_years))
        if self.disclosures:
            places = (
                encode.sequence(_ia5_string(each.url), encode.printable_string(each.language))
                for each in self.disclosures
            )
            yield _statement(_PDS, encode.sequence(*places))


def read_statements(certificate: Certificate) -> QcStatements | None:
    """Return what a certificate states; None: it has no such extension. What is unknown here is left out.

    Raises:
        WireError: the extension cannot be read.
    """
    extension = certificate.extensions.get(oids.ID_PE_QC_STATEMENTS)
    if extension is None:
        return None
    found: dict[str, Node | None] = {}
    for each in children(read_whole(extension.value, asn1.SEQUENCE))[:MAX_STATEMENTS]:
        kind, *info = children(expect(each, asn1.SEQUENCE)) or [each]
        found[asn1.oid(kind)] = info[0] if info else None
    types = [asn1.oid(each) for each in _inside(found.get(_TYPE))]
    retention = found.get(_RETENTION)
    return QcStatements(
        compliance=_COMPLIANCE in found,
        device=_DEVICE in found,
        seal=types == [_TYPE_SEAL],
        legislation=tuple(asn1.text(each) for each in _inside(found.get(_LEGISLATION))),
        retention_years=None if retention is None else asn1.integer(retention),
        disclosures=tuple(_disclosure(each) for each in _inside(found.get(_PDS))),
    )


def _inside(node: Node | None) -> list[Node]:
    return [] if node is None else list(children(expect(node, asn1.SEQUENCE)))[:MAX_STATEMENTS]


def _disclosure(node: Node) -> Disclosure:
    fields = Fields(expect(node, asn1.SEQUENCE))
    return Disclosure(asn1.text(fields.take_any()), asn1.text(fields.take_any()))


def _statement(kind: str, info: bytes = b"") -> bytes:
    return encode.sequence(encode.oid(kind), info)


def _ia5_string(text: str) -> bytes:
    return encode.tlv(0x16, text.encode("ascii"))
