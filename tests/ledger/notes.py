"""Keys and checkpoints for tests of the note formats.

`vectors/c2sp.json` was made by running github.com/transparency-dev/formats v0.1.1 and
golang.org/x/mod/sumdb (note, tlog) on keys of their own: a log of 13 leaves `leaf 0` to `leaf 12`, its
checkpoints at 7 and 13, the one at 13 cosigned by a witness with both kinds, the proof of leaf 9 and the
consistency proof from 7 to 13.
"""

from __future__ import annotations

import functools
import json
from hashlib import sha256
from pathlib import Path

from kokuin.ledger.log_keys import LogSigner, LogVerifier
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import suite

NOW = 1_763_700_000
ORIGIN = "log.example/kokuin/1"
C2SP: dict[str, str] = json.loads((Path(__file__).parent / "vectors" / "c2sp.json").read_text("utf-8"))


@functools.cache
def signer(suite_id: str, label: str = "") -> SoftwareSigner:
    """Return a signer of a suite; another one for each label."""
    del label
    return SoftwareSigner(suite(suite_id), generate_key(suite(suite_id)))


@functools.cache
def log(origin: str = ORIGIN, label: str = "") -> LogSigner:
    """Return the signer of a log."""
    return LogSigner(origin, signer("ed25519", origin + label), signer("ml-dsa-44", origin + label))


def verifier(*logs: LogSigner) -> LogVerifier:
    """Return a verifier that trusts these logs."""
    return LogVerifier(key for one in logs for key in one.verifier_keys())


def root(name: str) -> bytes:
    """Return 32 octets that stand for a root."""
    return sha256(name.encode()).digest()
