"""JSON seals found: a JWS taken apart into the facts that judging needs (ETSI TS 119 182-1, RFC 7515).

`find` is the finder of `eseal.values` for JSON. Nothing that a seal names elsewhere is fetched, no key that
comes with the message is used, and whatever is wrong is a check.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eseal.jades_algorithms import ALGORITHMS, is_no_signature, verify
from eseal.jades_content import cover
from eseal.jades_form import JadesError, decode_base64url, encode_base64url, read_jws
from eseal.jades_header import Member, Protected, read_protected
from eseal.jades_stamps import Archive, shown, stamps_of, unsigned_of
from eseal.rules import (
    JWS_CRITICAL,
    JWS_DETACHED,
    JWS_HEADER,
    SEAL_BINDING,
    SEAL_FORM,
    SEAL_REQUIRED,
    SealReason,
)
from eseal.values import (
    MAX_CERTIFICATES,
    MAX_SEALS,
    DigestUse,
    Found,
    FoundSeal,
)
from kokuin.trust.certificate import read_certificate
from kokuin.trust.name import display
from kokuin.trust.report import Limit, SubIndication
from kokuin.trust.rules import Reason
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.errors import WireError
from pqc.policies import Role
from pqc.verifying import SignatureOutcome

if TYPE_CHECKING:
    from eseal.jades_form import Jws, JwsSignature
    from eseal.jades_stamps import Unsigned
    from eseal.values import Content
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.report import Check, ReportValue
    from kokuin.wire.algorithms import AlgorithmIdentifier
    from pqc.verifying import SignatureVerdict

KIND = "jades-seal"
_FORMAT = SubIndication.FORMAT_FAILURE
_CRITICAL = frozenset({SealReason.CRITICAL_UNKNOWN, SealReason.CRITICAL_WRONG})


@dataclass(frozen=True, slots=True)
class _Verified:
    """A signature that was tried: signatureAlgorithm and outcome, or the check that says why it was not."""

    algorithm: AlgorithmIdentifier | None = None
    verdict: SignatureVerdict | None = None
    checks: tuple[Check, ...] = ()


def find(data: bytes, content: Content | None) -> Found | Check:
    """Find the seals of a JWS in any serialisation.

    Args:
        data: any octets; more than MAX_JWS are not looked at.
        content: data beside a detached seal; of several documents a `eseal.jades_content.Documents`, of an
            HTTP message its octets as a file. None: none is at hand.

    Returns:
        The facts; or the check that says why the octets are no JWS.

    Raises:
        OSError: from `content`, and from nothing else.
    """
    try:
        jws = read_jws(data)
    except JadesError as error:
        return SEAL_FORM.failed(error.reason, _FORMAT, what=error.what)
    signatures = jws.signatures[: MAX_SEALS + 1]
    headers = [_read_header(each.protected) for each in signatures]
    members = [_member(header) if isinstance(header, Protected) else None for header in headers]
    archives: dict[bytes, Archive] = {}
    seals = [
        _find_one(jws, signature, header, content, (frozenset(members), archives))
        for signature, header in zip(signatures, headers, strict=True)
    ]
    by_member = dict(zip(members, seals, strict=True))
    whole = tuple(
        replace(seal, required=_required_keys(header, by_member))
        for seal, header in zip(seals, headers, strict=True)
    )
    subject = {"serialization": jws.serialization.value}
    return Found("jws", subject, whole, (*_check_form(jws), *_check_encoding(headers)))


def _read_header(text: str) -> Protected | Check:
    try:
        return read_protected(text)
    except JadesError as error:
        if error.reason in _CRITICAL:
            return JWS_CRITICAL.failed(error.reason, _FORMAT, header=shown(error.what))
        return JWS_HEADER.failed(error.reason, _FORMAT, header=error.what, what=error.what)


def _check_form(jws: Jws) -> tuple[Check, ...]:
    """RFC 7515 §7.2: members that are unknown are ignored, and nobody signed them."""
    ignored = {*jws.ignored, *(name for each in jws.signatures for name in each.ignored)}
    if not ignored:
        return (SEAL_FORM.ok(),)
    return (SEAL_FORM.weak(SealReason.MEMBER_IGNORED, what=shown(", ".join(sorted(ignored)))),)


def _check_encoding(headers: list[Protected | Check]) -> tuple[Check, ...]:
    """RFC 7797 §3: `b64` is the same for all. Attack: to each signature the one payload is another one."""
    found = {header.encoded for header in headers if isinstance(header, Protected)}
    return (JWS_HEADER.failed(SealReason.HEADER_WRONG, _FORMAT, header="b64"),) if len(found) > 1 else ()


def _find_one(
    jws: Jws,
    signature: JwsSignature,
    protected: Protected | Check,
    content: Content | None,
    shared: tuple[frozenset[Member | None], dict[bytes, Archive]],
) -> FoundSeal:
    present, archives = shared
    unsigned = unsigned_of(signature)
    subject: dict[str, ReportValue] = {"serialization": jws.serialization.value}
    if not isinstance(protected, Protected):
        return FoundSeal(KIND, subject, unsigned.certificates, None, (protected, unsigned.check))
    if protected.content_type is not None:
        subject["content_type"] = shown(protected.content_type)
    if protected.commitments:
        subject["commitment"] = [shown(each) for each in protected.commitments]
    signer, binding, uses = _bind(protected, unsigned.certificates)
    covered = cover(protected, jws.payload, content)
    verified = _verify(protected, signature, covered.signed, signer)
    stamps, coverage = stamps_of(protected, signature, unsigned, covered, archives)
    carried = tuple(dict.fromkeys((*protected.chain, *unsigned.certificates)))
    return FoundSeal(
        KIND,
        subject,
        carried[:MAX_CERTIFICATES],
        signer,
        (
            *_check_header(protected),
            unsigned.check,
            *coverage,
            binding,
            *covered.checks,
            *verified.checks,
            *_check_required(protected, present),
        ),
        (*uses, *_digest_of(protected)),
        verified.algorithm,
        verified.verdict,
        protected.claimed_us,
        stamps,
        unsigned.revocation,
        expires_us=protected.expires_us,
        limits=_limits(unsigned),
    )


def _limits(unsigned: Unsigned) -> tuple[Limit, ...]:
    """§5.3.2: a counter-signature says something of this one, and nothing that this one needs."""
    countersigned = any(each.name == "cSig" for each in unsigned.elements)
    return (Limit.COUNTER_SIGNATURES_NOT_JUDGED,) if countersigned else ()


def _check_header(protected: Protected) -> tuple[Check, ...]:
    found = [JWS_HEADER.ok(algorithm=shown(protected.alg)), JWS_CRITICAL.ok()]
    if is_no_signature(protected.alg):
        found[0] = JWS_HEADER.failed(SealReason.ALGORITHM_NOT_ALLOWED, _FORMAT, algorithm=protected.alg)
    elif protected.alg not in ALGORITHMS:
        means = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
        text = shown(protected.alg)
        found[0] = JWS_HEADER.indeterminate(Reason.ALGORITHM_UNKNOWN, means, algorithm=text)
    elif protected.claimed_us is None or protected.outdated:
        found[0] = JWS_HEADER.weak(SealReason.HEADER_OUTDATED, header="iat")
    if protected.policy is not None:
        found.append(JWS_HEADER.weak(SealReason.POLICY_NOT_JUDGED, what=shown(protected.policy)))
    return tuple(found)


def _bind(
    protected: Protected, carried: tuple[bytes, ...]
) -> tuple[Certificate | None, Check, tuple[DigestUse, ...]]:
    """Find the certificate that the protected header names: by its thumbprint, or by carrying it."""
    thumbprint, chain = protected.thumbprint, protected.chain
    digest = None if thumbprint is None else thumbprint.digest
    uses: tuple[DigestUse, ...] = ()
    if digest is not None:
        uses = (DigestUse(SEAL_BINDING, DIGEST_BY_NAME[digest].oid, Role.CERTIFICATE_ID),)
    absent = SubIndication.NO_SIGNING_CERTIFICATE_FOUND
    if thumbprint is None and not chain:
        return None, SEAL_BINDING.indeterminate(SealReason.BINDING_ABSENT, absent), uses
    if thumbprint is not None and digest is None and not chain:
        means = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
        return None, SEAL_BINDING.indeterminate(Reason.DIGEST_UNKNOWN, means, algorithm="?"), uses
    if thumbprint is not None and digest is not None:
        named = [each for each in chain[:1] or carried if thumbprint.fits(each)]
    else:
        named = list(chain[:1])
    if not named and chain:
        # Attack: another certificate of the same key, or of somebody else, is shown as the signer's.
        means = SubIndication.SIG_CONSTRAINTS_FAILURE
        return None, SEAL_BINDING.failed(SealReason.BINDING_DIFFERS, means), uses
    if not named:
        return None, SEAL_BINDING.indeterminate(Reason.CERTIFICATE_ABSENT, absent), uses
    try:
        signer = read_certificate(named[0])
    except WireError:
        return None, SEAL_BINDING.failed(SealReason.SYNTAX, _FORMAT, what="x5c"), uses
    return signer, SEAL_BINDING.ok(certificate=display(signer.subject)), uses


def _verify(
    protected: Protected, signature: JwsSignature, signed: bytes | None, signer: Certificate | None
) -> _Verified:
    """RFC 7515 §5.2, with the signer's certificate and no other key."""
    try:
        value = decode_base64url(signature.signature, "signature")
    except JadesError as error:
        return _Verified(checks=(SEAL_FORM.failed(error.reason, _FORMAT, what=error.what),))
    if signer is None or signed is None or protected.alg not in ALGORITHMS:
        return _Verified()
    message = signature.protected.encode() + b"." + signed
    algorithm, verdict = verify(protected.alg, signer.public_key, message, value)
    if algorithm is None and verdict.outcome is SignatureOutcome.MALFORMED:
        text = shown(protected.alg)
        check = JWS_HEADER.failed(SealReason.ALGORITHM_NOT_ALLOWED, _FORMAT, algorithm=text)
        return _Verified(checks=(check,))
    return _Verified(algorithm, verdict)


def _digest_of(protected: Protected) -> tuple[DigestUse, ...]:
    references = protected.references
    if references is None or references.digest is None:
        return ()
    return (DigestUse(JWS_DETACHED, DIGEST_BY_NAME[references.digest].oid, Role.SIGNATURE_DIGEST),)


def _member(protected: Protected) -> Member | None:
    thumbprint = protected.thumbprint
    if thumbprint is None or thumbprint.digest != "sha256":
        return None
    return Member(protected.alg, encode_base64url(thumbprint.value))


def _check_required(protected: Protected, present: frozenset[Member | None]) -> tuple[Check, ...]:
    """Every signature that this one names is there; whether it is valid is judged with all of them."""
    if not protected.required:
        return ()
    missing = [each.alg for each in protected.required if each not in present]
    means = SubIndication.SIG_CONSTRAINTS_FAILURE
    if missing:
        # Attack: the half that cannot be forged was taken away.
        names = [shown(each) for each in missing]
        return (SEAL_REQUIRED.failed(SealReason.REQUIRED_SEAL_ABSENT, means, algorithms=names),)
    if _member(protected) not in protected.required:
        return (SEAL_REQUIRED.failed(SealReason.REQUIRED_SETS_DIFFER, means),)
    return (SEAL_REQUIRED.ok(),)


def _required_keys(protected: Protected | Check, seals: dict[Member | None, FoundSeal]) -> tuple[str, ...]:
    """Return the required set by kinds of keys, as `FoundSeal.required` has them."""
    if not isinstance(protected, Protected):
        return ()
    found = []
    for each in protected.required:
        seal = seals.get(each)
        key = seal.signature.key if seal is not None and seal.signature is not None else None
        known = ALGORITHMS.get(each.alg)
        kinds = list(known.keys) if known is not None else []
        found.append(key.name if key is not None else kinds[0] if len(kinds) == 1 else shown(each.alg))
    return tuple(found)
