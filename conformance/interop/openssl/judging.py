"""OpenSSL from 3.5 on judges what we issue with post-quantum suites, and signs for us to judge."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from asn1crypto import cms  # type: ignore[import-untyped]

from conformance.interop.artefacts import CONTENT
from conformance.interop.checks import AbsentError, Check
from conformance.interop.envelopes import openssl_checks
from conformance.interop.openssl.program import post_quantum
from conformance.interop.verdict import judge_answer
from kokuin.trust.certification_request import read_request
from pqc.keyfiles import read_key
from pqc.keyinfo import public_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conformance.interop.artefacts import Artefacts
    from conformance.interop.openssl.program import OpenSSL
    from conformance.interop.place import Place

SUITE_IDS = ("ml-dsa-44", "ml-dsa-65", "ml-dsa-87", "slh-dsa-sha2-192s", "slh-dsa-sha2-256s")
TST_INFO = "1.2.840.113549.1.9.16.1.4"


def checks(place: Place) -> Iterator[Check]:
    """Issued things, tokens both ways, envelopes both ways; raises `AbsentError`."""
    openssl = post_quantum()
    acts: dict[str, Callable[[OpenSSL, Artefacts], None]] = {
        "it verifies our token": _token,
        "its ts refuses our token": _refuses,
        "it verifies our path": _path,
        "it verifies our request": _request,
        "it verifies our revocation list": _crl,
        "it verifies our OCSP answer": _ocsp,
        "we verify its token with our key": _signs,
        "we read its key and request": _asks,
    }
    for suite_id in SUITE_IDS:
        for label, act in acts.items():
            yield Check(f"{suite_id}: {label}", partial(_act, act, openssl, place, suite_id))
    if openssl.version < (3, 6):
        yield Check("envelopes", _no_recipients)
    else:
        yield from openssl_checks(openssl.path, place.own("openssl"))


def _act(act: Callable[[OpenSSL, Artefacts], None], openssl: OpenSSL, place: Place, suite_id: str) -> None:
    act(openssl, place.artefacts(suite_id))


def _no_recipients() -> None:
    raise AbsentError("this OpenSSL is older than 3.6 and knows no KEM recipients")


def _token(openssl: OpenSSL, made: Artefacts) -> None:
    """`cms -verify` for the purpose of time-stamping; what it lets out is the TSTInfo."""

    def verify(path: Path, *chain: str | Path) -> bool:
        out = path.with_suffix(".tst")
        form = ("-purpose", "timestampsign", "-binary", "-inform", "DER", "-in", path, "-out", out)
        done = openssl.run("cms", "-verify", *form, "-CAfile", made / "root.pem", *chain)
        return done.returncode == 0 and out.read_bytes() == _tst_info(path)

    assert verify(made / "token.der")
    assert verify(made / "bare.der", "-certfile", made / "chain.pem")
    assert not verify(made / "bare.der")
    assert not any(verify(damaged) for damaged in made.damaged("token.der"))


def _tst_info(path: Path) -> bytes:
    token = cms.ContentInfo.load(path.read_bytes())
    octets: bytes = token["content"]["encap_content_info"]["content"].contents
    return octets


def _refuses(openssl: OpenSSL, made: Artefacts) -> None:
    refuses_in_ts(openssl, made / "token.der", "-token_in", "-data", made / "content", root=made / "root.pem")


def refuses_in_ts(openssl: OpenSSL, path: Path, *words: str | Path, root: Path) -> None:
    """Show that `openssl ts`, which knows no post-quantum signature, says so and does not die of it."""
    done = openssl.run("ts", "-verify", "-in", path, *words, "-CAfile", root)
    assert (done.returncode, done.stdout.strip()) == (1, "Verification: FAILED"), done


def _path(openssl: OpenSSL, made: Artefacts) -> None:
    trust = ("-CAfile", made / "root.pem", "-untrusted", made / "authority.pem")
    words = ("verify", "-purpose", "timestampsign", "-x509_strict", *trust)
    openssl.do(*words, made / "unit.der")
    assert all(openssl.run(*words, damaged).returncode for damaged in made.damaged("unit.der"))


def _request(openssl: OpenSSL, made: Artefacts) -> None:
    def verify(path: Path) -> bool:
        done = openssl.run("req", "-inform", "DER", "-in", path, "-verify", "-noout")
        return done.returncode == 0 and "verify OK" in done.stdout + done.stderr  # where, differs by release

    assert verify(made / "request.der")
    assert not any(verify(damaged) for damaged in made.damaged("request.der"))


def _crl(openssl: OpenSSL, made: Artefacts) -> None:
    def verify(path: Path) -> bool:
        words = ("crl", "-inform", "DER", "-in", path, "-CAfile", made / "authority.pem", "-noout")
        return "verify OK" in openssl.run(*words).stderr

    assert verify(made / "crl.der")
    assert not any(verify(damaged) for damaged in made.damaged("crl.der"))


def _ocsp(openssl: OpenSSL, made: Artefacts) -> None:
    def verify(path: Path) -> bool:
        asked = ("-issuer", made / "authority.pem", "-cert", made / "unit.pem")
        trust = ("-CAfile", made / "root.pem", "-verify_other", made / "authority.pem")
        done = openssl.run("ocsp", "-respin", path, *asked, *trust)
        return "Response verify OK" in done.stderr and f"{made / 'unit.pem'}: good" in done.stdout

    assert verify(made / "ocsp.der")
    assert not any(verify(damaged) for damaged in made.damaged("ocsp.der"))


def _signs(openssl: OpenSSL, made: Artefacts) -> None:
    """The TSTInfo is ours, all around it is OpenSSL's, and so is the signature."""
    tst, token = made / "tst", made / "openssl.tst"
    tst.write_bytes(_tst_info(made / "token.der"))
    key = ("-signer", made / "unit.pem", "-inkey", made / "key.der", "-certfile", made / "authority.pem")
    form = ("-md", "sha512", "-binary", "-nodetach", "-econtent_type", TST_INFO, "-cades", "-outform", "DER")
    openssl.do("cms", "-sign", "-in", tst, *key, *form, "-out", token)
    judge_answer(token, made / "root.pem", CONTENT)


def _asks(openssl: OpenSSL, made: Artefacts) -> None:
    key, request = made / "openssl.pem", made / "openssl.csr"
    openssl.do("genpkey", "-algorithm", made.suite.key, "-out", key)
    key.chmod(0o600)
    openssl.do(
        "req", "-new", "-key", key, "-subj", "/C=JP/O=Test/CN=unit", "-outform", "DER", "-out", request
    )
    assert read_request(request.read_bytes()).public_key == public_info(read_key(key, None))
