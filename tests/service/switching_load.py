"""Clients of several profiles at once, and the books of a service that was switched under them."""

from __future__ import annotations

import hashlib
import itertools
import json
import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Self

from kokuin.service.datafolder import DataFolder
from kokuin.service.operating import operate
from kokuin.service.snapshot import Snapshot, read_snapshot
from kokuin.trust.anchors import TrustStore, load_trust, read_certificates
from kokuin.trust.context import Context
from kokuin.trust.judge import judge_token
from kokuin.trust.report import Indication
from kokuin.trust.token import TokenFacts, read_token
from kokuin.wire.tsp import read_timestamp_response
from pqc.profiles import DEVELOPMENT_ARC
from tests.service.asking import imprint, query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HOST = "127.0.0.1"
PAUSE_SECONDS = 0.02
"""Between two requests of a client: enough of them are under way at every moment."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a client asks: the path, and the policy OID that it names."""

    path: str = "/tsa"
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A token and what came with it; `link` is the path of its twin, empty without."""

    wish: Wish
    token: bytes
    serial: str
    link: str


@dataclass(slots=True)
class MixedClients:
    """Threads that stamp without end; whatever is no token for exactly their request is a failure."""

    port: int
    wishes: Sequence[Wish]
    received: list[Received] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [
            threading.Thread(target=self._run, args=(wish,), daemon=True) for wish in self.wishes
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                self.failures.append("a client still waits for its answer")

    def wait_for(self, more: int) -> None:
        """Wait until this many further tokens came."""
        wanted, deadline = len(self.received) + more, time.monotonic() + 60
        while len(self.received) < wanted and not self.failures:
            assert time.monotonic() < deadline, f"{wanted - len(self.received)} tokens did not come"
            time.sleep(0.01)

    def _run(self, wish: Wish) -> None:
        connection = HTTPConnection(HOST, self.port, timeout=60)
        while not self._stop.is_set():
            try:
                self.received.append(stamp(connection, wish))
            except (AssertionError, OSError, HTTPException) as error:
                self.failures.append(f"{wish}: {error!r}")
                connection.close()
            time.sleep(PAUSE_SECONDS)
        connection.close()


def stamp(connection: HTTPConnection, wish: Wish) -> Received:
    """Stamp random octets; the token must answer this request and no other."""
    digest, nonce = secrets.token_bytes(32), secrets.randbits(63)
    body = query(message_imprint=imprint("sha256", digest), nonce=nonce, policy=wish.policy)
    connection.request("POST", wish.path, body, {"Content-Type": "application/timestamp-query"})
    answer = connection.getresponse()
    octets = answer.read()
    assert answer.status == 200, f"HTTP {answer.status}"
    response = read_timestamp_response(octets)
    assert response.token is not None, f"failInfo {sorted(response.fail_info)} {response.status_text}"
    facts = read_token(response.token)
    assert isinstance(facts, TokenFacts)
    info = facts.tst_info
    assert (info.imprint.value, info.nonce) == (digest, nonce), "the token answers another request"
    link = answer.getheader("Link", "")
    return Received(wish, response.token, f"{info.serial:032x}", link.partition("<")[2].partition(">")[0])


def fetch(port: int, path: str) -> bytes:
    """Return the token that a GET brings."""
    connection = HTTPConnection(HOST, port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200, f"HTTP {answer.status}"
    token = read_timestamp_response(answer.read()).token
    connection.close()
    assert token is not None
    return token


def do(root: Path, act: str, **arguments: object) -> dict[str, Any]:
    """Do one act of `tsa profile` as its command line does."""
    return operate(DataFolder(root), f"profile.{act}", arguments)


@dataclass(frozen=True, slots=True)
class Entry:
    """One leaf with its token."""

    index: int
    leaf: Mapping[str, Any]
    token: bytes | None


def entries(root: Path) -> list[Entry]:
    """Read a ledger with nothing of the product but its file."""
    address = (root / "ledger" / "ledger.db").absolute().as_uri() + "?mode=ro"
    connection = sqlite3.connect(address, uri=True)
    try:
        rows = connection.execute(
            "SELECT idx, leaf, der FROM entry LEFT JOIN token USING (idx) ORDER BY idx"
        ).fetchall()
    finally:
        connection.close()
    return [Entry(index, json.loads(leaf), token) for index, leaf, token in rows]


def activations(found: Sequence[Entry]) -> list[Mapping[str, Any]]:
    """Return the leaves that brought a snapshot into force."""
    return [entry.leaf for entry in found if entry.leaf["kind"] == "cfg.activated"]


def snapshot_of(root: Path, digest: str) -> Snapshot:
    """Read a snapshot that a leaf names."""
    octets = (root / "active" / f"{digest}.json").read_bytes()
    assert hashlib.sha256(octets).hexdigest() == digest
    return read_snapshot(octets)


def check_books(root: Path, received: Sequence[Received]) -> None:
    """Check that what was issued is what was in force, and that every client's token is in the ledger."""
    found = entries(root)
    by_serial = {entry.leaf["serial"]: entry for entry in found if entry.leaf["kind"] == "tst.issued"}
    assert len(by_serial) == sum(entry.leaf["kind"] == "tst.issued" for entry in found), "a serial twice"
    assert len({item.serial for item in received}) == len(received), "a client got a serial twice"
    in_force, snapshots = "", {}
    for entry in found:
        leaf = entry.leaf
        if leaf["kind"] == "cfg.activated":
            assert leaf["cfg_before"] == in_force
            in_force = leaf["cfg"]
            snapshots[in_force] = snapshot = snapshot_of(root, in_force)
            assert (snapshot.default, sorted(snapshot.enabled)) == (leaf["profile"], leaf["enabled"])
        elif leaf["kind"] == "tst.issued":
            assert leaf["cfg"] == in_force, "a token of a configuration that was not in force"
            assert leaf["profile"] in snapshots[in_force].enabled
    for item in received:
        assert by_serial[item.serial].token == item.token
        _check_wish(item, by_serial[item.serial].leaf, snapshots)
    for first, second in itertools.pairwise(found):
        _check_pair(first.leaf, second.leaf)
    _check_tokens(root, by_serial, snapshots)


def _check_wish(item: Received, leaf: Mapping[str, Any], snapshots: Mapping[str, Snapshot]) -> None:
    """A client that named a profile got it; whoever named none got the default of the time."""
    profile = leaf["profile"]
    if item.wish == Wish():
        assert profile == snapshots[leaf["cfg"]].default
    elif item.wish.policy:
        assert leaf["policy"] == item.wish.policy
    else:
        assert item.wish.path == f"/tsa/{profile}"
    assert bool(item.link) == ("twin" in leaf)
    if item.link:
        assert item.link == f"/api/v1/timestamps/{leaf['twin']}"


def _check_pair(first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
    """Twins stand side by side, of one append, over one imprint, and name each other."""
    if "twin" in first and first["suites"] == ["ecdsa-p256-sha256"]:
        assert (first["twin"], second["twin"]) == (second["serial"], first["serial"])
        for name in ("at", "imp", "req", "profile", "policy", "cfg"):
            assert first[name] == second[name], name
        assert second["suites"] == ["ml-dsa-65"]


def _check_tokens(root: Path, by_serial: Mapping[str, Entry], snapshots: Mapping[str, Snapshot]) -> None:
    # Requests without certReq get tokens without certificates: whoever verifies them has these.
    anchors = load_trust(root / "trust" / "ca.pem").anchors
    trust = TrustStore(anchors, tuple(read_certificates(root / "trust" / "units.pem")))
    at = time.time_ns() // 1_000
    for entry in by_serial.values():
        leaf, token = entry.leaf, entry.token
        assert token is not None
        report = judge_token(token, Context(at, trust))
        assert report.indication is Indication.PASSED, report
        facts = read_token(token)
        assert isinstance(facts, TokenFacts)
        snapshot = snapshots[leaf["cfg"]]
        profile = snapshot.profile(leaf["profile"])
        assert facts.tst_info.policy == leaf["policy"] == f"{DEVELOPMENT_ARC}.{profile.arc}"
        suites = [snapshot.profile(owner).tst for owner in profile.units]
        (made_with,) = [suite for suite in suites if [suite.id] == leaf["suites"]]
        assert facts.signer_info.signature_algorithm.oid == made_with.algorithm.oid
