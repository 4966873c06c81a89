"""Signatures with time-stamp tokens in their attributes, made to order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from tests.trust.forge import attribute, order

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCUMENT = b"what was signed"
SIGNATURE = b"a signature value that nobody looks at" * 3
TST, ARCHIVE = oids.ID_AA_TIME_STAMP_TOKEN, oids.ID_AA_ETS_ARCHIVE_TIMESTAMP_V3
CONTENT_TST = oids.ID_AA_ETS_CONTENT_TIMESTAMP


def token_over(data: bytes, **changes: object) -> bytes:
    return order(imprint=hashlib.sha256(data).digest(), **changes).make()


@dataclass
class Enclosing:
    """A SignedData; its tokens stand in attributes by OID."""

    unsigned: Sequence[tuple[str, bytes]] = field(default_factory=lambda: [(TST, token_over(SIGNATURE))])
    signed: Sequence[tuple[str, bytes]] = ()
    content: bytes | None = encode.octet_string(DOCUMENT)
    content_type: str = oids.ID_DATA
    digest_of: bytes = DOCUMENT
    signers: int = 1
    certificates: Sequence[bytes] = ()
    crls: Sequence[bytes] = ()

    def make(self) -> bytes:
        """Return the ContentInfo."""
        digest = encode.sequence(encode.oid(DIGEST_BY_NAME["sha256"].oid))
        signed = [
            attribute(oids.ID_CONTENT_TYPE, encode.oid(self.content_type)),
            attribute(oids.ID_MESSAGE_DIGEST, encode.octet_string(hashlib.sha256(self.digest_of).digest())),
            *(attribute(oid, token) for oid, token in self.signed),
        ]
        signer = encode.sequence(
            encode.integer(1),
            encode.sequence(encode.sequence(), encode.integer(1)),
            digest,
            encode.explicit(0, b"".join(signed)),
            encode.sequence(encode.oid(oids.RSA_ENCRYPTION), encode.NULL),
            encode.octet_string(SIGNATURE),
            encode.explicit(1, b"".join(attribute(oid, token) for oid, token in self.unsigned))
            if self.unsigned
            else b"",
        )
        signed_data = encode.sequence(
            encode.integer(1),
            encode.set_of(digest),
            encode.sequence(
                encode.oid(self.content_type),
                b"" if self.content is None else encode.explicit(0, self.content),
            ),
            encode.explicit(0, b"".join(self.certificates)) if self.certificates else b"",
            encode.explicit(1, b"".join(self.crls)) if self.crls else b"",
            encode.tlv(0x31, signer * self.signers),
        )
        return encode.sequence(encode.oid(oids.ID_SIGNED_DATA), encode.explicit(0, signed_data))
