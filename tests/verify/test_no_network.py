"""That the tests of verifying could reach no network, which `tests.offline` sees to."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.offline import offline, without_interfaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def test_no_test_of_verifying_can_open_a_socket_or_ask_for_a_name(network_attempts: list[str]) -> None:
    for attempt in (
        lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        lambda: socket.create_connection(("127.0.0.1", 9)),
        lambda: socket.getaddrinfo("localhost", 80),
    ):
        with pytest.raises(RuntimeError, match="no network while verifying"):
            attempt()
    assert len(network_attempts) == 3
    network_attempts.clear()


def test_an_attempt_is_found_also_when_its_refusal_is_swallowed() -> None:
    guarded = offline()
    guarded.__enter__()
    with contextlib.suppress(RuntimeError):
        socket.getaddrinfo("localhost", 80)
    with pytest.raises(AssertionError):
        guarded.__exit__(None, None, None)


@contextlib.contextmanager
def asking(errors: list[BaseException]) -> Iterator[Callable[[], None]]:
    """Start a thread that waits, and give what makes it ask for a name and end."""
    go = threading.Event()

    def ask() -> None:
        go.wait()
        try:
            socket.getaddrinfo("127.0.0.1", 80)
        except RuntimeError as error:
            errors.append(error)

    def let_go() -> None:
        go.set()
        thread.join()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield let_go
    finally:
        let_go()


def test_what_another_test_left_running_is_no_attempt_of_this_one() -> None:
    errors: list[BaseException] = []
    with asking(errors) as let_go, offline() as attempts:
        let_go()
        assert not attempts
    assert not errors


def test_a_thread_that_was_started_meanwhile_can_reach_nobody(network_attempts: list[str]) -> None:
    errors: list[BaseException] = []
    with asking(errors) as let_go:
        let_go()
    assert len(network_attempts) == len(errors) == 1
    network_attempts.clear()


def test_the_commands_that_tests_start_have_no_interface() -> None:
    if not without_interfaces():
        pytest.skip("user namespaces are not allowed here: commands run with the network of this machine")
    script = "import socket; socket.create_connection(('127.0.0.1', 9), 5)"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert "Network is unreachable" in done.stderr
