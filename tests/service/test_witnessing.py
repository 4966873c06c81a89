"""The keeper's witnesses: what they cosign is kept and shown; only what they prove stops issuing."""

from __future__ import annotations

import asyncio
import base64
import re
import shutil
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.ledger.checkpoint import read_checkpoint, sign_line, verify_line
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.log_keys import verifier_key
from kokuin.ledger.note import SignatureType, VerifierKey
from kokuin.ledger.published import newest_checkpoint
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.witness_exchange import MAX_ANSWER, WitnessRefusal, read_request
from kokuin.ledger.witness_policy import read_policy
from kokuin.service import witness_standing, witnessing
from kokuin.service.config import ConfigError
from kokuin.service.long_operations import SEAL
from kokuin.service.operating import operate
from kokuin.service.standing import require_not_behind
from kokuin.service.witness_client import WitnessFault, read_witnesses
from kokuin.service.witness_server import make_witness_app
from kokuin.service.witness_standing import require_not_behind_witnesses
from kokuin.service.witnessing import BEHIND_WITNESS, SPLIT_VIEW, UNWITNESSED
from kokuin.trust.journal import Refused
from tests.ledger.notes import signer
from tests.ledger.samples import issued
from tests.service.keepers import keeping
from tests.service.running import PATIENCE_S
from tests.service.survival import wait_until
from tests.service.vouched import Vouched, policy, rounds
from tests.service.witnesses import LocalWitness, local_witness, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


@pytest.fixture
def witness(folder: DataFolder, tmp_path: Path) -> Iterator[LocalWitness]:
    with local_witness(tmp_path / "w1", "one.example/w", folder.log_keys) as found:
        yield found


@pytest.fixture
def opened(folder: DataFolder) -> Iterator[list[Vouched]]:
    lives: list[Vouched] = []
    yield lives
    for life in lives:
        life.close()
        assert not life.fatal


def live(opened: list[Vouched], folder: DataFolder, settings: dict[str, str], **more: str) -> Vouched:
    names = {f"TSA_LEDGER__{name.upper()}": value for name, value in more.items()}
    life = Vouched(folder, {**settings, **names})
    opened.append(life)
    return life


def absent(tmp_path: Path, folder: DataFolder, name: str) -> LocalWitness:
    """Return a witness whose port nobody answers."""
    with local_witness(tmp_path / name, f"{name}.example/w", folder.log_keys) as found:
        return LocalWitness(found.opened, NOWHERE)


def faults(asking: witnessing.Witnessing) -> list[str]:
    return [each["problem"] for each in asking.status()["witnesses"]]


def refused(life: Vouched) -> str:
    outcome = life.journal.append(issued(life.journal.size + 90_000)).result(PATIENCE_S)
    return outcome.detail if isinstance(outcome, Refused) else ""


def test_two_witnesses_cosign_and_their_lines_are_kept_and_shown(
    folder: DataFolder, witness: LocalWitness, opened: list[Vouched], tmp_path: Path
) -> None:
    with local_witness(tmp_path / "w2", "two.example/w", folder.log_keys) as second:
        settings = policy(tmp_path / "policy", "group both all A B\nquorum both", A=witness, B=second)
        life = live(opened, folder, settings)
        asking = life.witnessing()
        for count in (1, 300, 2):
            size = life.grow(count)
            asking.look()
            assert asking.unwitnessed_since is not None
            rounds(asking)
            assert asking.unwitnessed_since is None
            shown = life.shown()
            assert shown.checkpoint.size == size
            named = read_policy((tmp_path / "policy").read_bytes())
            assert len(named.cosigners(shown)) == 4
            assert [leaf["size"] for leaf in life.leaves("checkpoint.witnessed")][-1] == size
    (leaf, *_) = life.leaves("checkpoint.witnessed")
    assert leaf["self"] is True
    keys = [VerifierKey.parse(vkey) for one in (witness, second) for vkey in one.opened.vkeys]
    assert leaf["witnesses"] == sorted(f"{key.name}+{key.key_id.hex()}" for key in keys)


def test_an_idle_log_neither_grows_nor_asks_nor_signs(
    folder: DataFolder, witness: LocalWitness, opened: list[Vouched], tmp_path: Path
) -> None:
    settings = policy(tmp_path / "policy", "quorum A", A=witness)
    life = live(opened, folder, settings, witness_seconds="0.01")
    life.grow()
    asking = life.witnessing()
    rounds(asking)
    size, octets = life.journal.size, life.shown().octets
    for _ in range(20):
        asyncio.run(life.publisher.publish())
        rounds(asking, 2)
    assert (life.journal.size, life.shown().octets) == (size, octets)
    again = life.witnessing()  # as after a restart
    rounds(again)
    assert again.unwitnessed_since is None
    assert life.journal.size == size
    with LedgerReader(folder.ledger) as reader:
        newest = newest_checkpoint(reader)
    assert newest is not None
    assert newest.size == size - 1, "the leaf of the witnesses makes no checkpoint"


def test_a_quorum_counts_who_answers_and_a_late_witness_makes_no_second_leaf(
    folder: DataFolder, witness: LocalWitness, opened: list[Vouched], tmp_path: Path
) -> None:
    away = absent(tmp_path, folder, "w2")
    settings = policy(tmp_path / "policy", "group one any A B\nquorum one", A=witness, B=away)
    life = live(opened, folder, settings)
    life.grow()
    asking = life.witnessing()
    rounds(asking, 3)
    assert faults(asking) == ["", WitnessFault.UNREACHABLE]
    assert len(life.leaves("checkpoint.witnessed")) == 1
    with served(make_witness_app(away.opened.witness)) as url:
        policy(
            tmp_path / "policy", "group one any A B\nquorum one", A=witness, B=LocalWitness(away.opened, url)
        )
        asking = life.witnessing()
        rounds(asking)
    assert faults(asking) == ["", ""]
    assert len(read_policy((tmp_path / "policy").read_bytes()).cosigners(life.shown())) == 4
    assert len(life.leaves("checkpoint.witnessed")) == 1


def test_an_outage_of_the_witnesses_does_not_stop_issuing(
    folder: DataFolder, opened: list[Vouched], tmp_path: Path
) -> None:
    settings = policy(tmp_path / "policy", "quorum A", A=absent(tmp_path, folder, "w"))
    life = live(opened, folder, settings)
    life.grow()
    asking = life.witnessing()
    rounds(asking, 2)
    since = asking.unwitnessed_since
    assert since is not None
    life.grow()
    rounds(asking)
    assert asking.unwitnessed_since == since, "of the first checkpoint that still waits"
    assert (asking.problem, refused(life), life.leaves("checkpoint.witnessed")) == ("", "", [])


def test_strictly_an_outage_that_lasts_stops_issuing_until_the_quorum_is_there(
    folder: DataFolder,
    witness: LocalWitness,
    opened: list[Vouched],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = policy(tmp_path / "policy", "quorum A", A=witness)
    life = live(opened, folder, settings, witness_strict="true", witness_seconds="0.001")
    life.grow()
    asking = life.witnessing()
    asking.look()
    assert asking.problem == "", "not at once"
    monkeypatch.setattr(witnessing, "STRICT_SECONDS", 0.01)
    time.sleep(0.02)
    asking.look()
    assert (asking.problem, refused(life)) == (UNWITNESSED, UNWITNESSED)
    outcome = asyncio.run(life.records.recorded("service.stopped", {}))
    assert outcome, "what is not a token is recorded all the same"
    rounds(asking)
    assert (asking.problem, refused(life), life.problems) == ("", "", 2)


def test_readiness_and_metrics_show_what_the_witnesses_leave_undone(
    folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnessing, "STRICT_SECONDS", 0.01)
    settings = policy(tmp_path / "policy", "quorum A", A=absent(tmp_path, folder, "w"))
    settings |= {"TSA_LEDGER__WITNESS_STRICT": "true", "TSA_LEDGER__WITNESS_SECONDS": "0.05"}
    with keeping(folder, settings) as ask:
        wait_until("nothing is issued", lambda: UNWITNESSED in ask("status", "owner")["problems"])
        said = ask("ledger.status", "owner")
        assert said["unwitnessed_since"] > 0
        wait_until(
            "the witness was asked",
            lambda: (
                [each["problem"] for each in ask("ledger.status", "owner")["witnesses"]]
                == [WitnessFault.UNREACHABLE]
            ),
        )
        (value,) = re.findall(
            r"^kokuin_ledger_unwitnessed_seconds (\S+)$", ask("metrics", "owner")["text"], re.MULTILINE
        )
        assert float(value) > 0


def older_copy(opened: list[Vouched], folder: DataFolder, settings: dict[str, str]) -> Vouched:
    """Let a witness see two more leaves, then forget them everywhere but there."""
    life = live(opened, folder, settings)
    life.grow(3)
    rounds(life.witnessing())
    life.close()
    copy = folder.root.with_name("copy")
    shutil.copytree(folder.root, copy)
    life = live(opened, folder, settings)
    life.grow(2)
    rounds(life.witnessing())
    life.close()
    shutil.rmtree(folder.root)
    copy.rename(folder.root)
    return live(opened, folder, settings)


def start(life: Vouched) -> None:
    """Do what a start asks."""
    assert life.config.ledger.witnesses is not None
    with LedgerReader(life.folder.ledger) as reader:
        require_not_behind(life.folder, life.config, reader)
        witnesses = read_witnesses(life.config.ledger.witnesses)
        asyncio.run(require_not_behind_witnesses(life.folder, life.config, reader, witnesses))


def test_an_older_copy_is_not_opened_when_a_witness_remembers_more(
    folder: DataFolder, witness: LocalWitness, opened: list[Vouched], tmp_path: Path
) -> None:
    life = older_copy(opened, folder, policy(tmp_path / "policy", "quorum A", A=witness))
    with pytest.raises(OpenRefusedError) as found:
        start(life)
    assert found.value.fault is OpenFault.BEHIND
    policy(tmp_path / "policy", "quorum A", A=LocalWitness(witness.opened, NOWHERE))
    with pytest.raises(OpenRefusedError) as found:
        start(life)
    assert found.value.fault is OpenFault.BEHIND, "also when the witness is away the next time"


def test_no_command_seals_or_writes_to_an_older_copy_that_a_witness_remembers_longer(
    folder: DataFolder,
    witness: LocalWitness,
    opened: list[Vouched],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attack: nobody serves the copy; a seal signs its checkpoint, a second root for a size."""
    settings = policy(tmp_path / "policy", "quorum A", A=witness)
    life = older_copy(opened, folder, settings)
    size = life.journal.size
    life.close()
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OpenRefusedError) as found:
        operate(folder, SEAL, {})
    assert found.value.fault is OpenFault.BEHIND
    with LedgerReader(folder.ledger) as reader:
        assert reader.size() == size


def test_a_witness_that_is_away_or_slow_does_not_keep_the_service_from_starting(
    folder: DataFolder, opened: list[Vouched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_standing, "PATIENCE_SECONDS", 0.2)

    async def slow(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(1.5)

    away = absent(tmp_path, folder, "w")
    with served(slow) as url:
        both = {"A": away, "B": LocalWitness(absent(tmp_path, folder, "v").opened, url)}
        life = live(opened, folder, policy(tmp_path / "policy", "quorum A", **both))
        life.grow()
        start(life)


@pytest.mark.parametrize(("more", "code"), [(1, BEHIND_WITNESS), (2, SPLIT_VIEW), (6, SPLIT_VIEW)])
def test_an_older_copy_that_serves_is_found_by_its_witness_and_stops(  # noqa: PLR0913, PLR0917  # what it needs
    folder: DataFolder, witness: LocalWitness, opened: list[Vouched], tmp_path: Path, more: int, code: str
) -> None:
    settings = policy(tmp_path / "policy", "quorum A", A=witness)
    life = older_copy(opened, folder, settings)
    assert life.grow(more) == 4 + more, "three leaves, and the leaf of the witness"
    asking = life.witnessing()
    rounds(asking)
    assert (asking.problem, refused(life), life.problems) == (code, code, 1)
    shown = life.shown().octets
    life.journal.hold("")
    life.grow()
    assert life.shown().octets == shown, "nothing more is signed or shown"
    life.journal.hold(code)
    rounds(asking)
    policy(tmp_path / "policy", "quorum A", A=LocalWitness(witness.opened, NOWHERE))
    with pytest.raises(OpenRefusedError) as found:
        start(life)
    assert found.value.fault is OpenFault.BEHIND


class Liar:
    """A witness with a key of the policy that answers as a test says."""

    def __init__(self) -> None:
        self._signer = signer("ed25519", "liar")
        self.key = verifier_key("liar.example/w", SignatureType.ED25519_COSIGNATURE, self._signer)
        self.answer: Callable[[bytes], tuple[int, str, bytes]] = lambda _body: (500, "text/plain", b"")
        self.served = (404, "text/plain", b"")
        self.asked: list[str] = []

    def line(self, octets: bytes) -> bytes:
        """Return its line over whatever checkpoint."""
        return sign_line(self.key, self._signer, read_checkpoint(octets).checkpoint, 5).encode().encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope."""
        self.asked.append(scope["path"])
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        status, kind, octets = self.answer(body) if scope["method"] == "POST" else self.served
        headers = [(b"content-type", kind.encode()), (b"location", b"/elsewhere")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": octets})


@pytest.fixture
def liar(
    folder: DataFolder, opened: list[Vouched], tmp_path: Path
) -> Iterator[tuple[Liar, Vouched, witnessing.Witnessing]]:
    found = Liar()
    with served(found) as url:
        (tmp_path / "policy").write_text(f"witness L {found.key.encode()} {url}\nquorum L\n")
        life = live(opened, folder, {"TSA_LEDGER__WITNESSES": str(tmp_path / "policy")})
        life.grow(3)
        yield found, life, life.witnessing()


def offered(body: bytes) -> bytes:
    return read_request(body).signed.octets


def forged(octets: bytes, size: int | None = None) -> bytes:
    """Return a note with another root, or another size, under the signatures of the true one."""
    first, number, _root, *rest = octets.decode().split("\n")
    root = base64.b64encode(sha256(b"another").digest()).decode()
    return "\n".join([first, number if size is None else str(size), root, *rest]).encode()


LIES: dict[str, tuple[Callable[[Liar, bytes], tuple[int, str, bytes]], str]] = {
    "another root": (
        lambda liar, body: (200, "text/plain", liar.line(forged(offered(body)))),
        WitnessRefusal.ANSWER_WRONG,
    ),
    "another checkpoint": (
        lambda liar, body: (200, "text/plain", liar.line(forged(offered(body), 99))),
        WitnessRefusal.ANSWER_WRONG,
    ),
    "nothing": (lambda _liar, _body: (200, "text/plain", b""), WitnessRefusal.ANSWER_MALFORMED),
    "no text": (lambda _liar, _body: (200, "text/plain", b"\xff\xfe\n"), WitnessRefusal.ANSWER_MALFORMED),
    "a huge answer": (
        lambda liar, body: (200, "text/plain", liar.line(offered(body)) + bytes(4 * MAX_ANSWER)),
        WitnessRefusal.ANSWER_MALFORMED,
    ),
    "a redirect": (lambda _liar, _body: (307, "text/plain", b""), WitnessRefusal.STATUS),
    "a failure": (lambda _liar, _body: (500, "text/plain", b""), WitnessRefusal.STATUS),
    "always another size": (
        lambda _liar, _body: (409, "text/x.tlog.size", b"2\n"),
        WitnessFault.SIZE_UNKNOWN,
    ),
    "a size ahead": (lambda _liar, _body: (409, "text/x.tlog.size", b"99\n"), WitnessFault.UNCONFIRMED),
    "inconsistent": (lambda _liar, _body: (422, "text/plain", b""), WitnessFault.UNCONFIRMED),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_witness_is_named_and_stops_nobody(
    liar: tuple[Liar, Vouched, witnessing.Witnessing], lie: str
) -> None:
    witness, life, asking = liar
    answer, fault = LIES[lie]
    witness.answer = lambda body: answer(witness, body)
    # And it serves what nobody signed but itself.
    note = forged(life.shown().octets, 99)
    witness.served = (200, "text/plain", note + witness.line(note))
    shown = life.shown().octets
    rounds(asking)
    assert faults(asking) == [fault]
    assert (asking.problem, life.shown().octets) == ("", shown)
    assert refused(life) == ""
    assert not any("elsewhere" in path for path in witness.asked)
    assert life.leaves("checkpoint.witnessed") == []
    witness.answer = lambda body: (200, "text/plain", witness.line(offered(body)))
    rounds(asking)
    assert faults(asking) == [""]
    assert verify_line(witness.key, life.shown()) is not None


def test_a_slow_witness_holds_up_no_other(
    folder: DataFolder,
    witness: LocalWitness,
    opened: list[Vouched],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one answers only when the lines of the other are shown."""
    others: list[int] = []

    async def slow(_scope: Any, receive: Any, send: Any) -> None:
        while not others:
            if len(read_policy((tmp_path / "policy").read_bytes()).cosigners(life.shown())) == 2:
                others.append(life.shown().checkpoint.size)
            await asyncio.sleep(0.01)
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    monkeypatch.setattr(witnessing, "PATIENCE_SECONDS", PATIENCE_S)
    late = absent(tmp_path, folder, "w2")
    with served(slow) as url:
        settings = policy(tmp_path / "policy", "quorum A", A=witness, B=LocalWitness(late.opened, url))
        life = live(opened, folder, settings)
        size = life.grow()
        asking = life.witnessing()
        rounds(asking)
    assert (faults(asking), others) == (["", WitnessRefusal.STATUS], [size])
    assert asking.unwitnessed_since is None


def test_a_witness_that_does_not_answer_is_waited_for_no_longer_than_it_may_take(
    folder: DataFolder, opened: list[Vouched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(1.5)

    monkeypatch.setattr(witnessing, "PATIENCE_SECONDS", 0.2)
    with served(slow) as url:
        late = LocalWitness(absent(tmp_path, folder, "w").opened, url)
        life = live(opened, folder, policy(tmp_path / "policy", "quorum A", A=late))
        life.grow()
        asking = life.witnessing()
        rounds(asking)
    assert faults(asking) == [WitnessFault.UNREACHABLE]


@pytest.mark.parametrize(
    "text",
    [
        "quorum none\n",
        "witness A {vkey}\nquorum A\n",
        "witness A {vkey} ftp://w.example/\nquorum A\n",
        "witness A {vkey} http://user@w.example/\nquorum A\n",
        "witness A {vkey} http://w.example/?a\nquorum A\n",
        "witness A {vkey} http://\nquorum A\n",
        "nonsense\n",
    ],
)
def test_a_policy_that_names_nobody_who_can_be_asked_stops_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "policy").write_text(text.format(vkey=Liar().key.encode()))
    with pytest.raises(ConfigError):
        read_witnesses(tmp_path / "policy")
    with pytest.raises(ConfigError):
        read_witnesses(tmp_path / "absent")
