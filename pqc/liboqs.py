"""ML-DSA signed by liboqs through liboqs-python (extra `oqs`): several times faster, and experimental.

`import oqs` looks for a liboqs of its own choice and, finding none, clones and
builds one from the network. It is therefore imported only after the configured
library has been loaded, and in surroundings in which it can find no other and
build none.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import logging
import os
import secrets
import tempfile
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pqc.signing import KeyMismatchError, Provider, SignerError, SignerProblem, self_test
from pqc.suites import Family
from pqc.verifying import key_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pqc.signing import PrivateKey
    from pqc.suites import Suite

SEED_SIZE = 32
"""Octets of an ML-DSA seed (FIPS 204 §3.6.1, ξ)."""

_RANDOM_SOURCE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t)
_loading = threading.Lock()


class LiboqsSigner:
    """A `Signer` for ML-DSA whose key was expanded by liboqs and lies in this process's memory."""

    provider = Provider.LIBOQS
    experimental = True

    def __init__(self, suite: Suite, key: PrivateKey, library: Path) -> None:
        """Expand the key's seed with liboqs, and prove the result.

        Args:
            suite: an ML-DSA suite.
            key: the key, from its seed.
            library: the shared library of liboqs.

        Raises:
            KeyMismatchError: the key is not of the suite's type, or liboqs makes another one of its seed.
            SignerError: liboqs or liboqs-python cannot be used.
        """
        self.suite = suite
        self.public_key = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        facts = key_facts(self.public_key)
        if suite.family is not Family.ML_DSA or facts is None or facts.name != suite.key:
            raise KeyMismatchError(suite.id)
        if not isinstance(key, mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey):
            raise KeyMismatchError(suite.id)
        with _loading:
            oqs = _load(library)
            public, secret = _expand(oqs, suite, key.private_bytes_raw())
        if public != key.public_key().public_bytes_raw():
            raise KeyMismatchError(suite.id)
        self._signature = oqs.Signature(suite.key, secret)
        self_test(suite, self.public_key, self.sign)

    def sign(self, message: bytes) -> bytes:
        """Return the signature value over `message`: pure mode, empty context (RFC 9882 §3.1).

        Raises:
            SignerError: liboqs says that it cannot.
        """
        try:
            return bytes(self._signature.sign(message))
        except RuntimeError as error:
            raise SignerError(SignerProblem.DEVICE_FAILED, f"liboqs: {error}") from None


def _load(library: Path) -> Any:
    """Return the module `oqs`, bound to `library` and to nothing else.

    Raises:
        SignerError: library or module are missing, do not belong together, or another library came first.
    """
    try:
        wanted = ctypes.CDLL(str(library))
    except OSError:
        raise SignerError(SignerProblem.BACKEND_MISSING, f"{library} cannot be loaded") from None
    try:
        with _surroundings(library):
            oqs = importlib.import_module("oqs")
    # liboqs-python ends the process with SystemExit where it fails; a Warning says that the versions differ.
    except (ImportError, AttributeError, OSError, RuntimeError, ValueError, Warning, SystemExit) as error:
        raise SignerError(SignerProblem.BACKEND_MISSING, f"liboqs-python: {error}") from None
    if oqs.native()._handle != wanted._handle:  # noqa: SLF001  # the one way to tell libraries apart
        raise SignerError(SignerProblem.BACKEND_MISSING, f"another liboqs than {library} is loaded")
    return oqs


@contextlib.contextmanager
def _surroundings(library: Path) -> Iterator[None]:
    """Where `import oqs` finds `library`, cannot install another, writes nothing, and warns of no avail."""
    before = dict(os.environ)
    # It logs on standard output, which belongs to the command.
    logging.getLogger("oqs.oqs").disabled = True
    with tempfile.TemporaryDirectory() as prefix, warnings.catch_warnings():
        warnings.simplefilter("error")
        folder = Path(prefix) / "lib"
        folder.mkdir()
        (folder / "liboqs.so").symlink_to(library)
        os.environ["OQS_INSTALL_PATH"] = prefix
        # No release has this name, so that the installer stops before it starts a program.
        os.environ["PYOQS_VERSION"] = "none"
        try:
            yield
        finally:
            for name in ("OQS_INSTALL_PATH", "PYOQS_VERSION"):
                os.environ.pop(name)
                if name in before:
                    os.environ[name] = before[name]


def _expand(oqs: Any, suite: Suite, seed: bytes) -> tuple[bytes, bytes]:
    """Let liboqs make the key pair of a seed (FIPS 204 algorithm 6): public and expanded secret key.

    liboqs has no call for it, but key generation asks for its seed first and for nothing more. Another
    thread that signs meanwhile asks the same source and gets the system's randomness.
    """
    expanding, asked = threading.get_ident(), 0

    def give(target: int, size: int) -> None:
        nonlocal asked
        octets = secrets.token_bytes(size)
        if threading.get_ident() == expanding:
            asked += 1
            octets = seed if size == SEED_SIZE and asked == 1 else octets
        ctypes.memmove(target, octets, size)

    source = _RANDOM_SOURCE(give)
    native, generator = oqs.native(), oqs.Signature(suite.key)
    native.OQS_randombytes_custom_algorithm(source)
    try:
        public = bytes(generator.generate_keypair())
    finally:
        switched = native.OQS_randombytes_switch_algorithm(b"system")
    if switched != oqs.OQS_SUCCESS:
        raise SignerError(SignerProblem.BACKEND_MISSING, "liboqs cannot go back to the system's randomness")
    return public, bytes(generator.export_secret_key())
