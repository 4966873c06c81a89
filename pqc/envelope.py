"""Secrets sealed to one recipient for longer than today's key exchange may last: key backups, audit exports.

A message is sealed and opened in memory as a whole and holds at most
`MAX_PLAINTEXT` octets; callers cut what is larger, and each part gets fresh
keys. Sealing says nothing about who sealed: sign what needs an author.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.wire import oids
from pqc.envelope_cms import open_cms, seal_cms, stated_by_cms
from pqc.envelope_errors import EnvelopeError, EnvelopeProblem
from pqc.envelope_hpke import MAGIC, open_hpke, seal_hpke, stated_by_hpke
from pqc.envelope_suites import Container, EnvelopeSuite
from pqc.envelope_syntax import MAX_PLAINTEXT

if TYPE_CHECKING:
    from pqc.kem import Recipient, RecipientKey


def seal_envelope(
    suite: EnvelopeSuite, recipient: Recipient, plaintext: bytes, *, content_type_oid: str = oids.ID_DATA
) -> bytes:
    """Encrypt and authenticate `plaintext` so that `recipient` alone can open it.

    Args:
        suite: the combination; its `kem` is the kind of the recipient's key.
        recipient: whom it is for. There is never a second one: each could open it alone, so the weakest
            would decide.
        plaintext: at most `MAX_PLAINTEXT` octets.
        content_type_oid: what the content is, dotted; authenticated with it.

    Raises:
        EnvelopeError: TOO_LARGE, or WRONG_KEY when the recipient's key is not of the suite's kind.
    """
    if len(plaintext) > MAX_PLAINTEXT:
        raise EnvelopeError(EnvelopeProblem.TOO_LARGE)
    if recipient.kind is not suite.kem:
        raise EnvelopeError(EnvelopeProblem.WRONG_KEY)
    seal = seal_hpke if suite.container is Container.HPKE else seal_cms
    return seal(recipient, plaintext, content_type_oid)


def open_envelope(key: RecipientKey, octets: bytes, *, content_type_oid: str = oids.ID_DATA) -> bytes:
    """Check and decrypt an envelope of either container.

    A changed or missing octet is refused, whichever it is.

    Args:
        key: the recipient's private key; when the envelope names a certificate by issuer and serial number,
            the key must have been read with it.
        octets: the whole envelope; anything may be in it.
        content_type_oid: what the caller expects: a backup is no audit export.

    Raises:
        EnvelopeError: with the reason, and nothing else.
    """
    if octets.startswith(MAGIC[:1]):
        return open_hpke(key, octets, content_type_oid)
    return open_cms(key, octets, content_type_oid)


def stated_content_type(octets: bytes) -> str:
    """Return what an envelope says that it holds, dotted; anybody can say that until it was opened as such.

    Raises:
        EnvelopeError: it cannot be read.
    """
    return stated_by_hpke(octets) if octets.startswith(MAGIC[:1]) else stated_by_cms(octets)
