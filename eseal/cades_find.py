"""CMS seals found: a SignedData taken apart into the facts that judging needs (RFC 5652, EN 319 122-1).

`find` is the finder of `eseal.values` for CMS. Each SignerInfo is a seal of its own. Counter-signatures are
seals over a seal and say nothing of the data: they are not judged, and named.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from eseal.cades_archive import Digests
from eseal.cades_stamps import find_stamps
from eseal.cms_found import find_signer, read_certificates
from eseal.cms_parts import read_parts
from eseal.cms_several import Signatures
from eseal.rules import SEAL_CONTENT, SEAL_COUNT, SEAL_FORM, SealReason
from eseal.values import MAX_CERTIFICATES, MAX_CMS, MAX_REVOCATION, MAX_SEALS, Found, FoundSeal
from kokuin.trust.context import RevocationData
from kokuin.trust.report import Limit, SubIndication
from kokuin.trust.revocation_sources import held_certificates, held_revocation
from kokuin.trust.rules import VERSIONS, Reason
from kokuin.trust.token import unreadable
from kokuin.trust.token_subject import MAX_LISTED
from kokuin.wire import asn1, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, DIGEST_BY_OID
from kokuin.wire.ber import definite
from kokuin.wire.cms import IssuerAndSerial, read_signed_data
from kokuin.wire.der import Fields, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.header import INDEFINITE, read_header
from kokuin.wire.prescan import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.cms_found import FoundSigner
    from eseal.cms_parts import SignedDataParts
    from eseal.values import Content
    from kokuin.trust.report import Check, ReportValue
    from kokuin.wire.cms import SignedData, SignerInfo

KIND = "cades-seal"
CMS_LIMITS = Limits(size=MAX_CMS, depth=64, elements=400_000)
"""A seal may carry chains, archive time-stamps and long revocation lists: real ones have 310,000 elements."""
_VERSIONS = frozenset({1, 3, 4, 5})
"""Of a SignedData, by what is in it (RFC 5652 §5.1)."""

_PDF_HEAD = 1024
"""Octets in which readers look for the beginning of a PDF."""

_MUST_BE_SIGNED = frozenset({oids.ID_CONTENT_TYPE, oids.ID_MESSAGE_DIGEST, oids.ID_SIGNING_TIME})
"""RFC 5652 §11.1 to §11.3: outside the signature they are anybody's word."""
_MUST_NOT_BE_SIGNED = frozenset({oids.ID_COUNTERSIGNATURE, oids.ID_AA_TIME_STAMP_TOKEN})
"""RFC 5652 §11.4, EN 319 122-1 §5.3: both are over the signature value, so they cannot lie under it."""


def find(data: bytes, content: Content | None) -> Found | Check:
    """Find the seals of a CMS SignedData.

    Args:
        data: any octets, in BER; more than MAX_CMS are not looked at.
        content: data beside a detached seal; None: none is at hand.

    Returns:
        The facts; or the check that says why the octets are no SignedData.

    Raises:
        OSError: from `content`, and from nothing else.
    """
    try:
        octets = definite_cms(data)
        signed_data = read_signed_data(octets)
        parts = read_parts(octets)
        if signed_data.content_type == oids.ID_CT_TST_INFO:
            # An authority signs what others give it: a token is no seal of anybody.
            return SEAL_COUNT.failed(SealReason.NO_SEAL, SubIndication.FORMAT_FAILURE)
        held = parts.held()
        finder = _Finder(parts, signed_data, content if held is None else _of_octets(held))
        seals = tuple(map(finder.find, range(len(parts.signers[: MAX_SEALS + 1]))))
    except WireError as error:
        return unreadable(error)
    subject: dict[str, ReportValue] = {"content_type": signed_data.content_type, "detached": held is None}
    beside = () if held is None or content is None else _compare(_of_octets(held), content, signed_data)
    padding = () if _without_padding(data) is data else (SEAL_FORM.weak(SealReason.SYNTAX, what="padding"),)
    return Found("cms", subject, seals, (*padding, *_judge_tail(octets, held), *beside))


def definite_cms(data: bytes) -> bytes:
    """Return a CMS in BER, which zeros may follow, with definite lengths.

    Raises:
        WireError: as `kokuin.wire.ber.definite`.
    """
    return definite(_without_padding(data), CMS_LIMITS)


def _without_padding(data: bytes) -> bytes:
    """Cut zeros that follow the element: what was copied out of a PDF has them.

    Raises:
        WireError: TOO_LARGE, or the octets begin with no header of an element.
    """
    if len(data) > CMS_LIMITS.size:
        raise WireError(WireCode.TOO_LARGE, CMS_LIMITS.size)
    _, content, length = read_header(data, 0, len(data))
    end = len(data) if length == INDEFINITE else content + length
    return data[:end] if end < len(data) and not data[end:].strip(b"\x00") else data


class _Finder:
    """Finds the seals of one SignedData; what they share is read, and digested, once."""

    def __init__(
        self, parts: SignedDataParts, signed_data: SignedData, content: Callable[[str], bytes] | None
    ) -> None:
        self._parts = parts
        self._signed_data = signed_data
        self._content = None if content is None else functools.cache(content)
        self._digests = Digests(parts)
        self._signers = [self._find_signer(info) for info in signed_data.signer_infos[: MAX_SEALS + 1]]
        infos = zip(signed_data.signer_infos, self._signers, strict=False)
        self._signatures = Signatures([(info, each.signer) for info, each in infos])

    def _find_signer(self, info: SignerInfo) -> FoundSigner:
        certificates, _ = read_certificates(held_certificates(self._signed_data, info))
        return find_signer(info, self._signed_data.content_type, certificates, self._content)

    def find(self, place: int) -> FoundSeal:
        """Return the facts of the SignerInfo at a place.

        Raises:
            WireError: an unsigned attribute cannot be read.
            OSError: from the content.
        """
        info = self._signed_data.signer_infos[place]
        held = held_certificates(self._signed_data, info)
        signer, required = self._signers[place], self._signatures.required_by(place)
        stamps = find_stamps(self._parts, place, info, self._content, self._digests)
        revocation = held_revocation(self._signed_data, info)
        commitments = _commitments(info)
        return FoundSeal(
            KIND,
            {"commitment": commitments} if commitments else {},
            tuple(dict.fromkeys(held))[:MAX_CERTIFICATES],
            signer.signer,
            (*_judge_form(self._signed_data, info), *signer.checks, *required.checks, *stamps.checks),
            digests=signer.digests,
            signature_algorithm=signer.signature_algorithm,
            signature=signer.signature,
            claimed_us=signer.claimed_us,
            stamps=stamps.stamps,
            revocation=RevocationData(revocation.lists[:MAX_REVOCATION], revocation.answers[:MAX_REVOCATION]),
            required=required.keys,
            limits=_limits(info, ignored=read_certificates(held)[1]),
        )


def _of_octets(data: bytes) -> Callable[[str], bytes]:
    return lambda algorithm: DIGEST_BY_NAME[algorithm].of(data)


def _compare(
    held: Callable[[str], bytes], content: Callable[[str], bytes], signed_data: SignedData
) -> tuple[Check, ...]:
    """Hold data that was given against the sealed data inside.

    Attack: a seal over other data is shown beside the data that somebody is to believe in.
    """
    named = (DIGEST_BY_OID.get(info.digest_algorithm.oid) for info in signed_data.signer_infos)
    digest = next((each for each in named if each is not None), DIGEST_BY_NAME["sha256"])
    given = content(digest.name)
    if len(given) != digest.size:
        means = SubIndication.SIGNED_DATA_NOT_FOUND
        return (SEAL_CONTENT.indeterminate(Reason.DIGEST_LENGTH, means, algorithm=digest.name),)
    if given != held(digest.name):
        return (SEAL_CONTENT.failed(SealReason.SEALED_DATA_TWICE, SubIndication.HASH_FAILURE),)
    return (SEAL_CONTENT.ok(algorithm=digest.name),)


def _judge_tail(octets: bytes, held: bytes | None) -> tuple[Check, ...]:
    """Judge whether a PDF inside goes on behind what is sealed.

    Attack: readers of PDF skip what is before and begin at the end, where unsigned attributes hold an update.
    """
    if held is None or b"%PDF-" not in held[:_PDF_HEAD]:
        return ()
    behind = octets[octets.find(held) + len(held) :]
    if b"startxref" not in behind and b"%%EOF" not in behind:
        return ()
    return (SEAL_CONTENT.indeterminate(SealReason.SEALED_DATA_TWICE, SubIndication.FORMAT_FAILURE),)


def _judge_form(signed_data: SignedData, info: SignerInfo) -> tuple[Check, ...]:
    """Versions that follow from what is there, and attributes where they may stand."""
    expected = 1 if isinstance(info.sid, IssuerAndSerial) else 3
    odd = info.version != expected or signed_data.version not in _VERSIONS
    versions = VERSIONS.ok()
    if odd:
        found = {"signed_data": signed_data.version, "signer_info": info.version}
        versions = VERSIONS.weak(Reason.UNEXPECTED_VERSION, **found)
    signed = {each.oid for each in info.signed_attributes or ()}
    unsigned = {each.oid for each in info.unsigned_attributes}
    misplaced = sorted((signed & _MUST_NOT_BE_SIGNED) | (unsigned & _MUST_BE_SIGNED))
    form = SEAL_FORM.ok()
    if misplaced:
        # Nothing is read from there.
        form = SEAL_FORM.weak(SealReason.FORBIDDEN_ATTRIBUTE, attribute=misplaced[0])
    return (versions, form, *_judge_policy(info))


def _judge_policy(info: SignerInfo) -> tuple[Check, ...]:
    """EN 319 122-1 §5.2.9.1: a signature policy may ask for more than anybody looks at here."""
    for value in info.signed_values(oids.ID_AA_ETS_SIG_POLICY_ID) or ():
        try:
            named = asn1.oid(Fields(read_whole(value, asn1.SEQUENCE)).take_any())
        except WireError:
            named = "?"
        return (SEAL_FORM.weak(SealReason.POLICY_NOT_JUDGED, what=named),)
    return ()


def _commitments(info: SignerInfo) -> list[str]:
    """Commitment types (EN 319 122-1 §5.2.3) as claimed, dotted."""
    found = []
    for value in info.signed_values(oids.ID_AA_ETS_COMMITMENT_TYPE) or ():
        with contextlib.suppress(WireError):
            found.append(asn1.oid(Fields(read_whole(value, asn1.SEQUENCE)).take_any()))
    return found[:MAX_LISTED]


def _limits(info: SignerInfo, *, ignored: bool) -> tuple[Limit, ...]:
    unsigned = {each.oid for each in info.unsigned_attributes}
    countered = oids.ID_COUNTERSIGNATURE in unsigned
    evidenced = not unsigned.isdisjoint({oids.ID_AA_ER_INTERNAL, oids.ID_AA_ER_EXTERNAL})
    return (
        *((Limit.CERTIFICATES_IGNORED,) if ignored else ()),
        *((Limit.COUNTER_SIGNATURES_NOT_JUDGED,) if countered else ()),
        *((Limit.EVIDENCE_WITHIN_NOT_JUDGED,) if evidenced else ()),
    )
