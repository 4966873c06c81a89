"""`docs/architecture.md` lists the kinds and fields of leaves that the service really writes."""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.reader import LedgerReader
from kokuin.service import pruning
from kokuin.service.access.principal import Principal
from kokuin.service.activation import load_installation
from kokuin.service.config import load_config
from kokuin.service.datafolder import DataFolder
from kokuin.service.initialising import InitRequest, initialise
from kokuin.service.installation import issuing_rules
from kokuin.service.issuing import Issuer
from kokuin.service.keeper_process import make_keeper
from kokuin.service.operating import operate
from kokuin.service.ports import WorkerReport
from kokuin.service.recovering import recover
from kokuin.service.responder import Responder
from kokuin.service.restoring import open_backup, restore
from kokuin.wire.algorithms import DIGEST_BY_NAME
from pqc.envelope_suites import KemKind
from pqc.kem import generate_kem_key
from pqc.kem_files import public_pem
from pqc.profiles import load_shipped
from tests.docs.markdown import literals, read, table_from
from tests.requests import make_request, valid_requests
from tests.service.authorities import FalseAuthority, answered, look, stamper
from tests.service.epochs import Desked
from tests.service.eseals.benches import PROFILE
from tests.service.operator_ca import OperatorCa
from tests.service.recoveries import Lost
from tests.service.vouched import Vouched, policy, rounds
from tests.service.witnesses import local_witness, served
from tests.units import load_configured_unit
from tsa.clock.reader import ClockReader
from tsa.clock.verdict import ClockFault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kokuin.service.keeper import Keeper
    from kokuin.service.ports import Push
    from kokuin.service.stamping import Answer

ANYBODY = Principal("public", "anonymous", frozenset())


async def _every_kind(folder: DataFolder) -> None:
    """Start, issue, refuse, lose and regain the clock, stop: each kind of leaf at least once."""
    config = load_config(folder.root)
    profile = load_shipped(config.profile)
    keeper = make_keeper(folder, config)
    await keeper.start()
    clock = ClockReader(config.clock_settings(profile.accuracy_us))
    issuer = Issuer(
        profile.name, issuing_rules(config, profile), load_configured_unit(folder, config).unit, clock
    )

    def take(push: Push) -> None:
        assert push.clock is not None
        issuer.activate(push.active)
        issuer.update_clock(push.clock, profile.accuracy_us)

    keeper.subscribe(take)
    responder = Responder({profile.name: issuer}, profile.name, keeper.journal, frozenset())
    granted = await responder.answer(valid_requests(issuer.rules.policy)[-42], ANYBODY)
    refused = await responder.answer(b"", ANYBODY)
    assert granted.refusal is None
    assert refused.refusal is not None
    keeper.report("one", WorkerReport({}, ((refused.refusal.code, refused.profile, 1),), "", {}))
    verdict = keeper._clock.verdict
    assert verdict is not None
    keeper._judged(replace(verdict, fault=ClockFault.LOST), changed=True)
    keeper._clock._monitor.resume = lambda: True  # type: ignore[method-assign]  # as if issuing had been held
    await keeper._resume()
    responder.close()
    await _switch(keeper, folder, clock)
    await _prove(keeper, folder, clock)
    await _tend(keeper)
    await keeper.stop()
    await _propose(folder)


async def _switch(keeper: Keeper, folder: DataFolder, clock: ClockReader) -> None:
    """Refuse, schedule and drop a switch; make one, with new keys, to tokens that have twins."""
    for act, name, at_us in (
        ("use", "nonsense", None),
        ("use", "pq", time.time_ns() // 1_000 + 10**9),
        ("unschedule", "", None),
        ("use", "bundle", None),
    ):
        await keeper.ask(f"profile.{act}", {"name": name, "at_us": at_us, "actor": "owner"})
    assert (await _granted(keeper, folder, clock, "bundle")).twin


async def _granted(
    keeper: Keeper, folder: DataFolder, clock: ClockReader, name: str, *, embed: bool = False
) -> Answer:
    """Have a token granted by a profile that is on."""
    installation = load_installation(folder, load_config(folder.root), keeper.switchboard.snapshot, clock)
    installation.activate(keeper.active)
    verdict = keeper._clock.verdict
    assert verdict is not None
    installation.update_clock(verdict)
    issuer = installation.issuers[name]
    responder = Responder({name: issuer}, name, keeper.journal, frozenset(), installation.archives)
    body = make_request(DIGEST_BY_NAME["sha256"], policy=issuer.rules.policy)
    granted = await responder.answer(body, ANYBODY, document=bytes(64), embed=embed)
    assert granted.refusal is None
    responder.close()
    return granted


async def _prove(keeper: Keeper, folder: DataFolder, clock: ClockReader) -> None:
    """Issue a token that is owed evidence, and have it made."""
    assert (await keeper.ask("profile.use", {"name": "hybrid", "at_us": None, "actor": "owner"}))["ok"]
    await _granted(keeper, folder, clock, "hybrid")
    await _granted(keeper, folder, clock, "hybrid", embed=True)
    await keeper._evidence.look()
    for _ in range(2):  # what had none; with a newer key, that too
        assert (await keeper.ask("evidence.renew", {"within_us": 10**16, "actor": "owner"}))["stamps"]
        assert (await keeper.ask("keys.rotate", {"name": "evidence", "actor": "owner"}))["ok"]


async def _tend(keeper: Keeper) -> None:
    """Do to the ledger what operators do to it."""
    assert (await keeper.ask("ledger.seal", {"actor": "owner"}))["ok"]
    noted = await keeper.ask("ledger.annotate", {"index": 0, "text": "Murasaki", "actor": "owner"})
    words = {"index": noted["index"], "reason": "asked for", "actor": "owner"}
    assert (await keeper.ask("ledger.redact", words))["ok"]


async def _propose(folder: DataFolder) -> None:
    """Let two want something, and not want it; stop, and release that; turn somebody away."""
    keeper = make_keeper(folder, load_config(folder.root, {"TSA_SWITCH__APPROVALS": "2"}))
    await keeper.start()

    async def asked(operation: str, actor: str = "owner", **arguments: object) -> Mapping[str, Any]:
        answer = await keeper.ask(operation, {**arguments, "actor": actor})
        assert answer["ok"], answer
        return answer

    waiting = await asked("profile.use", name="pq")
    await asked("approval.deny", "operator-key", approval=waiting["approval"])
    words: dict[str, Any] = {"tenant": "operator", "name": "Murasaki", "roles": ["seal"]}
    client = (await asked("access.client.add", **words))["client"]
    until_us = time.time_ns() // 1_000 + 10**9
    grant = await asked("activation.propose", client=client, kind="seal", count=1, until_us=until_us)
    await asked("approval.approve", "operator-key", approval=grant["approval"])
    await asked("stop.set", reason="a drill")
    release = await asked("stop.release")
    await asked("approval.approve", "operator-key", approval=release["approval"])
    keeper.report("one", WorkerReport({}, (), "", {}, (("CREDENTIAL_WRONG", "none", 1),)))
    await keeper.stop()


def _certify_and_back_up(folder: DataFolder, fresh: DataFolder) -> None:
    ca = OperatorCa()
    request = operate(folder, "keys.csr", {"name": "classical"})["pem"]
    certificates = {"certificates": ca.sign(request) + ca.issuing_pem, "anchors": ca.root_pem}
    assert operate(folder, "keys.import", {"name": "classical", **certificates})["ok"]
    named = {"name": "main"}
    text = PROFILE.format(suites='"ed25519"')
    for act, words in (("add", {"text": text}), ("csr", {})):
        assert operate(folder, f"seal-profile.{act}", named | words)["ok"]
    place = folder.jobs / f".owner-{'0' * 32}"
    place.mkdir(parents=True)
    (place / "document").write_bytes(b"a letter")
    asked = {"act": "seal", "format": "cades", "options": {"level": "B-B"}, "place": place.name}
    sealed = operate(folder, "seal.make", asked)
    assert sealed["ok"], sealed
    assert operate(folder, "seal-profile.withdraw", named)["ok"]
    key = generate_kem_key(KemKind.ML_KEM_768)
    answer = operate(folder, "keys.backup", {"recipient": public_pem(key.recipient).decode()})
    restore(open_backup(base64.b64decode(answer["sealed"]), key), fresh)


def _vouch(folder: DataFolder) -> None:
    """Have a checkpoint cosigned by a witness, and stamped."""
    beside = folder.root.with_name("beside")
    beside.mkdir()
    authority = FalseAuthority(load_configured_unit(folder, load_config(folder.root)).unit, answered)
    with local_witness(beside / "w", "w.example", folder.log_keys) as witness, served(authority) as url:
        settings = policy(beside / "policy", "quorum W", W=witness)
        stamps = {"URL": url, "TRUST": str(folder.anchors)}
        settings |= {f"TSA_LEDGER__STAMPS__{name}": value for name, value in stamps.items()}
        life = Vouched(folder, settings)
        asyncio.run(life.publisher.publish())
        rounds(life.witnessing())
        look(stamper(life))
        life.close()


def _all(folder: DataFolder) -> list[Mapping[str, object]]:
    with LedgerReader(folder.ledger) as reader:
        return [read_leaf(stored.leaf) for stored in reader.walk()]


def _prune_and_reenter(folder: DataFolder) -> list[Mapping[str, object]]:
    """Lose records and recover; then let all retention be over."""
    lost = Lost(folder)
    recover(folder, load_config(folder.root, {}))
    desked = Desked(folder)
    words = [base64.b64encode(each).decode() for each in lost.tokens[0]]
    assert desked.ask("ledger.reenter", token=words[0], proof=words[1])["ok"]
    assert desked.ask("ledger.seal")["ok"]
    found = desked.leaves("tst.reentered")
    with mock.patch.object(pruning, "YEAR_US", 0):
        assert desked.ask("ledger.prune")["done"]
    desked.end()
    return found + desked.leaves("ledger.pruned")


@pytest.fixture(scope="module")
def leaves(tmp_path_factory: pytest.TempPathFactory) -> list[Mapping[str, object]]:
    root: Path = tmp_path_factory.mktemp("leaves") / "data"
    initialise(InitRequest(root, profile="classical"))
    folder = DataFolder(root)
    asyncio.run(_every_kind(folder))
    fresh = DataFolder(root.with_name("restored"))
    _certify_and_back_up(folder, fresh)
    _vouch(folder)
    lossy = root.with_name("lossy")
    initialise(InitRequest(lossy, profile="classical"))
    return _all(folder) + _all(fresh) + _prune_and_reenter(DataFolder(lossy))


def _described() -> dict[str, set[str]]:
    table = table_from(read("docs/architecture.md"), "`tst.issued`")
    common = set(literals(table.header[1]))
    return {kind: common | set(literals(row[1])) for row in table.rows for kind in literals(row[0])}


def test_the_kinds_and_fields_of_leaves_are_those_of_the_plan(leaves: list[Mapping[str, object]]) -> None:
    found: dict[str, set[str]] = {}
    for leaf in leaves:
        found.setdefault(str(leaf["kind"]), set()).update(leaf)
    assert found == _described()
    sometimes = {"twin", "evidence", "doc512", "embedded"}
    for kind, fields in _described().items():
        assert all(set(leaf) >= fields - sometimes for leaf in leaves if leaf["kind"] == kind), kind


def test_every_moment_in_a_leaf_is_in_microseconds(leaves: list[Mapping[str, object]]) -> None:
    now = time.time_ns() // 1_000
    for leaf in leaves:
        for name in {"at", "gen", "from", "to", "made"} & set(leaf):
            moment = leaf[name]
            assert isinstance(moment, int)
            assert 0 <= now - moment < 3_600_000_000
