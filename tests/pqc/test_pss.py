from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from asn1crypto import algos, pem  # type: ignore[import-untyped]
from asn1crypto import x509 as peer_x509
from hypothesis import given
from hypothesis import strategies as st

from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGESTS
from pqc.pss import MAX_SALT, encode_pss_parameters, pss_digest_and_salt
from pqc.suites import SUITES, Family
from tests import peers

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.wire.algorithms import DigestAlgorithm

SHA256 = encode.sequence(encode.oid("2.16.840.1.101.3.4.2.1"), encode.NULL)
SHA1 = encode.sequence(encode.oid("1.3.14.3.2.26"), encode.NULL)
MGF1 = encode.oid(oids.ID_MGF1)


def parameters(*fields: bytes) -> bytes:
    return encode.sequence(*(encode.explicit(int(field[:1]), field[1:]) for field in fields))


@pytest.fixture(scope="module")
def rsa_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pss") / "key.pem"
    subprocess.run([peers.need("openssl"), "genrsa", "-out", path, "2048"], check=True, capture_output=True)
    return path


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize(("asked", "length"), [("-1", None), ("20", 20), ("0", 0), ("48", 48), ("-2", -1)])
def test_parameters_of_openssl_are_read_and_written_alike(
    rsa_key: Path, digest: str, asked: str, length: int | None
) -> None:
    size = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}[digest]
    salt = {None: size, -1: 256 - size - 2}.get(length, length)
    words = ["openssl", "req", "-x509", "-new", "-key", str(rsa_key), "-subj", "/CN=a", f"-{digest}"]
    options = ["rsa_padding_mode:pss", f"rsa_pss_saltlen:{asked}"]
    words += [word for option in options for word in ("-sigopt", option)]
    made = subprocess.run(words, check=True, capture_output=True).stdout
    certificate = peer_x509.Certificate.load(pem.unarmor(made)[2])
    found = certificate["signature_algorithm"]["parameters"].dump()
    assert pss_digest_and_salt(found) == (digest, salt)
    oid = next(item.oid for item in DIGESTS if item.name == digest)
    assert found == encode_pss_parameters(oid, salt or 0)


@given(digest=st.sampled_from(DIGESTS), salt=st.integers(0, MAX_SALT))
def test_what_is_written_is_read_and_says_the_same_to_an_independent_reader(
    digest: DigestAlgorithm, salt: int
) -> None:
    octets = encode_pss_parameters(digest.oid, salt)
    assert pss_digest_and_salt(octets) == (digest.name, salt)
    read = algos.RSASSAPSSParams.load(octets, strict=True)
    assert read["hash_algorithm"]["algorithm"].dotted == digest.oid
    assert read["mask_gen_algorithm"]["parameters"]["algorithm"].dotted == digest.oid
    assert (read["salt_length"].native, read["trailer_field"].native) == (salt, "trailer_field_bc")


def test_defaults_that_were_written_out_are_read() -> None:
    mask = encode.sequence(MGF1, SHA1)
    written = parameters(b"0" + SHA1, b"1" + mask, b"2" + encode.integer(20), b"3" + encode.integer(1))
    assert pss_digest_and_salt(written) == ("sha1", 20)
    bare = encode.sequence(encode.oid("2.16.840.1.101.3.4.2.1"))
    assert pss_digest_and_salt(parameters(b"0" + bare, b"1" + encode.sequence(MGF1, bare))) == ("sha256", 20)


@pytest.mark.parametrize(
    "hostile",
    [
        None,
        b"",
        encode.NULL,
        parameters(b"0" + SHA256),
        parameters(b"1" + encode.sequence(MGF1, SHA256)),
        parameters(b"0" + SHA256, b"1" + encode.sequence(MGF1)),
        parameters(b"0" + SHA256, b"1" + encode.sequence(encode.oid("1.2.3"), SHA256)),
        parameters(b"0" + SHA256, b"1" + encode.sequence(MGF1, SHA256), b"2" + encode.integer(-1)),
        parameters(b"0" + SHA256, b"1" + encode.sequence(MGF1, SHA256), b"2" + encode.integer(MAX_SALT + 1)),
        parameters(b"0" + SHA256, b"1" + encode.sequence(MGF1, SHA256), b"3" + encode.integer(2)),
        parameters(b"2" + encode.integer(32), b"1" + encode.sequence(MGF1, SHA1)),
        parameters(b"0" + encode.sequence(encode.oid("1.2.3"))),
        parameters(b"0" + encode.sequence(encode.oid("1.3.14.3.2.26"), encode.integer(1))),
        encode_pss_parameters("2.16.840.1.101.3.4.2.1", 32) + b"\x00",
        encode.sequence(encode.explicit(0, SHA256 * 30)),
    ],
)
def test_other_parameters_are_unknown(hostile: bytes | None) -> None:
    assert pss_digest_and_salt(hostile) is None


@given(octets=st.binary(max_size=200))
def test_any_octets_are_parameters_or_unknown(octets: bytes) -> None:
    pss_digest_and_salt(octets)


def test_every_suite_of_pss_uses_as_much_salt_as_its_digest_has_octets() -> None:
    for suite in SUITES.values():
        if suite.family is Family.RSA_PSS:
            size = next(item.size for item in DIGESTS if item.name == suite.digest)
            assert pss_digest_and_salt(suite.algorithm.parameters) == (suite.digest, size)
