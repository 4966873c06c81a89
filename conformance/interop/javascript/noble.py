"""@noble/post-quantum: ML-DSA, SLH-DSA and ML-KEM in JavaScript."""

from __future__ import annotations

from itertools import chain, starmap
from typing import TYPE_CHECKING

from conformance.interop.checks import Check
from conformance.interop.javascript.npm import ask, version
from tests.pqc.exchange import ml_dsa, ml_kem, slh_dsa

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conformance.interop.place import Place


class Noble:
    """`noble.mjs` as a peer."""

    def public(self, algorithm: str, seed: bytes) -> bytes:
        """Return the public key."""
        return _octets("public", {"act": "public", "algorithm": algorithm, "seed": seed})

    def sign(self, algorithm: str, seed: bytes, message: bytes, context: bytes) -> bytes:
        """Return a pure signature."""
        job = {"algorithm": algorithm, "seed": seed, "message": message, "context": context}
        return _octets("signature", {"act": "sign", **job})

    def verify(self, algorithm: str, public: bytes, message: bytes, signature: bytes, context: bytes) -> bool:
        """Verify a pure signature."""
        job = {"algorithm": algorithm, "public": public, "message": message, "signature": signature}
        (answer,) = ask("noble", {"act": "verify", "context": context, **job})
        return answer is True

    def encapsulate(self, algorithm: str, public: bytes) -> tuple[bytes, bytes]:
        """Return ciphertext and shared secret."""
        (answer,) = ask("noble", {"act": "encapsulate", "algorithm": algorithm, "public": public})
        return answer["ciphertext"], answer["secret"]

    def decapsulate(self, algorithm: str, seed: bytes, ciphertext: bytes) -> bytes:
        """Return the shared secret."""
        job = {"algorithm": algorithm, "seed": seed, "ciphertext": ciphertext}
        return _octets("secret", {"act": "decapsulate", **job})


def checks(place: Place) -> Iterator[Check]:
    """Everything that it knows of ours; raises `AbsentError`."""
    del place  # all goes through pipes
    version()
    peer = Noble()
    yield from starmap(Check, chain(ml_dsa(peer), ml_kem(peer), slh_dsa(peer)))


def _octets(wanted: str, job: Mapping[str, object]) -> bytes:
    (answer,) = ask("noble", job)
    octets: bytes = answer[wanted]
    return octets
