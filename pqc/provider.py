"""Where signers keep their keys, how they prove them at load, and the codes of what keeps a key from being used."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING

from pqc.verifying import SignatureOutcome, verify_signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from pqc.suites import Suite


class Provider(StrEnum):
    """Where a signer's key is used, as the inventory names it."""

    SOFTWARE = "software"
    PKCS11 = "pkcs11"
    LIBOQS = "liboqs"


class SignerProblem(StrEnum):
    """Why a key outside this process's own library cannot be used."""

    BACKEND_MISSING = "SIGNER_BACKEND_MISSING"
    """The library that reaches the key is not installed, or is not the one that was named."""
    TOKEN_MISSING = "SIGNER_TOKEN_MISSING"  # noqa: S105  # a code, no secret
    TOKEN_AMBIGUOUS = "SIGNER_TOKEN_AMBIGUOUS"  # noqa: S105  # a code, no secret
    PIN_MISSING = "SIGNER_PIN_MISSING"
    PIN_TOO_OPEN = "SIGNER_PIN_TOO_OPEN"
    """Others than its owner may read the file with the PIN."""
    PIN_REFUSED = "SIGNER_PIN_REFUSED"
    """It is not tried again in this process: devices lock after a few wrong ones."""
    KEY_MISSING = "SIGNER_KEY_MISSING"
    KEY_AMBIGUOUS = "SIGNER_KEY_AMBIGUOUS"
    KEY_EXISTS = "SIGNER_KEY_EXISTS"
    KEY_EXTRACTABLE = "SIGNER_KEY_EXTRACTABLE"
    """The device would give the private key away."""
    KEY_CHANGED = "SIGNER_KEY_CHANGED"
    """A device that came back has another key in the place of the one that was loaded."""
    DEVICE_FAILED = "SIGNER_DEVICE_FAILED"


class SignerError(Exception):
    """A key that cannot be used; no secret is in the message.

    Attributes:
        problem: the stable code.
    """

    def __init__(self, problem: SignerProblem, detail: str) -> None:
        super().__init__(f"{problem.value}: {detail}")
        self.problem = problem


def passes_self_test(suite: Suite, public_key: bytes, sign: Callable[[bytes], bytes]) -> bool:
    """Sign and verify once before a key is used, so that one that cannot is refused at load.

    Args:
        suite: the suite of the signature.
        public_key: SubjectPublicKeyInfo, DER.
        sign: makes the signature value.
    """
    message = hashlib.sha256(public_key).digest()
    verdict = verify_signature(
        public_key_der=public_key,
        algorithm=suite.algorithm,
        digest=suite.digest,
        message=message,
        signature=sign(message),
    )
    return verdict.outcome is SignatureOutcome.VALID
