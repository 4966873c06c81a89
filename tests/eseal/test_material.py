"""B-LT has what its verification needs and nothing else; what is missing is named."""

from __future__ import annotations

import datetime as dt

import pytest

from eseal.material import MaterialError, MaterialProblem, Stock
from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import RevocationData
from kokuin.trust.ocsp import Plain
from kokuin.trust.revocation import Revocation, RevocationReason
from tests.eseal import pki

HOUR = dt.timedelta(hours=1)


def stock(data: RevocationData, *, trust: TrustStore | None = None) -> Stock:
    made = pki.seal_pki()
    return Stock(trust or made.trust, [made.authority.certificate], data)


def chosen(data: RevocationData, *certificates: bytes) -> tuple[tuple[bytes, ...], RevocationData]:
    found = stock(data).choose([read_certificate(each) for each in certificates], pki.NOW_US)
    return found.certificates, found.revocation


def refused(data: RevocationData, certificate: bytes) -> MaterialProblem:
    with pytest.raises(MaterialError) as error:
        stock(data).choose([read_certificate(certificate)], pki.NOW_US)
    return error.value.problem


def test_a_seal_and_its_time_stamp_share_what_they_share() -> None:
    made, key = pki.seal_pki(), pki.seal_key()
    unit = made.stamper().certificate
    data = made.revocation()
    certificates, revocation = chosen(data, key.certificate, unit.der)
    assert certificates == (key.certificate, made.authority.certificate.der, unit.der)
    assert revocation == data


def test_lists_of_others_stay_where_they_are() -> None:
    made, other = pki.seal_pki(), pki.seal_pki(pki.P384)
    own = made.crls()
    everything = RevocationData((*other.crls(), b"no list", *own))
    assert chosen(everything, pki.seal_key().certificate)[1] == RevocationData(own)


def test_the_newest_word_is_taken() -> None:
    made, certificate = pki.seal_pki(), pki.seal_key().certificate
    older = made.crls(this_update=pki.NOW - 5 * HOUR)
    newer = made.answer(certificate, this_update=pki.NOW - HOUR / 2)
    _, revocation = chosen(RevocationData(older, (newer,)), certificate)
    assert revocation == RevocationData((older[1],), (newer,))


@pytest.mark.parametrize("missing", [0, 1])
def test_each_certificate_below_the_anchor_must_be_cleared(missing: int) -> None:
    lists = pki.seal_pki().crls()
    data = RevocationData(lists[:missing] + lists[missing + 1 :])
    assert refused(data, pki.seal_key().certificate) is MaterialProblem.NO_REVOCATION


def test_a_list_of_yesterday_clears_nothing() -> None:
    stale = pki.seal_pki().crls(this_update=pki.NOW - 48 * HOUR, next_update=pki.NOW - 24 * HOUR)
    assert refused(RevocationData(stale), pki.seal_key().certificate) is MaterialProblem.NO_REVOCATION


def test_an_answer_that_knows_nothing_clears_nothing() -> None:
    made, certificate = pki.seal_pki(), pki.seal_key().certificate
    data = RevocationData(made.crls()[1:], (made.answer(certificate, Plain.UNKNOWN),))
    assert refused(data, certificate) is MaterialProblem.NO_REVOCATION


def test_one_word_of_revocation_outweighs_all_others() -> None:
    made, certificate = pki.seal_pki(), pki.seal_key().certificate
    revoked = Revocation(pki.NOW - HOUR, RevocationReason.KEY_COMPROMISE)
    data = RevocationData(made.crls(), (made.answer(certificate, revoked, this_update=pki.NOW - 3 * HOUR),))
    assert refused(data, certificate) is MaterialProblem.REVOKED


def test_a_forged_list_clears_nothing() -> None:
    """Attack: whoever can write into the folder puts a list there that nobody signed."""
    first, second = pki.seal_pki().crls()
    forged = first[:-1] + bytes((first[-1] ^ 1,))
    assert (
        refused(RevocationData((forged, second)), pki.seal_key().certificate) is MaterialProblem.NO_REVOCATION
    )


def test_a_seal_of_strangers_has_no_path() -> None:
    made = pki.seal_pki()
    strange = stock(made.revocation(), trust=TrustStore((pki.seal_pki(pki.P384).root.certificate,)))
    with pytest.raises(MaterialError) as error:
        strange.choose([read_certificate(pki.seal_key().certificate)], pki.NOW_US)
    assert error.value.problem is MaterialProblem.NO_PATH
    assert pki.COMMON_NAME in error.value.subject
