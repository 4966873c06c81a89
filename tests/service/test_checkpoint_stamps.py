"""Time-stamps over checkpoints: judged before they are kept, none for an idle log; failures stop nobody."""

from __future__ import annotations

import asyncio
import hashlib
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.ledger.published import checkpoint_covering, stamps
from kokuin.ledger.reader import LedgerReader
from kokuin.service import checkpoint_stamps, stamp_sources
from kokuin.service.checkpoint_stamps import FAILED, RETRY_SECONDS, Stamper
from kokuin.service.config import ConfigError, load_config
from kokuin.trust.token import TokenFacts, read_token
from tests.service.authorities import FalseAuthority, answered, look, now_us, stamper
from tests.service.keepers import keeping
from tests.service.running import leaves
from tests.service.survival import wait_until
from tests.service.vouched import Vouched, policy
from tests.service.witnesses import local_witness, served
from tests.units import load_configured_unit
from tsa import status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from kokuin.ledger.published import KeptStamp
    from kokuin.service.datafolder import DataFolder
    from kokuin.wire.tsp import TimeStampReq
    from tests.service.keepers import Ask
    from tests.service.running import Prepared, Service
    from tsa.unit import TimeStampUnit

STAMPS = "TSA_LEDGER__STAMPS__"


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


@pytest.fixture
def opened(folder: DataFolder) -> Iterator[Callable[..., tuple[Vouched, Stamper]]]:
    lives: list[Vouched] = []

    def live(url: str, trust: Path, every: str = "0.001") -> tuple[Vouched, Stamper]:
        settings = {"URL": url, "TRUST": str(trust), "EVERY_SECONDS": every}
        life = Vouched(folder, {f"{STAMPS}{name}": value for name, value in settings.items()})
        lives.append(life)
        return life, stamper(life)

    yield live
    for life in lives:
        life.close()
        assert not life.fatal


def kept(folder: DataFolder) -> list[KeptStamp]:
    with LedgerReader(folder.ledger) as reader:
        return stamps(reader)


def sources(ask: Ask) -> Iterator[tuple[str, str]]:
    """Yield who stamps by the settings, and what is wrong with each."""
    for each in ask("ledger.status", "owner")["stamps"]:
        yield each["source"], each["problem"]


def vouched(ask: Ask) -> bool:
    """Say whether the published checkpoint has its quorum and its stamp."""
    said = ask("ledger.status", "owner")
    if said["published"] is None or said["unwitnessed_since"] is not None:
        return False
    vouching = (*said["witnesses"], *said["stamps"])
    return all(each["size"] == said["published"]["size"] for each in vouching)


def holds(folder: DataFolder, stamp: KeptStamp, leaf: Mapping[str, Any]) -> None:
    """Check a kept stamp against the checkpoint and its leaf, with as little code of ours as possible."""
    with LedgerReader(folder.ledger) as reader:
        checkpoint = checkpoint_covering(reader, stamp.size - 1)
    assert checkpoint is not None
    facts = read_token(stamp.der)
    assert isinstance(facts, TokenFacts)
    assert facts.tst_info.imprint.value == hashlib.sha512(checkpoint.note).digest()
    assert (leaf["size"], leaf["signer"], leaf["self"]) == (stamp.size, stamp.signer, True)
    assert leaf["tok"] == hashlib.sha256(stamp.der).hexdigest()
    assert leaf["tok512"] == hashlib.sha512(stamp.der).hexdigest()


def test_a_second_service_stamps_what_grew_and_nothing_else(
    folder: DataFolder, single: Service, opened: Callable[..., tuple[Vouched, Stamper]]
) -> None:
    life, asking = opened(single.url, single.folder.anchors)
    look(asking)
    assert kept(folder) == [], "nothing is published yet"
    first = life.grow(3)
    look(asking, 5)
    second = life.grow()
    look(asking, 5)
    made = life.leaves("checkpoint.stamped")
    assert [stamp.size for stamp in kept(folder)] == [leaf["size"] for leaf in made] == [first, second]
    for stamp, leaf in zip(kept(folder), made, strict=True):
        holds(folder, stamp, leaf)
    size, shown = life.journal.size, life.shown().octets
    for _ in range(10):
        asyncio.run(life.publisher.publish())
        look(asking, 2)
    assert (life.journal.size, life.shown().octets) == (size, shown), "an idle log does not grow"


def test_stamps_keep_their_interval_also_over_a_restart(
    folder: DataFolder, single: Service, opened: Callable[..., tuple[Vouched, Stamper]]
) -> None:
    life, asking = opened(single.url, single.folder.anchors, "3600")
    for _ in range(3):
        life.grow()
        look(asking)
    again = stamper(life)
    life.grow()
    look(again, 3)
    assert len(kept(folder)) == 1


def flipped(octets: bytes) -> bytes:
    return octets[:-1] + bytes((octets[-1] ^ 1,))


LIES: dict[str, tuple[Callable[[TimeStampUnit, TimeStampReq], bytes], str]] = {
    "another imprint": (
        lambda unit, request: answered(unit, request._replace(imprint=bytes(64))),
        "RESPONSE_FOR_OTHER_DATA",
    ),
    "another nonce": (
        lambda unit, request: answered(unit, request._replace(nonce=7, nonce_der=b"\x02\x01\x07")),
        "RESPONSE_WITH_OTHER_NONCE",
    ),
    "no nonce": (
        lambda unit, request: answered(unit, request._replace(nonce=None, nonce_der=None)),
        "RESPONSE_WITH_OTHER_NONCE",
    ),
    "a later time": (
        lambda unit, request: answered(unit, request, now_us() + 3_600_000_000),
        "STAMP_NOT_PASSED",
    ),
    "a broken signature": (
        lambda unit, request: flipped(answered(unit, request)),
        "STAMP_NOT_PASSED",
    ),
    "a refusal": (lambda _unit, _request: status.rejected(status.CLOCK), "RESPONSE_REJECTED"),
    "nonsense": (lambda _unit, _request: b"nonsense", "RESPONSE_UNREADABLE"),
    "a redirect": (lambda _unit, _request: b"", "STAMP_HTTP_STATUS"),
    "a huge answer": (lambda _unit, _request: bytes(2 << 20), "STAMP_ANSWER_TOO_LARGE"),
}


@pytest.mark.parametrize("lie", LIES)
def test_the_stamp_of_a_lying_authority_is_not_kept(
    folder_of: Callable[[str], Prepared],
    folder: DataFolder,
    opened: Callable[..., tuple[Vouched, Stamper]],
    monkeypatch: pytest.MonkeyPatch,
    lie: str,
) -> None:
    monkeypatch.setattr(checkpoint_stamps, "RETRY_SECONDS", 0.001)
    theirs = folder_of("classical").folder
    unit = load_configured_unit(theirs, load_config(theirs.root, {})).unit
    answer, reason = LIES[lie]
    authority = FalseAuthority(unit, answer)
    with served(authority) as url:
        life, asking = opened(url, theirs.anchors)
        life.grow()
        look(asking)
        (said,) = asking.status()
        assert (said["problem"], said["detail"].partition(":")[0]) == (FAILED, reason)
        assert kept(folder) == []
        assert life.leaves("checkpoint.stamped") == []
        authority._answer = answered
        look(asking, 3)
        assert len(kept(folder)) == 1, "tried again"
        assert asking.status()[0]["problem"] == ""


def test_a_stamp_from_before_the_question_is_not_kept(
    folder: DataFolder,
    single: Service,
    opened: Callable[..., tuple[Vouched, Stamper]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A certificate of these tests is not an hour old: the present is moved instead of the token's time.
    monkeypatch.setattr(stamp_sources, "SKEW_US", -3_600_000_000)
    life, asking = opened(single.url, single.folder.anchors)
    life.grow()
    look(asking)
    assert asking.status()[0]["detail"].startswith("STAMP_TIME")
    assert kept(folder) == []


def test_an_authority_that_nobody_trusts_stamps_nothing_and_is_asked_ever_more_rarely(
    folder_of: Callable[[str], Prepared],
    folder: DataFolder,
    opened: Callable[..., tuple[Vouched, Stamper]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], time=time.time, time_ns=time.time_ns)
    monkeypatch.setattr(checkpoint_stamps, "time", clock)
    theirs = folder_of("classical").folder
    unit = load_configured_unit(theirs, load_config(theirs.root, {})).unit
    authority = FalseAuthority(unit, answered)
    with served(authority) as url:
        life, asking = opened(url, folder_of("classical-rsa").folder.anchors, "3600")
        life.grow()
        asked: list[int] = []
        for minute in range(20):
            now[0] = minute * 2 * RETRY_SECONDS
            look(asking)
            asked += [minute] * (authority.asked - len(asked))
        assert asked == [0, 1, 2, 4, 8, 16]
    (said,) = asking.status()
    assert said["detail"].startswith("STAMP_NOT_PASSED")
    assert kept(folder) == []


def test_a_second_unit_of_the_service_stamps_and_its_token_stands_in_the_ledger(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        assert ask("profile.use", "owner", name="pq", at_us=None)["ok"]
    with keeping(folder, {f"{STAMPS}UNIT": "classical", f"{STAMPS}EVERY_SECONDS": "0.05"}) as ask:
        wait_until("a stamp is kept", lambda: bool(kept(folder)))
        # It hears last that its stamp is kept; and when it first asked, the clock may not have been known.
        wait_until("the status says so", lambda: [*sources(ask)] == [("classical", "")])
    (stamp, *_) = kept(folder)
    (leaf, *_) = [leaf for leaf in leaves(folder) if leaf["kind"] == "checkpoint.stamped"]
    holds(folder, stamp, leaf)
    issued = [leaf for leaf in leaves(folder) if leaf["kind"] == "tst.issued"]
    assert (issued[0]["tok"], issued[0]["self"]) == (leaf["tok"], True)
    assert issued[0]["profile"] == "classical"
    with LedgerReader(folder.ledger) as reader:
        stored = reader.by_serial(issued[0]["serial"])
    assert stored is not None
    assert stored.token == stamp.der


@pytest.mark.parametrize("unit", ["classical", "pq"])
def test_a_unit_that_is_off_or_the_default_stamps_nothing(folder: DataFolder, unit: str) -> None:
    with keeping(folder, {f"{STAMPS}UNIT": unit, f"{STAMPS}EVERY_SECONDS": "0.05"}) as ask:
        wait_until("it was tried", lambda: [*sources(ask)] == [(unit, FAILED)])
        answer = ask("ledger.status", "owner")
        assert answer["stamps"][0]["detail"].startswith("STAMP_UNIT_UNFIT")
        assert answer["problems"] == [], "issuing goes on"
    assert kept(folder) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"URL": "http://tsa.example"},
        {"TRUST": "ca.pem"},
        {"URL": "ftp://tsa.example", "TRUST": "ca.pem"},
        {"EVERY_SECONDS": "0"},
    ],
)
def test_settings_of_stamps_that_cannot_be_are_refused(folder: DataFolder, settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        load_config(folder.root, {f"{STAMPS}{name}": value for name, value in settings.items()})


def test_a_sealed_epoch_is_stamped_at_once_and_an_idle_service_does_not_grow(
    folder_of: Callable[[str], Prepared], folder: DataFolder, tmp_path: Path
) -> None:
    theirs = folder_of("classical").folder
    authority = FalseAuthority(load_configured_unit(theirs, load_config(theirs.root, {})).unit, answered)

    def settled() -> int:
        """Return the size after which nothing came for a while of many intervals."""
        size, since = -1, time.monotonic()
        while time.monotonic() - since < 2.5:
            with LedgerReader(folder.ledger) as reader:
                if reader.size() != size:
                    size, since = reader.size(), time.monotonic()
            time.sleep(0.05)
        return size

    with (
        served(authority) as url,
        local_witness(tmp_path / "w", "w.example", folder.log_keys) as witness,
    ):
        settings = policy(tmp_path / "policy", "quorum W", W=witness)
        settings |= {"TSA_LEDGER__WITNESS_SECONDS": "0.05", f"{STAMPS}URL": url}
        settings |= {f"{STAMPS}TRUST": str(theirs.anchors), f"{STAMPS}EVERY_SECONDS": "0.05"}
        with keeping(folder, settings) as ask:
            wait_until("others vouch for what is published", lambda: vouched(ask))
            settled()
        asked = authority.asked
        assert asked >= 1
        settings[f"{STAMPS}EVERY_SECONDS"] = "3600"
        with keeping(folder, settings) as ask:
            settled()
            assert authority.asked == asked, "not due"
            assert ask("ledger.seal", "owner")["ok"]
            (opened_at,) = (leaf["before_size"] for leaf in leaves(folder) if leaf.get("why") == "sealed")
            wait_until("what was sealed is stamped", lambda: kept(folder)[-1].size >= opened_at)
            settled()
    assert kept(folder)[-1].size == opened_at
    assert authority.asked == asked + 1
