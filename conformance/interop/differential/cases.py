"""What is judged by everybody: tokens of every suite, forged ones, and the corpus."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.interop.differential import forgeries, paths
from kokuin.trust.anchors import TrustStore, load_trust
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.verify.content import of_digest
from kokuin.verify.verifying import take_token, verify_bytes
from kokuin.wire import encode
from kokuin.wire.algorithms import DIGEST_BY_OID
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireError
from kokuin.wire.tsp import read_tst_info
from tests.trust import forge
from tests.trust.authorities import NOW_US
from tests.verify import token_seeds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.trust.report import Report

_FOREIGN = frozenset({".tsr", ".tst", ".p7s", ".tsq", ".der"})
_CHAINS = {
    "tokens/identrust-multi-ess.tsr": "tokens/identrust-chain.pem",
    "tokens/auto-archiver-valid.tsr": "tokens/identrust-chain.pem",
    "malformed/response-injected-certs.tsr": "malformed/test_tsa-chain.pem",
    **{
        f"tokens/sigstage/response-{name}.tsr": "tokens/sigstage/ts_chain.pem"
        for name in ("sha256", "sha384", "sha512", "no-embedded-cert", "invalid-signature")
    },
}
"""Chains that lie beside a token of the corpus; others are judged by the authorities that they carry."""


@dataclass(frozen=True)
class Case:
    """One thing to judge.

    Attributes:
        name: group and what it is.
        octets: token or response, in any form.
        trust: anchors and helpers.
        digest: of the data that the verifier has.
        at: microseconds since 1970 UTC.
    """

    name: str
    octets: bytes = field(repr=False)
    trust: TrustStore = field(repr=False)
    digest: bytes = field(repr=False)
    at: int

    def report(self) -> Report:
        """Return what we say."""
        return verify_bytes(self.octets, Context(self.at, self.trust, of_digest(self.digest)))

    @property
    def is_token(self) -> bool:
        """Whether it is a token and no response around one."""
        return getattr(take_token(self.octets), "before", (None,)) == ()


def all_cases() -> Iterator[Case]:
    """Yield every case; the corpus when `KOKUIN_CORPUS` names it."""
    yield from _suites()
    yield from _forms()
    for name, order in forgeries.forgeries().items():
        yield _forged(f"forged/{name}", order.make())
    yield from _other_judges()
    for name, made in paths.paths().items():
        trust = TrustStore((made.root.certificate,))
        yield replace(_forged(f"path/{name}", made.token), trust=trust)
    yield from _corpus()


def _suites() -> Iterator[Case]:
    for suite_id in token_seeds.EVERY:
        made = token_seeds.made_by(suite_id)
        trust = TrustStore((made.root,), made.below)
        right = Case(f"suite/{suite_id}", made.token, trust, token_seeds.REQUEST.imprint, NOW_US)
        yield right
        yield replace(right, name=f"{right.name} without certificates", octets=made.bare)
        yield replace(right, name=f"{right.name} in a response", octets=made.response)
        yield replace(right, name=f"{right.name} changed", octets=_changed(made.token))
        yield replace(right, name=f"{right.name} for other data", digest=bytes(32))


def _forms() -> Iterator[Case]:
    made = token_seeds.made_by(token_seeds.QUICK_CHAIN.id)
    right = Case("form/", b"", TrustStore((made.root,)), token_seeds.REQUEST.imprint, NOW_US)
    forms = {
        "indefinite lengths": token_seeds.indefinite(made.token),
        "response of indefinite lengths": token_seeds.indefinite(made.response),
        "TSTInfo in segments": token_seeds.segmented(made.token),
        "an octet behind": made.token + b"\0",
        "an octet missing": made.token[:-1],
        "a refusal": encode.sequence(encode.sequence(encode.integer(2))),
        "a refusal with a token": encode.sequence(encode.sequence(encode.integer(2)), made.token),
        "granted with modifications": encode.sequence(encode.sequence(encode.integer(1)), made.token),
    }
    for name, octets in forms.items():
        yield replace(right, name=f"form/{name}", octets=octets)


def _forged(name: str, token: bytes) -> Case:
    """Judge by the digest of the data under the algorithm that the token names, as all three do."""
    trust = TrustStore((forge.pki().root.certificate,))
    case = Case(name, token, trust, b"", forge.NOW_US)
    digest = DIGEST_BY_OID.get(_imprint(token)[0])
    return replace(
        case, digest=hashlib.sha256(forge.DATA).digest() if digest is None else digest.of(forge.DATA)
    )


def _other_judges() -> Iterator[Case]:
    """The right token, judged by whom or when it must not pass."""
    right = _forged("judged/", forge.order().make())
    stranger = forge.issue("Root", None, forge.AUTHORITY).certificate
    year = forge.YEAR_US
    yield replace(right, name="judged/by a root of the same name", trust=TrustStore((stranger,)))
    yield replace(right, name="judged/after its unit has expired", at=right.at + year)
    yield replace(right, name="judged/before its unit was valid", at=right.at - year)
    yield replace(right, name="judged/a day before it was made", at=right.at - year // 365)


def _corpus() -> Iterator[Case]:
    """Every file of the corpus, at its genTime, with its chain or the authorities that it carries."""
    named = os.environ.get("KOKUIN_CORPUS")
    folders = [Path(named) / each for each in ("tokens", "malformed")] if named else []
    for path in sorted(file for folder in folders for file in folder.rglob("*") if file.suffix in _FOREIGN):
        name = str(path.relative_to(named or ""))
        octets = path.read_bytes()
        token = getattr(take_token(octets), "octets", b"")
        chain = _CHAINS.get(name)
        trust = _own(token) if chain is None else load_trust(Path(named or "") / chain)
        _, digest, gen_time = _imprint(token)
        yield Case(f"corpus/{name}", octets, trust, digest, gen_time)


def _own(token: bytes) -> TrustStore:
    try:
        found = [read_certificate(der) for der in read_signed_data(token).certificates]
    except WireError:
        return TrustStore()
    return TrustStore(tuple(each for each in found if each.is_authority))


def _imprint(token: bytes) -> tuple[str, bytes, int]:
    """Return digest OID and value of a token's imprint and its genTime; any where it cannot be read."""
    try:
        info = read_tst_info(read_signed_data(token).content or b"")
    except WireError:
        return "", bytes(32), NOW_US
    return info.imprint.digest_oid, info.imprint.value, info.gen_time.microseconds


def _changed(octets: bytes) -> bytes:
    return octets[:-1] + bytes((octets[-1] ^ 1,))
