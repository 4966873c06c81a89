"""What a record beside a token covers: the token, the material to judge it by, the document (RFC 4998 §3.1).

Certificates and revocation data travel in the record as cryptoInfos, of which the RFC says that nothing
protects them. Their hashes stand in the record's group beside that of the token: so they are protected, and
they outlive the algorithms of their own signatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.ocsp_reader import basic_response
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.cms import Attribute
from kokuin.wire.token_form import bare_token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kokuin.trust.context import RevocationData


def encode_certificate_values(certificates: Iterable[bytes]) -> bytes:
    """Return CertificateValues (RFC 5126 §6.3.3) of certificates (DER), in the order given."""
    return encode.sequence(*certificates)


def encode_revocation_values(data: RevocationData) -> bytes | None:
    """Return RevocationValues (RFC 5126 §6.3.4), in the order given; None when there is nothing.

    Raises:
        WireError: an answer that holds no BasicOCSPResponse, which alone may stand there.
    """
    answers = [basic_response(each) for each in data.answers]
    lists = encode.explicit(0, encode.sequence(*data.lists)) if data.lists else b""
    basic = encode.explicit(1, encode.sequence(*answers)) if answers else b""
    return encode.sequence(lists, basic) if lists or basic else None


@dataclass(frozen=True, slots=True)
class Material:
    """What a token is judged by, as it travels in a record.

    Attributes:
        certificates: CertificateValues (DER): the chain of the token's unit with its root.
        revocation: RevocationValues (DER); None when there was none.
    """

    certificates: bytes
    revocation: bytes | None = None

    @property
    def infos(self) -> tuple[Attribute, ...]:
        """The record's cryptoInfos."""
        found = [Attribute(oids.ID_AA_ETS_CERT_VALUES, (self.certificates,))]
        if self.revocation is not None:
            found.append(Attribute(oids.ID_AA_ETS_REVOCATION_VALUES, (self.revocation,)))
        return tuple(found)

    def hashes(self, digest: str) -> tuple[bytes, ...]:
        """Return the hashes of both, octets as they stand, by the name of the algorithm."""
        values = (value for info in self.infos for value in info.values)
        return tuple(DIGEST_BY_NAME[digest].of(value) for value in values)


def sidecar_group(
    digest: str, token: bytes, material_hashes: Iterable[bytes], document: bytes | None = None
) -> tuple[bytes, ...]:
    """Return the group of a record that lies beside a token.

    Args:
        digest: name of the tree's algorithm.
        token: a time-stamp token, as `kokuin.wire.ber.definite` returned it; covered as `bare_token`.
        material_hashes: of `Material.hashes`, which many tokens of one unit share.
        document: the document's hash by the same algorithm, when it is known.

    Raises:
        WireError: the token is none.
    """
    own = DIGEST_BY_NAME[digest].of(bare_token(token))
    return (own, *material_hashes, *(() if document is None else (document,)))
