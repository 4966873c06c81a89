"""No network while verifying: sockets are forbidden here, and programs are started without any interface."""

from __future__ import annotations

import contextlib
import functools
import shutil
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_RESOLVERS = frozenset(
    {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
)


class _Guard:
    """What the audit hook asks, since no hook can be taken away again."""

    def __init__(self) -> None:
        self.closed = False
        self.bystanders: frozenset[int] = frozenset()
        self.attempts: list[str] = []

    def begin(self) -> None:
        """Forbid from now on; threads that run already, of servers say, are none of what is looked at."""
        self.bystanders = frozenset(sys._current_frames()) - {threading.get_ident()}
        self.closed = True

    def concerns_me(self) -> bool:
        """Whether what runs is what is looked at."""
        return threading.get_ident() not in self.bystanders

    def hook(self, event: str, details: tuple[Any, ...]) -> None:
        """See `sys.addaudithook`; local sockets, by which processes of one program talk, are none."""
        if not self.closed:
            return
        asks = event in _RESOLVERS or (event == "socket.__new__" and details[1] != socket.AF_UNIX)
        if asks and self.concerns_me():
            self.attempts.append(f"{event}{details[1:]}")
            raise RuntimeError(f"no network while verifying: {self.attempts[-1]}")


@functools.cache
def _guard() -> _Guard:
    guard = _Guard()
    sys.addaudithook(guard.hook)
    return guard


@functools.cache
def without_interfaces() -> tuple[str, ...]:
    """Words before a command that give it a network namespace of its own; empty where none is allowed."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    words = (unshare, "--map-root-user", "--net", "--")
    tried = subprocess.run([*words, "true"], check=False, capture_output=True)
    return words if tried.returncode == 0 else ()


@contextlib.contextmanager
def offline() -> Iterator[list[str]]:
    """Forbid sockets to this process, and every interface to the programs that it starts.

    Yields:
        The attempts to reach a network, which are none at its end, also when somebody swallowed the refusal.
    """
    guard, words = _guard(), without_interfaces()
    was, begin = (guard.closed, guard.bystanders), subprocess.Popen.__init__

    def begin_alone(self: subprocess.Popen[Any], args: Any, *rest: Any, **settings: Any) -> None:
        begin(self, [*words, *args] if guard.concerns_me() else args, *rest, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", begin_alone)
        guard.begin()
        try:
            yield guard.attempts
        finally:
            guard.closed, guard.bystanders = was
    attempts, guard.attempts = guard.attempts, []
    assert attempts == []
