"""PKI.js: reads tokens of every family, and verifies classical ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from asn1crypto import pem, tsp  # type: ignore[import-untyped]

from conformance.interop.artefacts import CONTENT
from conformance.interop.checks import Check
from conformance.interop.javascript.npm import ask, version
from tests.service.asking import DATA, query
from tests.trust.authorities import NOW_US

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.interop.place import Place

VERIFIED = ("ecdsa-p256-sha256", "rsa3072-pkcs1-sha256")
READ = (*VERIFIED, "ml-dsa-65", "slh-dsa-sha2-192s", "mldsa65-ecdsa-p256-sha512", "mldsa65-ed25519-sha512")


def checks(place: Place) -> Iterator[Check]:
    """Raises `AbsentError`."""
    version()
    for suite_id in READ:
        yield Check(f"{suite_id}: it reads our token", partial(_reads, place, suite_id))
    for suite_id in VERIFIED:
        yield Check(f"{suite_id}: it verifies our token", partial(_verifies, place, suite_id))
    yield Check("bundle: it verifies the classical token with its path", partial(_verifies_path, place))


def _reads(place: Place, suite_id: str) -> None:
    made = place.artefacts(suite_id)
    (said,) = ask("pkijs", {"act": "read", "token": (made / "token.der").read_bytes()})
    signature, digest = made.suite.algorithm.oid, made.suite.digest_algorithm.oid
    # Signed attributes, certificates, policy, milliseconds.
    assert said == f"{signature} {digest} 4 2 1.3.6.1.4.1.32473.1 {NOW_US // 1_000}"


def _verifies(place: Place, suite_id: str) -> None:
    made = place.artefacts(suite_id)
    files = (made / "token.der", made.damaged("token.der")[0])
    jobs = [{"act": "verify", "token": file.read_bytes(), "content": CONTENT} for file in files]
    assert ask("pkijs", *jobs, {**jobs[0], "content": b"another"}) == [True, False, False]


def _verifies_path(place: Place) -> None:
    """With a served authority: below certificates that share one key its search for a path has no end."""
    answer, _ = place.served.stamp(query())
    token = tsp.TimeStampResp.load(answer)["time_stamp_token"].dump()
    roots = [der for _, _, der in pem.unarmor(place.served.anchors.read_bytes(), multiple=True)]
    others = [(place.artefacts(VERIFIED[0]) / "root.der").read_bytes()]
    jobs = [{"act": "verify", "token": token, "content": DATA, "roots": each} for each in (roots, others)]
    assert ask("pkijs", *jobs) == [True, False]
