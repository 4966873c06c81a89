"""What authentic lists and answers say of one certificate, and why the others say nothing.

Who may speak: the issuer of the certificate, by a list (RFC 5280 §6.3.3 f, g) or
an answer (RFC 6960 §4.2.2.2), and a responder whom that issuer named. A list of
another key under the same name says nothing, whoever certified that key; nor does
one of another authority, even where the certificate points to it (cRLIssuer).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from kokuin.trust.certificate import KEY_USAGE_CRL_SIGN, KEY_USAGE_DIGITAL_SIGNATURE
from kokuin.trust.name import same_name
from kokuin.trust.ocsp import Plain
from kokuin.trust.ocsp_reader import PublishedAnswer, read_answer
from kokuin.trust.revocation_reader import PublishedList, read_revocation_list
from kokuin.trust.rules import Reason
from kokuin.wire import oids
from kokuin.wire.errors import WireError
from pqc.verifying import SignatureOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from kokuin.trust.certificate import Certificate
    from kokuin.trust.context import RevocationData
    from kokuin.trust.ocsp_reader import PublishedStatus
    from kokuin.trust.revocation import Revocation
    from pqc.verifying import SignatureVerdict

_MAX_REMEMBERED = 1_000
"""Certificates about which a shelf remembers what is said."""
_MAX_CONCLUSIONS = 128
"""Units of which it is remembered what follows; for each a few certificates are held on to."""


class Source(StrEnum):
    """What a statement was found in."""

    LIST = "crl"
    ANSWER = "ocsp"


@dataclass(frozen=True, slots=True)
class Signing:
    """A signature that a statement rests on, for the policy to judge: the key, its digest, the algorithm."""

    verdict: SignatureVerdict
    algorithm: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What one authentic list or answer says of a certificate.

    Attributes:
        source: which of the two it is.
        revocation: None: it does not say that the certificate was taken back.
        complete: it would say so. What is not complete can only revoke.
        settled: whether nobody asks if whoever signed it was taken back himself: of the issuer, and of a
            responder with id-pkix-ocsp-nocheck.
        settled_until: until when a list says that he was not, as the times below; None: none does.
        this_update: microseconds since 1970 UTC.
        next_update: likewise; None when absent.
        retained_from: it speaks of certificates that expired from then on, likewise.
        speaker: the responder who signed it; None: the issuer did.
        signings: what it rests on.
        octets: the list or answer (DER) as it was found.
    """

    source: Source
    revocation: Revocation | None
    complete: bool
    settled: bool
    this_update: int
    next_update: int | None
    retained_from: int | None
    speaker: Certificate | None
    signings: tuple[Signing, ...]
    octets: bytes
    settled_until: int | None = None


Heard: TypeAlias = "Statement | Reason"
"""A statement, or why there is none."""

_Read = TypeVar("_Read")


class Shelf:
    """Lists and answers that are at hand, read once; what they say of a certificate is looked up once."""

    def __init__(self, data: RevocationData) -> None:
        """Read what can be read."""
        self._lists = list(_readable(read_revocation_list, data.lists))
        self._answers = list(_readable(read_answer, data.answers))
        self._unreadable = len(self._lists) + len(self._answers) < len(data.lists) + len(data.answers)
        self._heard: dict[tuple[bytes, bytes], tuple[Heard, ...]] = {}
        self._concluded: dict[tuple[Hashable, ...], object] = {}

    def hear(self, certificate: Certificate, issuer: Certificate) -> tuple[Heard, ...]:
        """Return every statement about `certificate`, which `issuer` issued, and why others say nothing."""
        key = (certificate.der, issuer.der)
        found = self._heard.get(key)
        if found is None:
            if len(self._heard) == _MAX_REMEMBERED:
                self._heard.clear()
            found = self._heard[key] = tuple(self._listen(certificate, issuer))
        return found

    def recall(self, key: tuple[Hashable, ...]) -> object | None:
        """Return what was remembered under a key that names all it follows from, beside this shelf."""
        return self._concluded.get(key)

    def remember(self, key: tuple[Hashable, ...], concluded: object) -> None:
        """Keep what was concluded, for as long as the shelf is kept."""
        if len(self._concluded) == _MAX_CONCLUSIONS:
            self._concluded.clear()
        self._concluded[key] = concluded

    def _listen(self, certificate: Certificate, issuer: Certificate) -> Iterator[Heard]:
        yield from self._lists_say(certificate, issuer)
        for octets, answer in self._answers:
            about = [status for status in answer.statuses if status.is_about(certificate, issuer)]
            if about:
                yield from self._answer_says(answer, octets, about, issuer)
            else:
                yield Reason.REVOCATION_OF_OTHERS
        if self._unreadable:
            yield Reason.REVOCATION_UNREADABLE

    def _lists_say(self, certificate: Certificate, issuer: Certificate) -> Iterator[Heard]:
        for octets, published in self._lists:
            yield _list_says(published, octets, certificate, issuer)

    def _answer_says(
        self, answer: PublishedAnswer, octets: bytes, about: list[PublishedStatus], issuer: Certificate
    ) -> Iterator[Heard]:
        speaker = _find_speaker(answer, issuer)
        if speaker is None:
            yield Reason.REVOCATION_FOREIGN_SIGNER
            return
        signings = [Signing(answer.signed_by(speaker.public_key), answer.signature_algorithm.oid)]
        if speaker is not issuer:
            signings.append(Signing(speaker.signed_by(issuer.public_key), speaker.signature_algorithm.oid))
        for status in about:
            if status.status is Plain.UNKNOWN:
                yield Reason.REVOCATION_UNKNOWN
                continue
            yield Statement(
                Source.ANSWER,
                None if isinstance(status.status, Plain) else status.status,
                complete=True,
                settled=speaker is issuer or oids.ID_PKIX_OCSP_NOCHECK in speaker.extensions,
                this_update=status.this_update,
                next_update=status.next_update,
                retained_from=status.retained_from,
                speaker=None if speaker is issuer else speaker,
                signings=tuple(signings),
                octets=octets,
            )


@functools.lru_cache(maxsize=4)
def shelf_of(data: RevocationData) -> Shelf:
    """Return the shelf with this data; the tokens of one unit carry the same, and so does every context.

    Four are kept: what a hostile token carries is as large as the token.
    """
    return Shelf(data)


def _readable(read: Callable[[bytes], _Read], elements: tuple[bytes, ...]) -> Iterator[tuple[bytes, _Read]]:
    for octets in elements:
        try:
            yield octets, read(octets)
        except WireError:
            continue


def _list_says(
    published: PublishedList, octets: bytes, certificate: Certificate, issuer: Certificate
) -> Heard:
    if not same_name(published.issuer, issuer.subject):
        return Reason.REVOCATION_OF_OTHERS
    if issuer.key_usage is not None and KEY_USAGE_CRL_SIGN not in issuer.key_usage:
        return Reason.REVOCATION_FOREIGN_SIGNER
    verdict = published.signed_by(issuer.public_key)
    if verdict.outcome is not SignatureOutcome.VALID:
        # Attack: anybody can make a list in the issuer's name.
        return Reason.REVOCATION_FOREIGN_SIGNER
    try:
        revocation = published.find(certificate.serial, certificate.issuer)
    except WireError:
        return Reason.REVOCATION_UNREADABLE
    return Statement(
        Source.LIST,
        revocation,
        complete=published.scope.includes(certificate),
        settled=True,
        this_update=published.this_update,
        next_update=published.next_update,
        retained_from=published.retained_from,
        speaker=None,
        signings=(Signing(verdict, published.signature_algorithm.oid),),
        octets=octets,
    )


def _find_speaker(answer: PublishedAnswer, issuer: Certificate) -> Certificate | None:
    """Return whose signature an answer bears: the issuer's, or that of a responder whom it named."""
    for speaker in (issuer, *answer.certificates):
        if (
            answer.names(speaker)
            and (speaker is issuer or _is_named(speaker, issuer, answer.produced_at))
            and answer.signed_by(speaker.public_key).outcome is SignatureOutcome.VALID
        ):
            return speaker
    return None


def _is_named(responder: Certificate, issuer: Certificate, at: int) -> bool:
    """RFC 6960 §4.2.2.2: issued by the issuer itself, for OCSP signing, and valid when it answered."""
    purpose, usage = responder.ext_key_usage, responder.key_usage
    return (
        purpose is not None
        and oids.ID_KP_OCSP_SIGNING in purpose.purposes
        and (usage is None or KEY_USAGE_DIGITAL_SIGNATURE in usage)
        and responder.valid_at(at)
        and same_name(responder.issuer, issuer.subject)
        and responder.signed_by(issuer.public_key).outcome is SignatureOutcome.VALID
    )
