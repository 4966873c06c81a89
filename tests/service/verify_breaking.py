"""A child that judges, whose judgement is what the token says: it tries the doors, or breaks.

Run as a program in the place of `kokuin.service.verify_child`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.service import verify_child
from kokuin.service.child_frames import encode
from kokuin.service.verify_judging import Bench
from kokuin.service.verify_question import MAX_REPORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.verify_question import Question

SECRET = "what the caller sent"


def _attempts() -> dict[str, Callable[[], Any]]:
    return {
        "inet": lambda: socket.socket(socket.AF_INET),
        "unix": lambda: socket.socket(socket.AF_UNIX),
        "pair": socket.socketpair,
        "netlink": lambda: socket.socket(socket.AF_NETLINK),
        "read": lambda: Path("/etc/hostname").read_bytes(),
        "write": lambda: Path("verify-breaking.tmp").write_bytes(b"x"),
        "pipe": os.pipe,
        "dup": lambda: os.dup(0),
        "program": lambda: subprocess.run(["/bin/true"], check=True),
    }


def _doors() -> bytes:
    """Try every door and say which opened."""
    opened = []
    for name, attempt in _attempts().items():
        try:
            attempt()
        except OSError:
            continue
        opened.append(name)
    return json.dumps(opened).encode()


def _spin() -> bytes:
    while True:
        pass


def _sleep() -> bytes:
    time.sleep(3600)
    return b""


def _noise() -> bytes:
    os.write(1, b"\xff" * 64)
    return b""


def _raise() -> bytes:
    raise KeyError(SECRET)


def _killed() -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


_kept: list[bytes] = []


def _grow() -> bytes:
    """Remember more than one question may leave behind."""
    _kept.append(b"x" * verify_child.RETIRED_OCTETS)
    return b""


def _lie() -> bytes:
    os.write(1, encode({"code": "NO_SUCH_CODE", "field": 7}))
    return b""


ACTS: dict[bytes, Callable[[], bytes]] = {
    b"doors": _doors,
    b"pid": lambda: str(os.getpid()).encode(),
    b"environment": lambda: json.dumps(dict(os.environ)).encode(),
    b"limits": lambda: json.dumps(resource.getrlimit(resource.RLIMIT_NOFILE)).encode(),
    b"spin": _spin,
    b"eat": lambda: bytes(2 * verify_child.MEMORY_OCTETS),
    b"sleep": _sleep,
    b"exit": lambda: os._exit(3),
    b"killed": _killed,
    b"raise": _raise,
    b"noise": _noise,
    b"lie": _lie,
    b"grow": _grow,
    b"long": lambda: bytes(MAX_REPORT + 1),
}


def _judge(_: Bench, question: Question) -> bytes:
    return ACTS[question.token]()


if __name__ == "__main__":
    setattr(Bench, "judge", _judge)  # noqa: B010  # the fault is injected where it would happen
    verify_child.CPU_SECONDS = 1
    verify_child.main()
