"""Signatures by a library that holds the interpreter while it works, made in children of this process.

pqcrypto does so for half a second a signature: in this process neither the ledger nor any client would be
served meanwhile. A child is started when no other is free, and ends when this process does.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from pathlib import Path
from threading import Lock
from typing import IO

from pqc.scheme import SignerError, SignerProblem
from pqc.signing_child import LENGTH

_PROGRAM = Path(__file__).with_name("signing_child.py")


class _Child:
    """A process that signs for one caller at a time."""

    def __init__(self, name: str) -> None:
        # No words that open keys, and no module out of the folder in which somebody started us.
        environment = {word: value for word, value in os.environ.items() if not word.startswith("TSA_")}
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(_PROGRAM), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )

    def sign(self, key: bytes, message: bytes) -> bytes | None:
        """Return the signature; None when the process has ended."""
        wanted, made = _open(self.process.stdin), _open(self.process.stdout)
        try:
            wanted.write(b"".join(LENGTH.pack(len(part)) + part for part in (key, message)))
            wanted.flush()
            head = made.read(LENGTH.size)
            octets = int.from_bytes(head, "big") if len(head) == LENGTH.size else -1
            signature = made.read(octets) if octets > 0 else b""
        except OSError:
            return None
        return signature if len(signature) == octets else None

    def end(self) -> None:
        """Let it end, and wait until it has."""
        self.process.kill()
        self.process.communicate()


class _Children:
    """Those of one parameter set that are free."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._free: dict[str, list[_Child]] = {}

    def sign(self, name: str, key: bytes, message: bytes) -> bytes:
        while True:
            child, fresh = self._take(name)
            signature = child.sign(key, message)
            if signature is not None:
                with self._lock:
                    self._free.setdefault(name, []).append(child)
                return signature
            child.end()
            if fresh:
                raise SignerError(SignerProblem.DEVICE_FAILED, f"{name}: the process that signs has ended")

    def end(self) -> None:
        with self._lock:
            children = [child for free in self._free.values() for child in free]
            self._free.clear()
        for child in children:
            child.end()

    def forget(self) -> None:
        """After a fork: they are the parent's."""
        self._lock = Lock()
        self._free = {}

    def _take(self, name: str) -> tuple[_Child, bool]:
        with self._lock:
            free = self._free.get(name)
            if free:
                return free.pop(), False
        try:
            return _Child(name), True
        except OSError as error:
            raise SignerError(SignerProblem.DEVICE_FAILED, f"{name}: {error.strerror}") from None


def sign_apart(name: str, key: bytes, message: bytes) -> bytes:
    """Sign with pqcrypto in a child; several threads may, each with a child of its own.

    Args:
        name: pqcrypto's name of the parameter set.
        key: the private key, raw.
        message: what is signed.

    Raises:
        SignerError: no child can be started, or it ended.
    """
    return _children.sign(name, key, message)


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101  # asked for as a pipe
    return stream


_children = _Children()
atexit.register(_children.end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_children.forget)
