"""Loading a profile's time-stamp unit: key, certificate, chain, and what must fit before the first token."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.issuing import CANARY
from kokuin.service.issuing_policy import fit_period, unit_blockers
from kokuin.service.keystore import key_file, key_name, key_number, open_signer
from kokuin.service.revoked import RevocationListError, find_revoked
from kokuin.service.snapshot import UnitReference
from kokuin.trust.anchors import TrustError, load_trust, read_certificates
from kokuin.trust.judge import Context, judge_token
from kokuin.trust.name import attribute_types, display, same_name
from kokuin.trust.report import Indication
from kokuin.wire import oids
from kokuin.wire.errors import WireError
from pqc.keyfiles import KeyFileError
from pqc.policies import PolicyError, load_policy
from pqc.signing import KeyMismatchError, Provider, SignerError, SignerProblem
from pqc.verifying import SignatureOutcome
from tsa.etsi import UnitFacts, etsi_findings
from tsa.template import SignerIdentity
from tsa.unit import KeyPeriod, TimeStampUnit

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.trust.certificate import Certificate
    from pqc.policies import Policy
    from pqc.profiles import Profile
    from pqc.signing import Signer
    from tsa.decide import IssuingRules


OUT_OF_REACH = frozenset({SignerProblem.TOKEN_MISSING, SignerProblem.DEVICE_FAILED})
"""What passes when a device comes back."""
SLOW_SIGNATURE_SECONDS = 0.0003
"""A suite whose signature takes longer is signed in threads."""


class UnitError(Exception):
    """The unit cannot serve; the message is one line that names the file and what to do.

    Attributes:
        owner: the profile that the unit belongs to; empty where that does not matter.
    """

    owner: str = ""


class KeyOutOfReachError(UnitError):
    """The key's device does not answer; it may again."""


class UnitEndedError(UnitError):
    """The unit's certificate has expired or was revoked: nothing that is done to the files brings it back."""


@dataclass(frozen=True, slots=True)
class LoadedUnit:
    """A unit ready to sign, and whether its signatures are slow enough for threads of their own."""

    unit: TimeStampUnit
    slow: bool

    @property
    def key_ends(self) -> dict[str, int]:
        """End of the key period by unit id, microseconds since 1970 UTC."""
        return {self.unit.id: self.unit.period.end_us}


def key_path(config: Config, profile: Profile) -> Path:
    """Where the private key of a profile's unit lies."""
    return key_file(config, profile.name)


def read_passphrase(config: Config, environment: dict[str, str]) -> bytes | None:
    """Return the passphrase of the key files: `TSA_PASSPHRASE`, else the configured file, else None.

    Raises:
        UnitError: the file cannot be read.
    """
    text = environment.get("TSA_PASSPHRASE")
    if text:
        return text.encode()
    if config.passphrase_file is None:
        return None
    try:
        return config.passphrase_file.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise UnitError(f"{config.passphrase_file}: {error.strerror}") from None


def issuing_policy(config: Config) -> Policy:
    """Return the policy that decides what may be issued.

    Raises:
        UnitError: it cannot be read.
    """
    try:
        return load_policy(config.policy.issue)
    except PolicyError as error:
        raise UnitError(f"policy.issue: {error}") from None


def load_unit(  # noqa: PLR0913, PLR0917  # all that a unit depends on, named once
    folder: DataFolder,
    config: Config,
    profile: Profile,
    rules: IssuingRules,
    passphrase: bytes | None,
    now: dt.datetime,
    reference: UnitReference | None = None,
) -> LoadedUnit:
    """Load and check the unit of `profile` (EN 319 421 TIS-7.6.4: certificate before the first token).

    Args:
        folder: the data folder.
        config: its settings.
        profile: whose unit it is.
        rules: what it grants.
        passphrase: of the key files.
        now: the present moment.
        reference: which key and certificate; None: the first key, with its newest certificate.

    Raises:
        UnitError: key, certificate, chain or configuration do not fit.
        UnitEndedError: the certificate has expired, or a list in the folder revokes it.
    """
    wanted = reference or UnitReference(key_name(profile.name), "")
    number = key_number(profile.name, wanted.key)
    if number is None:
        raise UnitError(f"{wanted.key[:64]} is no key of profile {profile.name}")
    try:
        signer = open_signer(config, profile.name, profile.tst, passphrase, number)
    except (KeyFileError, KeyMismatchError, SignerError) as error:
        away = isinstance(error, SignerError) and error.problem in OUT_OF_REACH
        kind = KeyOutOfReachError if away else UnitError
        raise kind(f"unit key of profile {profile.name}: {error}") from None
    bag = _read_certificates(folder.units)
    certificate = _certificate_of(signer, bag, folder.units, wanted.certificate)
    anchors = _read_certificates(folder.anchors)
    chain = _chain(certificate, bag, anchors)
    check_certificate(certificate, now)
    _check_revocation(folder, [certificate, *chain], anchors)
    facts, period = _facts(certificate)
    policy = issuing_policy(config)
    blockers = unit_blockers(profile, certificate, policy, now)
    if blockers:
        raise UnitError(f"policy {policy.name} forbids: {'; '.join(blocker.text for blocker in blockers)}")
    if config.checks == "etsi-319-422":
        findings = etsi_findings(rules, config.clock_settings(profile.accuracy_us), facts)
        if findings:
            raise UnitError(f"the profile etsi-319-422 forbids: {', '.join(findings)}")
    unit = TimeStampUnit(
        unit_id=f"{certificate.serial:x}",
        signer=signer,
        identity=_identity(certificate, chain),
        policy=rules.policy,
        accuracy_us=profile.accuracy_us,
        period=fit_period(period, profile, policy),
        name_in_token=config.unit.name_in_token,
    )
    _check_tokens(unit, folder, now, policy)
    return LoadedUnit(unit, slow=_is_slow(signer))


def _read_certificates(path: Path) -> list[Certificate]:
    try:
        found = read_certificates(path)
    except OSError as error:
        raise UnitError(f"{path}: {error.strerror}; put the certificates there as PEM") from None
    except TrustError as error:
        raise UnitError(f"{path} cannot be read: {error.code}") from None
    if not found:
        raise UnitError(f"{path} holds no certificate in PEM")
    return found


def _certificate_of(signer: Signer, bag: Sequence[Certificate], path: Path, activated: str) -> Certificate:
    own = [certificate for certificate in bag if certificate.public_key == signer.public_key]
    if not own:
        raise UnitError(f"no certificate in {path} belongs to the unit's key; have its request signed")
    if not activated:
        return max(own, key=lambda certificate: certificate.not_before)
    # One that was added since is not in force before it is activated.
    for certificate in own:
        if hashlib.sha256(certificate.der).hexdigest() == activated:
            return certificate
    raise UnitError(f"the certificate that was activated is not in {path}")


def _chain(
    certificate: Certificate, bag: Sequence[Certificate], anchors: Sequence[Certificate]
) -> list[Certificate]:
    """Return the certificates between the unit and its anchor, which itself no token carries."""
    chain: list[Certificate] = []
    current = certificate
    while True:
        if any(_issued(anchor, current) for anchor in anchors):
            return chain
        known = {item.der for item in chain}
        issuer = next((item for item in bag if item.der not in known and _issued(item, current)), None)
        if issuer is None:
            raise UnitError(f"{display(certificate.subject)} does not lead to a certificate in trust/ca.pem")
        chain.append(issuer)
        current = issuer


def _issued(issuer: Certificate, subject: Certificate) -> bool:
    return (
        issuer.der != subject.der
        and same_name(issuer.subject, subject.issuer)
        and subject.signed_by(issuer.public_key).outcome is SignatureOutcome.VALID
    )


def check_certificate(certificate: Certificate, now: dt.datetime) -> None:
    """Refuse a certificate under which no token would be accepted.

    Raises:
        UnitEndedError: it has expired.
        UnitError: it is not for time-stamping, critical and alone (RFC 3161 §2.3).
    """
    name = display(certificate.subject)
    if certificate.not_after < _microseconds(now):
        raise UnitEndedError(f"the certificate of {name} has expired")
    usage = certificate.ext_key_usage
    # RFC 3161 §2.3: only timeStamping, and critical; else verifiers refuse every token of this unit.
    if usage is None or not usage.critical or usage.purposes != (oids.ID_KP_TIME_STAMPING,):
        raise UnitError(f"{name} lacks extendedKeyUsage timeStamping, critical and alone (RFC 3161 §2.3)")


def _check_revocation(
    folder: DataFolder, chain: Sequence[Certificate], anchors: Sequence[Certificate]
) -> None:
    """Consult the lists that the operator put beside the anchors (EN 319 421 TIS-7.6.4)."""
    try:
        revoked = find_revoked(folder.anchors.parent, chain, (*chain, *anchors))
    except RevocationListError as error:
        raise UnitError(str(error)) from None
    if revoked is not None:
        raise UnitEndedError(revoked)


def _check_tokens(unit: TimeStampUnit, folder: DataFolder, now: dt.datetime, policy: Policy) -> None:
    """Judge a token that never leaves as those will who trust `trust/ca.pem`, within the key's period."""
    moment = min(max(_microseconds(now), unit.period.start_us), unit.period.end_us)
    token = unit.issue(CANARY, moment).token
    try:
        trust = load_trust(folder.anchors)
    except TrustError as error:
        raise UnitError(f"{folder.anchors} cannot be read: {error.code}") from None
    report = judge_token(token, Context(moment, trust, policy=policy))
    if report.indication is not Indication.PASSED:
        reasons = [f"{check.id} {check.reason}" for check in report.checks if check.sub_indication]
        raise UnitError(
            f"tokens of this unit would be {report.indication} / {report.sub_indication}"
            f" ({', '.join(reasons)}) for whoever trusts {folder.anchors}"
        )


def _facts(certificate: Certificate) -> tuple[UnitFacts, KeyPeriod]:
    period = key_period(certificate)
    try:
        attributes = attribute_types(certificate.subject)
    except WireError as error:
        raise UnitError(f"the subject of the unit's certificate cannot be read: {error.code}") from None
    facts = UnitFacts(
        time_stamping_alone=True,
        key_ends_before_certificate=period.end_us < certificate.not_after,
        subject_attributes=attributes,
    )
    return facts, period


def key_period(certificate: Certificate) -> KeyPeriod:
    """Return when a certificate lets its key sign: privateKeyUsagePeriod, within the validity."""
    start, end = certificate.not_before, certificate.not_after
    period = certificate.key_period
    if period is not None:
        start = start if period.not_before is None else max(start, period.not_before)
        end = end if period.not_after is None else min(end, period.not_after)
    return KeyPeriod(start, end)


def _microseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def _identity(certificate: Certificate, chain: Sequence[Certificate]) -> SignerIdentity:
    return SignerIdentity(
        certificate=certificate.der,
        issuer=certificate.issuer,
        serial=certificate.serial,
        subject=certificate.subject,
        chain=tuple(item.der for item in chain),
    )


def _is_slow(signer: Signer) -> bool:
    """Measure: a signature above this time would hold up every other request of the loop.

    Signatures of a device are made in threads however fast it is: it may stall at any time.
    """
    if signer.provider not in {Provider.SOFTWARE, Provider.LIBOQS}:
        return True
    best = min(_timed(signer) for _ in range(5))
    return best > SLOW_SIGNATURE_SECONDS


def _timed(signer: Signer) -> float:
    start = time.perf_counter()
    signer.sign(b"how long does a signature take")
    return time.perf_counter() - start
