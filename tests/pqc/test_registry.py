from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kokuin.wire.algorithms import AlgorithmIdentifier
from pqc.keyfiles import KeyFileError, KeyFileProblem, read_key, write_key
from pqc.keyinfo import encode_public_info, public_info, read_public_info
from pqc.registry import SCHEMES, scheme_of, scheme_of_key, scheme_of_signature
from pqc.selftest import self_test
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import SUITES, Family, Suite
from pqc.verifying import KeyFacts, SignatureOutcome, key_facts, verify_signature
from tests.pqc.keys import signer_of
from tests.toysuite import TOY, registered

if TYPE_CHECKING:
    from pathlib import Path


def outcome(public_key: bytes, signature: bytes) -> SignatureOutcome:
    return verify_signature(
        public_key_der=public_key,
        algorithm=TOY.algorithm,
        digest=TOY.digest,
        message=b"message",
        signature=signature,
    ).outcome


@pytest.mark.usefixtures("quick_passphrases")
def test_a_new_suite_needs_one_entry_and_one_scheme(tmp_path: Path) -> None:
    with registered() as toy:
        key = generate_key(toy)
        signer = SoftwareSigner(toy, key)
        signature = signer.sign(b"message")
        assert outcome(signer.public_key, signature) is SignatureOutcome.VALID
        assert outcome(signer.public_key, signature[::-1]) is SignatureOutcome.INVALID
        assert key_facts(signer.public_key) == KeyFacts("toy", "Toy", 0)
        assert self_test([toy]) == ()
        for name, passphrase in (("clear", None), ("closed", b"secret")):
            path = tmp_path / name
            write_key(path, key, passphrase)
            assert public_info(read_key(path, passphrase)) == signer.public_key
    # And it is gone without a trace.
    assert TOY.id not in SUITES
    assert set(SCHEMES) == set(Family)
    assert outcome(signer.public_key, signature) is SignatureOutcome.UNSUPPORTED
    assert key_facts(signer.public_key) is None
    with pytest.raises(KeyFileError) as caught:
        read_key(tmp_path / "clear", None)
    assert caught.value.problem is KeyFileProblem.UNSUPPORTED


@pytest.mark.parametrize("each", SUITES.values(), ids=SUITES)
def test_keys_and_signatures_of_a_suite_lead_to_its_scheme_alone(each: Suite) -> None:
    if each.issue:
        public = read_public_info(signer_of(each).public_key)
        assert scheme_of_key(public.algorithm.oid) is scheme_of(each)
    assert scheme_of_signature(each.algorithm.oid) is scheme_of(each)
    claims = [scheme for scheme in set(SCHEMES.values()) if each.algorithm.oid in scheme.signature_oids]
    assert len(claims) == 1


def test_parameters_that_a_post_quantum_key_must_not_have_make_it_malformed() -> None:
    for each in SUITES.values():
        if each.quantum_category:
            null = AlgorithmIdentifier(each.algorithm.oid, b"\x05\x00")
            octets = read_public_info(signer_of(each).public_key).octets
            assert key_facts(encode_public_info(null, octets)) is None
