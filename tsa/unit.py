"""TimeStampUnit: one key, its certificate, and the tokens it makes (RFC 3161 §2.3, EN 319 421 §7.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pqc.randomness import random_octets
from tsa import status
from tsa.template import TokenTemplate, TSTInfoTemplate

if TYPE_CHECKING:
    from kokuin.wire.tsp import TimeStampReq
    from pqc.signing import Signer
    from tsa.status import Refusal
    from tsa.template import SignerIdentity

_FIRST = tuple(bytes((octet & 0x3F | 0x40,)) for octet in range(256))
"""A serial number's first octet: positive, and never zero in its high bits, so that all have one length."""


@dataclass(frozen=True, slots=True)
class KeyPeriod:
    """When a unit may sign: microseconds since 1970 UTC, both ends included.

    It is the overlap of the certificate's validity and its privateKeyUsagePeriod
    (EN 319 421 TIS-7.6.7: the key ends before the certificate).
    """

    start_us: int
    end_us: int


class IssuedToken(NamedTuple):
    """A token that nobody has seen yet: it may leave only after its ledger record is durable.

    Attributes:
        token: DER of the TimeStampToken (ContentInfo).
        tst_info: DER of the TSTInfo inside.
        serial: its serial number as lower-case hex of 16 octets.
        gen_us: genTime, microseconds since 1970 UTC.
    """

    token: bytes
    tst_info: bytes
    serial: str
    gen_us: int


def new_serial() -> bytes:
    """Return a random serial number: 16 octets, positive, 124 bits or more of it random.

    Uniqueness is not proved by chance but by the ledger's index.
    """
    octets = random_octets(16)
    return _FIRST[octets[0]] + octets[1:]


class TimeStampUnit:
    """One active signing key bound to one certificate, one policy and one accuracy."""

    def __init__(  # noqa: PLR0913  # each is one fact of the unit, named at the only place that builds it
        self,
        *,
        unit_id: str,
        signer: Signer,
        identity: SignerIdentity,
        policy: str,
        accuracy_us: int,
        period: KeyPeriod,
        name_in_token: bool,
    ) -> None:
        self.id = unit_id
        self.suite = signer.suite
        self.period = period
        self.certificate = identity.certificate
        self._signer = signer
        self._tst_info = TSTInfoTemplate(policy, accuracy_us, identity.subject if name_in_token else None)
        self._token = TokenTemplate(signer.suite, identity)

    def fitness(self, gen_us: int) -> Refusal | None:
        """Say whether the key may sign at `gen_us`; after its period the signer is not even called."""
        if gen_us > self.period.end_us:
            return status.KEY_PERIOD_OVER
        if gen_us < self.period.start_us:
            return status.KEY_NOT_YET
        return None

    def issue(self, request: TimeStampReq, gen_us: int) -> IssuedToken:
        """Make the token that answers a granted request.

        Args:
            request: a request that `decide` granted.
            gen_us: genTime from the clock guard, microseconds since 1970 UTC.
        """
        serial = new_serial()
        tst_info = self._tst_info.build(request, serial, gen_us)
        attributes = self._token.signed_attributes(tst_info)
        signature = self._signer.sign(attributes)
        token = self._token.assemble(tst_info, attributes, signature, certificates=request.cert_req)
        return IssuedToken(token, tst_info, serial.hex(), gen_us)
