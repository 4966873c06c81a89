"""Signatures made apart: nobody waits for them who did not ask, and no process is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import pytest

from pqc import apart, slhdsa
from pqc.hashbased import SlhDsaKey
from pqc.scheme import SignerError, SignerProblem
from pqc.signing import SoftwareSigner
from pqc.suites import suite
from tests.pqc.keys import key_of

SUITE = suite("slh-dsa-sha2-192s")
NAME = "slh_dsa_sha2_192s"


def raw() -> SlhDsaKey:
    found = key_of(SUITE)
    assert isinstance(found, SlhDsaKey)
    return found


def holds(message: bytes, signature: bytes) -> bool:
    key = raw()
    return slhdsa.verify(slhdsa.SHA2_192S, key.octets[-slhdsa.SHA2_192S.public_size :], message, signature)


def test_other_threads_go_on_while_a_signature_is_made() -> None:
    steps, done = 0, Event()

    def step() -> None:
        nonlocal steps
        while not done.wait(0.001):
            steps += 1

    stepping = Thread(target=step)
    stepping.start()
    signature = SoftwareSigner(SUITE, raw()).sign(b"message")
    done.set()
    stepping.join()
    assert holds(b"message", signature)
    # Where the library holds the interpreter, there are two.
    assert steps > 20


def test_threads_sign_at_the_same_time_each_its_own_message() -> None:
    messages = [bytes([number]) * 70_000 for number in range(3)]
    with ThreadPoolExecutor(3) as threads:
        made = threads.map(lambda message: apart.sign_apart(NAME, raw().octets, message), messages)
    assert all(map(holds, messages, made))


def test_a_child_that_was_killed_is_followed_by_another() -> None:
    apart.sign_apart(NAME, raw().octets, b"x")
    for child in apart._children._free[NAME]:
        child.process.kill()
    assert holds(b"y", apart.sign_apart(NAME, raw().octets, b"y"))


@pytest.mark.parametrize(("name", "key"), [("no_such_set", b"key"), (NAME, b"no key")])
def test_what_the_library_refuses_is_a_refusal_with_a_code(name: str, key: bytes) -> None:
    with pytest.raises(SignerError) as caught:
        apart.sign_apart(name, key, b"x")
    assert caught.value.problem is SignerProblem.DEVICE_FAILED


def test_a_child_ends_with_its_parent() -> None:
    program = (
        "import sys\nfrom pqc import apart\n"
        f"apart.sign_apart({NAME!r}, bytes.fromhex(sys.stdin.readline()), b'x')\n"
        f"print(apart._children._free[{NAME!r}][0].process.pid, flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin
        assert parent.stdout
        parent.stdin.write(raw().octets.hex() + "\n")
        parent.stdin.flush()
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.kill()
        assert parent.wait() == -signal.SIGKILL
    for _ in range(1000):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        Event().wait(0.02)
    pytest.fail("the child lives on")


def test_a_fork_has_children_of_its_own() -> None:
    apart.sign_apart(NAME, raw().octets, b"x")
    program = "\n".join(
        (
            "import os, sys",
            "from pqc import apart",
            f"key = bytes.fromhex({raw().octets.hex()!r})",
            f"apart.sign_apart({NAME!r}, key, b'x')",
            "process = os.fork()",
            f"made = apart.sign_apart({NAME!r}, key, b'of the child' if process == 0 else b'of the parent')",
            "if process == 0: os._exit(0 if made else 1)",
            "assert os.waitpid(process, 0)[1] == 0",
            "sys.stdout.buffer.write(made)",
        )
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=120)
    assert holds(b"of the parent", done.stdout)
