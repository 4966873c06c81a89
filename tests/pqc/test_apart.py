"""Signatures made apart: nobody waits for them who did not ask, and no process is left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import monotonic, sleep

import pytest

from pqc import apart, slhdsa
from pqc.hashbased import SlhDsaKey
from pqc.scheme import SignerError, SignerProblem
from pqc.signing import SoftwareSigner
from pqc.suites import suite
from tests.pqc.keys import key_of

SUITE = suite("slh-dsa-sha2-192s")
NAME = "slh_dsa_sha2_192s"
PATIENCE_S = 60.0


def raw() -> SlhDsaKey:
    found = key_of(SUITE)
    assert isinstance(found, SlhDsaKey)
    return found


def holds(message: bytes, signature: bytes) -> bool:
    key = raw()
    return slhdsa.verify(slhdsa.SHA2_192S, key.octets[-slhdsa.SHA2_192S.public_size :], message, signature)


def test_other_threads_go_on_while_a_signature_is_made() -> None:
    signer = SoftwareSigner(SUITE, raw())
    children = [child.process for child in apart._children._free[NAME]]
    for child in children:
        child.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1) as pool:
            signature = pool.submit(signer.sign, b"message")
            # Where the library held the interpreter, nobody would ever come to let it go on.
            for _ in range(20):
                assert not Event().wait(0.001)
                assert not signature.done()
            for child in children:
                child.send_signal(signal.SIGCONT)
            assert holds(b"message", signature.result())
    finally:
        for child in children:
            child.send_signal(signal.SIGCONT)


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
        assert lives(child)
        parent.kill()
        assert parent.wait() == -signal.SIGKILL
    deadline = monotonic() + PATIENCE_S
    while lives(child):
        assert monotonic() < deadline, "the child lives on"
        sleep(0.02)


def lives(pid: int) -> bool:
    """Whether a process runs: one that has ended stays in the table until whoever inherited it looks."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "\nVmSize:" in status


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
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert holds(b"of the parent", done.stdout)
