"""One key of every suite that signs, made once a session: RSA keys take seconds."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import SUITES, Suite

if TYPE_CHECKING:
    from pqc.signing import PrivateKey

ISSUING = tuple(suite for suite in SUITES.values() if suite.issue)


@functools.cache
def _key(kind: str) -> PrivateKey:
    return generate_key(next(suite for suite in ISSUING if suite.key == kind))


def key_of(suite: Suite) -> PrivateKey:
    """Return the key of this suite's kind; suites of one kind share it."""
    return _key(suite.key)


@functools.cache
def signer_of(suite: Suite) -> SoftwareSigner:
    """Return the signer of a suite."""
    return SoftwareSigner(suite, key_of(suite))
