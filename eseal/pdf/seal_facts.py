"""One signature of a PDF as facts: its dictionary, its CMS, its time-stamps (ETSI EN 319 142-1 §5, §6)."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from eseal.cades_archive import Digests
from eseal.cades_stamps import find_stamps
from eseal.cms_found import find_bare_signer, find_signer, read_certificates
from eseal.cms_parts import read_parts
from eseal.pdf.contents import read_contents
from eseal.pdf.objects import as_text
from eseal.rules import PDF_DICTIONARY, SEAL_BINDING, SEAL_CONTENT, SEAL_FORM, SealReason
from eseal.values import MAX_CERTIFICATES, MAX_REVOCATION, MAX_STAMPS, FoundSeal
from kokuin.trust.context import RevocationData
from kokuin.trust.report import Limit, SubIndication
from kokuin.trust.revocation_sources import held_certificates, held_revocation
from kokuin.trust.token import unreadable
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.cms_found import FoundSigner
    from eseal.pdf.coverage import Coverage
    from eseal.pdf.fields import Signature
    from eseal.pdf.store import SecurityStore
    from eseal.values import Stamp
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.report import Check, ReportValue
    from kokuin.wire.cms import SignedData, SignerInfo

KIND = "pades-seal"
_PADES = "ETSI.CAdES.detached"
_DETACHED = frozenset({_PADES, "adbe.pkcs7.detached"})
_OVER_SHA1 = "adbe.pkcs7.sha1"
"""Old: the CMS holds the SHA-1 digest of what is covered (ISO 32000-1 §12.8.3.3)."""
_DATE = re.compile(
    r"D:(\d{4})(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d))?)?)?)?(?:Z|([+-])(\d\d)'?(?:(\d\d)'?)?)?", re.ASCII
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def unread_seal(signature: Signature, checks: tuple[Check, ...]) -> FoundSeal:
    """A seal of which nothing can be told but why."""
    return FoundSeal(KIND, _subject(signature), (), None, checks)


class SealReader:
    """Reads one seal."""

    def __init__(self, signature: Signature, coverage: Coverage, store: SecurityStore) -> None:
        self._signature = signature
        self._coverage = coverage
        self._store = store
        self._digest = functools.cache(coverage.digest)
        self._inside: frozenset[bytes] = frozenset()

    @staticmethod
    def token(coverage: Coverage) -> bytes:
        """Return a document time-stamp without its padding; as it is where it cannot be read."""
        try:
            return read_contents(coverage.contents)[0]
        except WireError:
            return coverage.contents

    def read(self, checks: tuple[Check, ...]) -> FoundSeal:
        """Return the facts, those of the document's later revisions (`checks`) among them."""
        found = unread_seal(self._signature, checks)
        kind = self._signature.dictionary.get("SubFilter")
        if kind not in {*_DETACHED, _OVER_SHA1}:
            means = SubIndication.FORMAT_FAILURE
            check = PDF_DICTIONARY.indeterminate(SealReason.SYNTAX, means, what="SubFilter")
            return replace(found, before=(*checks, check))
        try:
            octets, padded = read_contents(self._coverage.contents)
            return self._read(found, octets, padded=padded)
        except WireError as error:
            return replace(found, before=(*checks, unreadable(error)))

    def _read(self, found: FoundSeal, octets: bytes, *, padded: bool) -> FoundSeal:
        signed_data = read_signed_data(octets)
        form = self._judge_form(signed_data, padded=padded)
        if len(signed_data.signer_infos) != 1:
            return replace(found, before=(*found.before, *form))
        info = signed_data.signer_infos[0]
        parts = read_parts(octets)
        content, more = self._content(signed_data)
        inside, own = held_certificates(signed_data, info), held_revocation(signed_data, info)
        self._inside = frozenset((*inside, *own.lists, *own.answers))
        held = (*inside, *self._store.certificates)
        certificates, ignored = read_certificates(held)
        signer = self._find_signer(signed_data, info, certificates, content)
        stamps = find_stamps(parts, 0, info, content, Digests(parts))
        revocation = own.with_more(self._store.revocation)
        return replace(
            found,
            certificates=tuple(dict.fromkeys(held))[:MAX_CERTIFICATES],
            signer=signer.signer,
            before=(*found.before, *form, *more, *signer.checks, *stamps.checks),
            digests=signer.digests,
            signature_algorithm=signer.signature_algorithm,
            signature=signer.signature,
            claimed_us=self._claimed(signer.claimed_us),
            stamps=stamps.stamps,
            revocation=RevocationData(revocation.lists[:MAX_REVOCATION], revocation.answers[:MAX_REVOCATION]),
            limits=(Limit.CERTIFICATES_IGNORED,) if ignored or self._store.ignored else (),
        )

    def with_stamps(self, found: FoundSeal, stamps: tuple[Stamp, ...]) -> FoundSeal:
        """Return the facts with the document time-stamps that cover the seal, and all that is in it."""
        whole = tuple(replace(each, covered=each.covered | self._inside) for each in stamps)
        return replace(found, stamps=(*found.stamps, *whole)[: MAX_STAMPS + 1])

    def _find_signer(
        self,
        signed_data: SignedData,
        info: SignerInfo,
        certificates: tuple[Certificate, ...],
        content: Callable[[str], bytes],
    ) -> FoundSigner:
        """Find who signed; the kinds before PAdES know no attribute that names a certificate (§12.8.3.3).

        What they say of the signer rests on issuer and serial number alone, which is a weakness. PAdES wants
        the attribute (EN 319 142-1 §6.3), and a signature without any attribute says nothing of itself.
        """
        kind = self._signature.dictionary.get("SubFilter")
        if info.signed_attributes is None and kind != _PADES:
            octets = self._coverage.octets if kind in _DETACHED else signed_data.content or b""
            return find_bare_signer(info, certificates, octets)
        found = find_signer(info, signed_data.content_type, certificates, content)
        if kind == _PADES or found.signer is None:
            return found
        unbound = SEAL_BINDING.weak(SealReason.BINDING_ABSENT)
        checks = (unbound if each.reason == SealReason.BINDING_ABSENT else each for each in found.checks)
        return replace(found, checks=tuple(checks))

    def _content(self, signed_data: SignedData) -> tuple[Callable[[str], bytes], tuple[Check, ...]]:
        if self._signature.dictionary.get("SubFilter") != _OVER_SHA1:
            return self._digest, ()
        held = signed_data.content or b""
        if held != hashlib.sha1(self._coverage.octets, usedforsecurity=False).digest():
            check = SEAL_CONTENT.failed(SealReason.SEALED_DATA_CHANGED, SubIndication.HASH_FAILURE)
        else:
            means = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
            check = SEAL_CONTENT.indeterminate(SealReason.SYNTAX, means, what=_OVER_SHA1)
        return (lambda algorithm: DIGEST_BY_NAME[algorithm].of(held)), (check,)

    def _judge_form(self, signed_data: SignedData, *, padded: bool) -> tuple[Check, ...]:
        """One SignerInfo, nothing inside but what the kind wants (EN 319 142-1 §5.2)."""
        means = SubIndication.FORMAT_FAILURE
        dictionary = self._signature.dictionary
        if len(signed_data.signer_infos) != 1:
            form = SEAL_FORM.failed(SealReason.SYNTAX, means, what="SignerInfo")
        elif dictionary.get("SubFilter") in _DETACHED and signed_data.content is not None:
            # Attack: the digest would be of what is inside and say nothing of the document.
            form = SEAL_FORM.failed(SealReason.SEALED_DATA_TWICE, means)
        elif signed_data.content_type != oids.ID_DATA:
            form = SEAL_FORM.failed(SealReason.SYNTAX, means, what="content-type")
        else:
            form = SEAL_FORM.ok()
        entries = PDF_DICTIONARY.ok()
        if dictionary.twice:
            entries = PDF_DICTIONARY.indeterminate(SealReason.SYNTAX, means, what="twice")
        elif not padded:
            entries = PDF_DICTIONARY.weak(SealReason.SYNTAX, what="padding")
        elif dictionary.get("SubFilter") != _PADES:
            entries = PDF_DICTIONARY.weak(SealReason.SYNTAX, what="SubFilter")
        return form, entries

    def _claimed(self, signed: int | None) -> int | None:
        """EN 319 142-1 §5.3: the entry M; the attribute signing-time where an older kind has it."""
        own = read_date(as_text(self._signature.dictionary.get("M")))
        return signed if own is None else own


def _subject(signature: Signature) -> dict[str, ReportValue]:
    found: dict[str, ReportValue] = {"field": signature.field.name[:256]}
    for key, name in (
        ("Reason", "reason"),
        ("Location", "location"),
        ("Name", "name"),
        ("SubFilter", "sub_filter"),
    ):
        text = as_text(signature.dictionary.get(key))
        if text:
            found[name] = text
    return found


def read_date(text: str | None) -> int | None:
    """Return a date (ISO 32000-2 §7.9.4) in microseconds since 1970 UTC; None of another text."""
    match = _DATE.match(text or "")
    if match is None:
        return None
    parts = [
        int(part) if part else default
        for part, default in zip(match.groups()[:6], (1, 1, 1, 0, 0, 0), strict=True)
    ]
    try:
        found = dt.datetime(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], tzinfo=dt.UTC)
        if match[7]:
            shift = dt.timedelta(hours=int(match[8]), minutes=int(match[9] or 0))
            found = found - shift if match[7] == "+" else found + shift
        return (found - _EPOCH) // dt.timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None
