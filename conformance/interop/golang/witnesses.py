"""Witnesses both ways: a log of tessera asks `tsa ledger witness`, our log asks torchwood's litewitness."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import sqlite3
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

from conformance.interop.checks import SECONDS, AbsentError, Check, execute
from conformance.interop.golang.building import build
from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.note import VerifierKey
from kokuin.ledger.witness_exchange import Conflict, Cosigned, Refused, WitnessRefusal
from kokuin.service.witness_client import Place as Asked
from kokuin.service.witness_client import WitnessClient
from tests.ledger import rfc6962, witnessing
from tests.ledger.notes import ORIGIN, log
from tests.ports import LOOPBACK, free_port
from tests.service.running import PATIENCE_S
from tests.service.witnesses import witness_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from conformance.interop.place import Place
    from kokuin.ledger.witness_exchange import WitnessAnswer

LITEWITNESS = "filippo.io/torchwood/cmd/litewitness"
KINDS = {4: "Ed25519 (0x04)", 6: "ML-DSA-44 (0x06)"}


def checks(program: Path, module: Path, place: Place) -> Iterator[Check]:
    """Give the checks of witnesses; `program` is built from `module`."""
    for kind, name in KINDS.items():
        yield Check(
            f"a log of tessera is cosigned by our witness, {name}", partial(_asked, program, place, kind)
        )
    yield Check("our witness cosigns no fork of it", partial(_forked, program, place))
    yield Check(
        "our log is cosigned by torchwood's litewitness, and no fork of it", partial(_asks, module, place)
    )


def _asked(program: Path, place: Place, kind: int) -> None:
    folder = place.own(f"tessera-{kind}")
    keys = json.loads(execute([program, "keys", folder, f"log.example/tessera/{kind}"]))
    (folder / "log.vkey").write_text("".join(f"{key}\n" for key in keys))
    with witness_process(folder / "witness", "witness.example/ours", folder / "log.vkey") as ours:
        vkeys = (folder / "witness" / "witness.vkey").read_text().split()
        (key,) = (vkey for vkey in vkeys if VerifierKey.parse(vkey).kind == kind)
        (folder / "policy").write_text(f"witness ours {key} {ours.url}\nquorum ours\n")
        (folder / "all.vkey").write_text("\n".join((*keys, key)))
        size = 0
        for count in (5, 300, 1):
            checkpoint = json.loads(execute([program, "log", folder, folder / "policy", str(count)]))
            size += count
            assert checkpoint.splitlines()[1] == str(size), checkpoint
            verified = execute([program, "cosigned", folder / "all.vkey"], given=checkpoint)
            assert json.loads(verified) == 3


def _forked(program: Path, place: Place) -> None:
    """The log begins again and grows unwitnessed beyond its former size; then it asks, and learns that."""
    folder = place.own("tessera-4")
    (state,) = (folder / "witness" / "log").glob("*/checkpoint")
    known = state.read_bytes()
    shutil.rmtree(folder / "log")
    (folder / "nobody").write_text("quorum none\n")
    execute([program, "log", folder, folder / "nobody", "400"])
    with witness_process(folder / "witness", "witness.example/ours", folder / "log.vkey") as ours:
        policy = (folder / "policy").read_text()
        (folder / "policy").write_text(re.sub(r"http://\S+", ours.url, policy))
        words = [str(program), "log", str(folder), str(folder / "policy"), "1"]
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 1, "a fork was cosigned"
        assert "consistency proof is bad: 422" in done.stderr, done.stderr
        assert state.read_bytes() == known
        assert "WITNESS_UNPROVEN" in {event["event"] for event in ours.events()}


def _asks(module: Path, place: Place) -> None:
    folder = place.own("litewitness")
    program = build(module, folder / "litewitness", LITEWITNESS)
    with _litewitness(program, folder) as asked:
        asyncio.run(_exchange(asked))


@contextlib.contextmanager
def _litewitness(program: Path, folder: Path) -> Iterator[Asked]:
    """Run litewitness, which knows our log by its Ed25519 key; its own key is in an agent of OpenSSH."""
    if any(shutil.which(name) is None for name in ("ssh-agent", "ssh-add", "ssh-keygen")):
        raise AbsentError("litewitness needs ssh-agent (Debian: openssh-client)")
    key, agent, port = folder / "key", folder / "agent", free_port()
    execute(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
    fingerprint = execute(["ssh-keygen", "-lf", f"{key}.pub"]).split()[1]
    words: list[str | Path] = [
        program,
        "-name",
        "witness.example/lite",
        "-db",
        "witness.db",
        "-ssh-agent",
        agent,
    ]
    words += ["-listen", f"{LOOPBACK}:{port}", "-key", fingerprint]
    said = folder / "said"
    with contextlib.ExitStack() as stack:
        stack.enter_context(_program(["ssh-agent", "-D", "-a", agent], folder / "agent.said", folder))
        _await(agent.exists)
        execute(["ssh-add", "-q", key], environment={"SSH_AUTH_SOCK": str(agent), "PATH": "/usr/bin:/bin"})
        stack.enter_context(_program(words, said, folder))
        _await(lambda: "msg=listening" in said.read_text())
        found = re.search(r'vkey="?([^"\s]+)', said.read_text())
        assert found is not None
        _register(folder / "witness.db")
        yield Asked(f"http://{LOOPBACK}:{port}", (VerifierKey.parse(found[1]),))


@contextlib.contextmanager
def _program(words: Sequence[str | Path], said: Path, folder: Path) -> Iterator[None]:
    with (
        said.open("wb") as file,
        subprocess.Popen([str(word) for word in words], stdout=file, stderr=file, cwd=folder) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _register(database: Path) -> None:
    """Tell litewitness of our log as its own tool does: its size 0, and its key."""
    (key, _) = log().verifier_keys()
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        connection.execute("INSERT INTO log VALUES (?, 0, ?)", (ORIGIN, empty))
        connection.execute("INSERT INTO key VALUES (?, ?)", (ORIGIN, key.encode()))


async def _exchange(asked: Asked) -> None:
    """Every answer of the protocol, asked as our log asks."""
    async with WitnessClient() as client:

        async def ask(size: int, old: int, hashes: list[bytes] = witnessing.LEAVES) -> WitnessAnswer:
            async def prove(since: int) -> list[bytes]:
                return rfc6962.proof(since, hashes[:size]) if since else []

            return await client.cosign(asked, read_checkpoint(witnessing.signed(size, hashes)), old, prove)

        for size, old in (
            (5, 0),
            (5, 5),
            (40, 5),
            (64, 0),
        ):  # the last time it names its size, and is asked again
            answer = await ask(size, old)
            assert isinstance(answer, Cosigned), (size, old, answer)
            assert abs((answer.signed[0].timestamp or 0) - time.time()) < PATIENCE_S
        rolled_back = await ask(40, 40)
        assert rolled_back == Conflict(64, ahead=True), rolled_back
        fork = [*rfc6962.leaves(63), b"\x01" * 32, b"\x02" * 32]
        assert await ask(65, 64, fork) == Refused(WitnessRefusal.INCONSISTENT)
        assert await ask(64, 64, fork) == Refused(WitnessRefusal.INCONSISTENT)
