"""A token is held against the request that it is said to answer."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from kokuin.wire import encode
from kokuin.wire.algorithms import DIGEST_BY_NAME
from tests.trust.forge import DATA, NOW_US, POLICY, judge, order, pki, reasons, verdict

if TYPE_CHECKING:
    from pathlib import Path

NONCE = 0x1F2E3D4C5B6A7988


def request(
    data: bytes = DATA,
    *,
    digest: str = "sha256",
    policy: str | None = None,
    nonce: int | None = NONCE,
    certificates: bool = True,
) -> bytes:
    algorithm = encode.sequence(encode.oid(DIGEST_BY_NAME[digest].oid), encode.NULL)
    return encode.sequence(
        encode.integer(1),
        encode.sequence(algorithm, encode.octet_string(hashlib.new(digest, data).digest())),
        b"" if policy is None else encode.oid(policy),
        b"" if nonce is None else encode.integer(nonce),
        encode.TRUE if certificates else b"",
    )


def test_the_answer_to_the_request_passes() -> None:
    report = judge(order(nonce=NONCE).make(), request=request(policy=POLICY))
    assert verdict(report) == ("PASSED", None)
    compared = [check for check in report.checks if check.id.startswith("request-")]
    assert [check.status for check in compared] == ["ok"] * 4


def test_without_a_request_nothing_is_said_of_one() -> None:
    assert not [check for check in judge(order().make()).checks if check.id.startswith("request-")]


def test_a_request_alone_is_no_data() -> None:
    report = judge(order(nonce=NONCE).make(), data=None, request=request())
    assert verdict(report) == ("PASSED", None)
    assert "CONTENT_NOT_COMPARED" in report.limits


def test_a_request_response_swap_for_other_data_fails_though_no_data_was_given() -> None:
    report = judge(order(nonce=NONCE).make(), data=None, request=request(b"other data"))
    assert verdict(report) == ("FAILED", "HASH_FAILURE")
    assert reasons(report)["request-imprint"] == "REQUEST_DIFFERS"


def test_a_request_response_swap_for_the_same_data_fails_by_its_nonce() -> None:
    report = judge(order(nonce=NONCE + 1).make(), request=request())
    assert verdict(report) == ("FAILED", "SIG_CONSTRAINTS_FAILURE")
    assert reasons(report)["request-nonce"] == "REQUEST_DIFFERS"


def test_an_old_answer_without_a_nonce_fails() -> None:
    report = judge(order().make(), request=request())
    assert verdict(report) == ("FAILED", "SIG_CONSTRAINTS_FAILURE")
    assert reasons(report)["request-nonce"] == "NONCE_ABSENT"


def test_a_nonce_that_nobody_sent_is_named() -> None:
    report = judge(order(nonce=NONCE).make(), request=request(nonce=None))
    assert verdict(report) == ("PASSED", None)
    assert reasons(report)["request-nonce"] == "NONCE_NOT_SENT"


@pytest.mark.parametrize("nonce", [0, -1, 1 << 127])
def test_a_nonce_is_compared_as_a_number(nonce: int) -> None:
    assert verdict(judge(order(nonce=nonce).make(), request=request(nonce=nonce))) == ("PASSED", None)
    assert judge(order(nonce=nonce).make(), request=request(nonce=nonce + 1)).indication == "FAILED"


def test_the_same_data_by_another_digest_was_not_asked_for() -> None:
    report = judge(order(nonce=NONCE).make(), request=request(digest="sha512"))
    assert verdict(report) == ("FAILED", "HASH_FAILURE")


def test_an_answer_under_another_policy_fails() -> None:
    report = judge(order(nonce=NONCE).make(), request=request(policy=f"{POLICY}.2"))
    assert verdict(report) == ("FAILED", "SIG_CONSTRAINTS_FAILURE")
    assert reasons(report)["request-policy"] == "REQUEST_DIFFERS"


def test_certificates_that_were_asked_for_and_are_absent_are_named_and_so_are_unasked_ones() -> None:
    bare = order(nonce=NONCE, certificates=()).make()
    report = judge(bare, request=request())
    assert reasons(report)["request-certificates"] == "CERTIFICATES_NOT_SENT"
    report = judge(order(nonce=NONCE).make(), request=request(certificates=False))
    assert verdict(report) == ("PASSED", None)
    assert reasons(report)["request-certificates"] == "CERTIFICATES_NOT_ASKED"


def test_data_and_request_must_both_hold() -> None:
    token = order(nonce=NONCE).make()
    assert judge(token, data=b"other", request=request()).indication == "FAILED"
    assert judge(token, data=DATA, request=request(b"other")).indication == "FAILED"


@pytest.mark.parametrize("same", [True, False])
def test_openssl_finds_the_same_swaps(tmp_path: Path, same: bool) -> None:  # noqa: FBT001  # a parameter of the test
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    asked = request(nonce=NONCE if same else NONCE + 1)
    answer = order(nonce=NONCE).make()
    (tmp_path / "request.tsq").write_bytes(asked)
    (tmp_path / "response.tsr").write_bytes(encode.sequence(encode.sequence(encode.integer(0)), answer))
    command = ["openssl", "ts", "-verify", "-queryfile", "request.tsq", "-in", "response.tsr"]
    ended = subprocess.run(
        [*command, "-CAfile", "root.pem", "-attime", str(NOW_US // 1_000_000)],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
    )
    assert (ended.returncode == 0) is same, ended.stderr
    assert (judge(answer, request=asked).indication == "PASSED") is same
