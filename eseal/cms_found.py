"""What one SignerInfo says and shows, for PAdES and CAdES alike: content, binding, claimed time, signature.

Nothing here depends on whom the verifier trusts, on a policy or on the time (RFC 5652 §5, RFC 5035 §5.4).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.rules import SEAL_BINDING, SEAL_CONTENT, SealReason
from eseal.values import MAX_CERTIFICATES, DigestUse
from kokuin.trust.certificate import read_certificate
from kokuin.trust.fitness import PURE_DIGESTS
from kokuin.trust.judge import verify_signer_info
from kokuin.trust.name import display
from kokuin.trust.report import Check, SubIndication
from kokuin.trust.rules import DIGEST_ALGORITHM, SIGNED_CONTENT_TYPE, SIGNING_TIME, Reason
from kokuin.trust.signer import all_named, is_pinned, naming_attributes, read_ids
from kokuin.trust.token_checks import judge_algorithm_protection
from kokuin.trust.token_subject import read_signing_time
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_OID
from kokuin.wire.errors import WireError
from pqc.policies import Role
from pqc.verifying import verify_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kokuin.trust.certificate import Certificate
    from kokuin.wire.algorithms import AlgorithmIdentifier
    from kokuin.wire.cms import SignerInfo
    from pqc.verifying import SignatureVerdict


@dataclass(frozen=True, slots=True)
class FoundSigner:
    """What a SignerInfo is found to be; the fields are those of `eseal.values.FoundSeal`.

    Attributes:
        signer: the certificate that the signed attributes name, or that the sid names where they name none
            (then a check says that the signature is bound to no certificate); None: not at hand.
        checks: in order.
        digests: over the content, and of the certificate's id.
        signature_algorithm: signatureAlgorithm.
        signature: None: there is no certificate to try it with, or there are no signed attributes.
        claimed_us: signing-time, microseconds since 1970 UTC.
    """

    signer: Certificate | None
    checks: tuple[Check, ...]
    digests: tuple[DigestUse, ...]
    signature_algorithm: AlgorithmIdentifier
    signature: SignatureVerdict | None
    claimed_us: int | None


def find_signer(
    info: SignerInfo,
    content_type: str,
    certificates: Sequence[Certificate],
    content: Callable[[str], bytes] | None,
) -> FoundSigner:
    """Collect the facts of one SignerInfo.

    Args:
        info: as it was read.
        content_type: eContentType, dotted.
        certificates: among which the signer is looked for.
        content: digest of the sealed data by the name of the algorithm; None: it is not at hand.

    Raises:
        OSError: from `content`.
    """
    signer, binding, ids = _bind(info, certificates)
    times = info.signed_values(oids.ID_SIGNING_TIME)
    checks = (
        _judge_content_type(info, content_type),
        _judge_content(info, content),
        judge_algorithm_protection(info),
        *_judge_digest_length(info),
        binding,
        *_judge_signing_time(info),
    )
    over = DigestUse(DIGEST_ALGORITHM, info.digest_algorithm.oid, Role.SIGNATURE_DIGEST)
    return FoundSigner(
        signer,
        checks,
        (over, *ids),
        info.signature_algorithm,
        None if signer is None else verify_signer_info(info, signer),
        read_signing_time(times),
    )


def find_bare_signer(info: SignerInfo, certificates: Sequence[Certificate], octets: bytes) -> FoundSigner:
    """Collect the facts of a SignerInfo without signed attributes, which signs the content (RFC 5652 §5.4).

    Args:
        info: as it was read; it has none.
        certificates: among which the signer is looked for.
        octets: the content.
    """
    named = all_named(info.sid, certificates)
    signer = named[0] if len(named) == 1 else None
    digest = DIGEST_BY_OID.get(info.digest_algorithm.oid)
    verdict = None
    if signer is not None:
        verdict = verify_signature(
            public_key_der=signer.public_key,
            algorithm=info.signature_algorithm,
            digest=None if digest is None else digest.name,
            message=octets,
            signature=info.signature,
        )
    over = DigestUse(DIGEST_ALGORITHM, info.digest_algorithm.oid, Role.SIGNATURE_DIGEST)
    return FoundSigner(signer, (_unbound(),), (over,), info.signature_algorithm, verdict, None)


def _unbound() -> Check:
    return SEAL_BINDING.indeterminate(SealReason.BINDING_ABSENT, SubIndication.SIG_CONSTRAINTS_FAILURE)


def read_certificates(octets: Iterable[bytes]) -> tuple[tuple[Certificate, ...], bool]:
    """Return the first MAX_CERTIFICATES that can be read, each once, and whether any was left out."""
    found = list(dict.fromkeys(octets))
    certificates = []
    for der in found[:MAX_CERTIFICATES]:
        with contextlib.suppress(WireError):
            certificates.append(read_certificate(der))
    return tuple(certificates), len(certificates) < len(found)


def _judge_content_type(info: SignerInfo, content_type: str) -> Check:
    """RFC 5652 §11.1: the signed content-type binds the signature to this use of the octets."""
    values = info.signed_values(oids.ID_CONTENT_TYPE)
    if values is None or len(values) != 1:
        return SIGNED_CONTENT_TYPE.failed(Reason.ATTRIBUTE_ABSENT, SubIndication.FORMAT_FAILURE)
    if values[0] != encode.oid(content_type):
        return SIGNED_CONTENT_TYPE.failed(Reason.ATTRIBUTE_DIFFERS, SubIndication.FORMAT_FAILURE)
    return SIGNED_CONTENT_TYPE.ok()


def _judge_content(info: SignerInfo, content: Callable[[str], bytes] | None) -> Check:
    """RFC 5652 §11.2: the signed message-digest is the digest of the sealed data."""
    claimed = info.message_digest()
    if claimed is None:
        return SEAL_CONTENT.failed(Reason.ATTRIBUTE_ABSENT, SubIndication.FORMAT_FAILURE)
    if content is None:
        return SEAL_CONTENT.indeterminate(SealReason.SEALED_DATA_ABSENT, SubIndication.SIGNED_DATA_NOT_FOUND)
    algorithm = info.digest_algorithm.oid
    digest = DIGEST_BY_OID.get(algorithm)
    if digest is None:
        return SEAL_CONTENT.indeterminate(
            Reason.DIGEST_UNKNOWN, SubIndication.CRYPTO_CONSTRAINTS_FAILURE, algorithm=algorithm
        )
    found = content(digest.name)
    if len(found) != digest.size:
        # A digest that was made by another algorithm says nothing about the data.
        return SEAL_CONTENT.indeterminate(
            Reason.DIGEST_LENGTH, SubIndication.SIGNED_DATA_NOT_FOUND, algorithm=digest.name
        )
    if found != claimed:
        return SEAL_CONTENT.failed(SealReason.SEALED_DATA_CHANGED, SubIndication.HASH_FAILURE)
    return SEAL_CONTENT.ok(algorithm=digest.name)


def _judge_digest_length(info: SignerInfo) -> tuple[Check, ...]:
    """RFC 9882 §3.3: the digest over the content is as strong as a post-quantum signature over it."""
    fitting = PURE_DIGESTS.get(info.signature_algorithm.oid)
    digest = DIGEST_BY_OID.get(info.digest_algorithm.oid)
    if fitting is None or digest is None or digest.name in fitting:
        return ()
    means = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
    return (DIGEST_ALGORITHM.failed(Reason.DIGEST_TOO_SHORT, means, algorithm=digest.name),)


def _bind(
    info: SignerInfo, certificates: Sequence[Certificate]
) -> tuple[Certificate | None, Check, tuple[DigestUse, ...]]:
    """Find the certificate that the signed attributes name by its digest.

    The sid can be claimed by any certificate that somebody adds with the same issuer and number, or for the
    same key.
    """
    named = all_named(info.sid, certificates)
    naming = naming_attributes(info)
    if not naming:
        return (named[0] if len(named) == 1 else None), _unbound(), ()
    attributes = read_ids(naming)
    if isinstance(attributes, Check):
        return None, attributes, ()
    ids = [found[0] for found in attributes]
    uses = tuple(DigestUse(SEAL_BINDING, found.digest_oid, Role.CERTIFICATE_ID) for found in ids[-1:])
    unknown = [found.digest_oid for found in ids if found.digest_oid not in DIGEST_BY_OID]
    if unknown:
        means = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
        return None, SEAL_BINDING.indeterminate(Reason.DIGEST_UNKNOWN, means, algorithm=unknown[0]), uses
    if not named:
        means = SubIndication.NO_SIGNING_CERTIFICATE_FOUND
        return None, SEAL_BINDING.indeterminate(Reason.CERTIFICATE_ABSENT, means), uses
    for certificate in named:
        if all(is_pinned(found, certificate) for found in ids):
            return certificate, SEAL_BINDING.ok(certificate=display(certificate.subject)), uses
    check = SEAL_BINDING.failed(SealReason.BINDING_DIFFERS, SubIndication.SIG_CONSTRAINTS_FAILURE)
    return None, check, uses


def _judge_signing_time(info: SignerInfo) -> tuple[Check, ...]:
    """RFC 5652 §11.3: one signing-time with one value; with two, nobody knows which the signer meant."""
    if all(each.oid != oids.ID_SIGNING_TIME for each in info.signed_attributes or ()):
        return ()
    if read_signing_time(info.signed_values(oids.ID_SIGNING_TIME)) is None:
        means = SubIndication.SIG_CONSTRAINTS_FAILURE
        return (SIGNING_TIME.indeterminate(Reason.ATTRIBUTE_UNREADABLE, means),)
    return ()
