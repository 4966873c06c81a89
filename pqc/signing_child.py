"""The program that signs with SLH-DSA for `pqc.apart`: it reads keys and messages, and writes signatures.

Nothing imports it. It ends with its input, hence with whoever started it.
"""

from __future__ import annotations

import importlib
import os
import signal
import struct
import sys
from typing import BinaryIO

LENGTH = struct.Struct(">I")
_NICENESS = 5


def main() -> int:
    """Answer each key and message with the signature, until there are no more."""
    # Ctrl-C reaches the whole group; the parent decides when the last signature is made.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)  # half a second of a processor: those who answer clients come first
    library = getattr(importlib.import_module("pqcrypto.sign"), sys.argv[1])
    wanted, made = sys.stdin.buffer, sys.stdout.buffer
    while (key := _frame(wanted)) is not None and (message := _frame(wanted)) is not None:
        signature = bytes(library.sign(key, message))
        made.write(LENGTH.pack(len(signature)) + signature)
        made.flush()
    return 0


def _frame(source: BinaryIO) -> bytes | None:
    head = source.read(LENGTH.size)
    return source.read(*LENGTH.unpack(head)) if len(head) == LENGTH.size else None


if __name__ == "__main__":
    sys.exit(main())
