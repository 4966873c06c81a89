"""The children that judge: what they say, what they cannot do, and what becomes of one that breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from kokuin.service import verify_pool
from kokuin.service.verify_codes import VerifyCode, VerifyRefusedError
from kokuin.service.verify_pool import VerifyPool
from kokuin.service.verify_question import Question
from kokuin.trust.anchors import load_trust
from kokuin.trust.context import Context
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.algorithms import DIGESTS
from kokuin.wire.pem import write_block
from pqc.policies import load_policy, shipped_policies
from pqc.suites import suite
from tests.service.running import PATIENCE_S
from tests.service.verify_breaking import SECRET
from tests.trust.forge import AUTHORITY, DATA, DAY, NOW, NOW_US, UNIT, Party, issue, order, pki
from tests.trust.revoking import Reason, Taken, answer, both_clear, crl
from tests.verify.token_seeds import EVERY, JUDGED_AT, make_seeds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

BREAKING = "tests.service.verify_breaking"
DIGESTS_OF_DATA = {digest.name: digest.of(DATA) for digest in DIGESTS}


@pytest.fixture(autouse=True)
def _at_once(at_once: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no child give way, and none be late because the machine is busy."""
    monkeypatch.setenv("PYTHONPATH", at_once)
    for limit in ("START_SECONDS", "JUDGE_SECONDS", "WAIT_SECONDS"):
        monkeypatch.setattr(verify_pool, limit, PATIENCE_S)


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    folder = tmp_path / "trust"
    folder.mkdir()
    (folder / "root.pem").write_bytes(pki().root.pem)
    return folder


@pytest.fixture
def _breaking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_pool, "CHILD", BREAKING)


@contextlib.asynccontextmanager
async def pool_of(trust: Path, children: int = 1) -> AsyncIterator[VerifyPool]:
    pool = VerifyPool(trust, children)
    try:
        yield pool
    finally:
        await pool.close()


def with_pool(trust: Path, act: Callable[[VerifyPool], Awaitable[None]], children: int = 1) -> None:
    async def run() -> None:
        async with pool_of(trust, children) as pool:
            await act(pool)

    asyncio.run(run())


async def refused(pool: VerifyPool, token: bytes) -> VerifyCode:
    with pytest.raises(VerifyRefusedError) as caught:
        await pool.judge(Question(token))
    return caught.value.code


async def pid(pool: VerifyPool) -> int:
    return int(await pool.judge(Question(b"pid")))


def test_what_is_judged_behind_shut_doors_is_judged_as_in_the_open(tmp_path: Path) -> None:
    """A suite of each family, every form: nothing that judging loads late is beyond the doors."""
    seeds = make_seeds(tuple({suite(name).family: name for name in EVERY}.values()))
    folder = tmp_path / "trust"
    folder.mkdir()
    for number, certificate in enumerate((*seeds.anchors, *seeds.helpers)):
        (folder / f"{number:04}.pem").write_bytes(write_block("CERTIFICATE", certificate.der))
    store = load_trust(folder)

    async def act(pool: VerifyPool) -> None:
        for number, token in enumerate(seeds.octets):
            name = shipped_policies()[number % len(shipped_policies())]
            question = Question(token, at=JUDGED_AT, policy=name, digests=DIGESTS_OF_DATA)
            context = Context(JUDGED_AT, store, of_octets(DATA), load_policy(name))
            report = verify_bytes(token, context)
            assert await pool.judge(question) == f"{report.to_json()}\n".encode()

    with_pool(folder, act)


def test_names_in_every_string_type_are_read_behind_shut_doors(trust: Path) -> None:
    """Python opens the module of a codec when it first meets one."""
    token = _token_of_a_unit_with_odd_names()
    report = verify_bytes(token, Context(NOW_US, load_trust(trust)))
    assert str(report.to_dict()).count("単位") >= 3

    async def act(pool: VerifyPool) -> None:
        assert await pool.judge(Question(token, at=NOW_US)) == f"{report.to_json()}\n".encode()

    with_pool(trust, act)


def _token_of_a_unit_with_odd_names() -> bytes:
    types = (_ASN1Type.BMPString, _ASN1Type.UniversalString, _ASN1Type.UTF8String)
    attributes = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "単位", _type=each) for each in types]
    authority, key = pki().authority, ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(authority.x509.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
    )
    for extension, critical in UNIT:
        builder = builder.add_extension(extension, critical=critical)
    unit = Party(key, builder.sign(authority.key, hashes.SHA256()))
    return order(signer=unit, certificates=[unit.der, authority.der]).make()


@pytest.mark.usefixtures("_breaking")
def test_a_child_can_open_no_socket_no_file_and_no_program(trust: Path) -> None:
    async def act(pool: VerifyPool) -> None:
        assert json.loads(await pool.judge(Question(b"doors"))) == []
        assert json.loads(await pool.judge(Question(b"limits"))) == [4, 4]

    with_pool(trust, act)


@pytest.mark.usefixtures("_breaking")
def test_no_child_gets_the_words_that_open_keys(trust: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSA_PASSPHRASE", "secret")
    monkeypatch.setenv("TSA_PIN", "secret")

    async def act(pool: VerifyPool) -> None:
        environment = json.loads(await pool.judge(Question(b"environment")))
        assert "PYTHONPATH" in environment
        assert not {"TSA_PASSPHRASE", "TSA_PIN"} & environment.keys()

    with_pool(trust, act)


@pytest.mark.usefixtures("_breaking")
@pytest.mark.parametrize(
    ("token", "code"),
    [
        (b"spin", VerifyCode.TOO_COSTLY),
        (b"eat", VerifyCode.TOO_COSTLY),
        (b"exit", VerifyCode.FAILED),
        (b"killed", VerifyCode.FAILED),
        (b"raise", VerifyCode.FAILED),
        (b"noise", VerifyCode.FAILED),
        (b"long", VerifyCode.FAILED),
        (b"lie", VerifyCode.FAILED),
    ],
)
def test_a_child_that_breaks_is_named_and_replaced(trust: Path, token: bytes, code: VerifyCode) -> None:
    async def act(pool: VerifyPool) -> None:
        first = await pid(pool)
        assert await refused(pool, token) is code
        assert await pid(pool) != first
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)

    with_pool(trust, act)


@pytest.mark.usefixtures("_breaking")
def test_a_judgement_that_is_late_is_killed_and_does_not_keep_the_next_one_waiting(
    trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(pool: VerifyPool) -> None:
        first = await pid(pool)
        with monkeypatch.context() as patch:
            patch.setattr(verify_pool, "JUDGE_SECONDS", 0.3)
            assert await refused(pool, b"sleep") is VerifyCode.TOO_LONG
        assert await pid(pool) != first

    with_pool(trust, act)


@pytest.mark.usefixtures("_breaking")
def test_a_child_that_died_between_two_questions_is_replaced(trust: Path) -> None:
    async def act(pool: VerifyPool) -> None:
        first = await pid(pool)
        os.kill(first, signal.SIGKILL)
        await pool._idle[0].process.wait()
        assert await pid(pool) != first

    with_pool(trust, act)


@pytest.mark.usefixtures("_breaking")
def test_what_one_question_leaves_behind_is_not_paid_by_the_next(trust: Path) -> None:
    async def act(pool: VerifyPool) -> None:
        first = await pid(pool)
        assert await pool.judge(Question(b"grow")) == b""
        assert await pid(pool) != first

    with_pool(trust, act)


@pytest.mark.usefixtures("_breaking")
def test_a_question_that_is_given_up_leaves_no_answer_for_the_next(trust: Path) -> None:
    async def act(pool: VerifyPool) -> None:
        first = await pid(pool)
        asked = asyncio.create_task(pool.judge(Question(b"sleep")))
        await asyncio.sleep(0.2)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert await pid(pool) != first

    with_pool(trust, act)


@pytest.mark.usefixtures("_breaking")
def test_no_more_children_judge_than_are_allowed(trust: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(pool: VerifyPool) -> None:
        busy = [asyncio.create_task(pool.judge(Question(b"sleep"))) for _ in range(2)]
        await asyncio.sleep(0)
        with monkeypatch.context() as patch:
            patch.setattr(verify_pool, "WAIT_SECONDS", 0.2)
            assert await refused(pool, b"pid") is VerifyCode.BUSY
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        assert await pid(pool)

    with_pool(trust, act, children=2)


@pytest.mark.usefixtures("_breaking")
def test_the_log_says_what_was_raised_and_nothing_of_what_was_asked(trust: Path) -> None:
    async def act(pool: VerifyPool) -> None:
        with capture_logs() as logs:
            assert await refused(pool, b"raise") is VerifyCode.FAILED
        (event,) = logs
        assert event["event"] == "verify.failed"
        assert event["detail"].startswith("KeyError at verify_breaking.py:")
        assert SECRET not in json.dumps(logs)

    with_pool(trust, act)


def test_a_changed_trust_store_counts_from_the_next_question_on(trust: Path) -> None:
    token, root = order().make(), trust / "root.pem"

    async def verdict(pool: VerifyPool) -> str:
        return str(json.loads(await pool.judge(Question(token, at=NOW_US)))["indication"])

    async def act(pool: VerifyPool) -> None:
        assert await verdict(pool) == "PASSED"
        root.write_bytes(issue("Root", None, AUTHORITY).pem)
        assert await verdict(pool) == "INDETERMINATE"
        root.unlink()
        assert await refused(pool, token) is VerifyCode.TRUST_UNREADABLE
        root.write_bytes(pki().root.pem)
        assert await verdict(pool) == "PASSED"

    with_pool(trust, act)


REVOKED = Taken(pki().unit, NOW - DAY, Reason.key_compromise)


def test_lists_and_answers_count_that_are_sent_and_those_of_the_trust_store(trust: Path) -> None:
    listed, answered = crl(pki().authority, REVOKED), answer(pki().authority, pki().unit, REVOKED)

    async def verdict(pool: VerifyPool, **more: Any) -> tuple[str, str | None]:
        report = json.loads(await pool.judge(Question(order().make(), at=NOW_US, **more)))
        return report["indication"], report["sub_indication"]

    async def act(pool: VerifyPool) -> None:
        assert await verdict(pool) == ("PASSED", None)
        for field, label, der in (("crl", "X509 CRL", listed), ("ocsp", "OCSP RESPONSE", answered)):
            for octets in (der, write_block(label, der)):
                assert await verdict(pool, **{field: (octets,)}) == ("FAILED", "REVOKED")
        assert await verdict(pool, revocation="required") == ("INDETERMINATE", "TRY_LATER")
        assert await verdict(pool, revocation="required", crl=both_clear()) == ("PASSED", None)
        assert await verdict(pool) == ("PASSED", None), "nothing of a question is kept for the next"
        (trust / "unit.crl").write_bytes(listed)
        assert await verdict(pool) == ("FAILED", "REVOKED")

    with_pool(trust, act)


@pytest.mark.parametrize("field", ["crl", "ocsp"])
def test_a_field_that_is_not_what_it_is_called_is_named_and_costs_no_child(trust: Path, field: str) -> None:
    other: Any = {field: (b"neither a list nor an answer",)}

    async def act(pool: VerifyPool) -> None:
        await pool.judge(Question(b""))
        (child,) = pool._idle
        with pytest.raises(VerifyRefusedError) as caught:
            await pool.judge(Question(order().make(), **other))
        assert (caught.value.code, caught.value.field) == (VerifyCode.REQUEST_INVALID, field)
        assert pool._idle == [child]
        assert b"FORMAT_FAILURE" in await pool.judge(Question(b""))

    with_pool(trust, act)


WORKER = """
import asyncio, pathlib, sys
from kokuin.service import verify_pool
from kokuin.service.verify_question import Question
async def work():
    verify_pool.CHILD = "tests.service.verify_breaking"
    pool = verify_pool.VerifyPool(pathlib.Path(sys.argv[1]), 1)
    print((await pool.judge(Question(b"pid"))).decode(), flush=True)
    await pool.judge(Question(sys.argv[2].encode()))
asyncio.run(work())
"""


@pytest.mark.parametrize("busy_with", ["sleep", "spin"])
def test_no_child_outlives_a_worker_that_was_killed(trust: Path, busy_with: str) -> None:
    words = [sys.executable, "-c", WORKER, str(trust), busy_with]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        child = int(worker.stdout.readline())
        time.sleep(0.2)  # it has begun, or is about to: both must end
        worker.kill()
    deadline = time.monotonic() + PATIENCE_S
    while Path(f"/proc/{child}").exists() and not _is_zombie(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_zombie(process: int) -> bool:
    """Say whether only its parent's look is missing; here nobody may look."""
    with contextlib.suppress(FileNotFoundError):
        return ") Z " in Path(f"/proc/{process}/stat").read_text()
    return True
