"""Loading a profile's time-stamp unit: key, certificate, chain, and what must fit before the first token."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.issuing import CANARY
from kokuin.service.issuing_policy import fit_period, unit_blockers
from kokuin.service.keystore import key_name, key_number, open_signer
from kokuin.service.snapshot import UnitReference
from kokuin.service.unit_certificates import (
    check_certificate,
    check_revocation,
    find_certificates,
    key_period,
)
from kokuin.service.unit_errors import KeyOutOfReachError, UnitError
from kokuin.trust.anchors import TrustError, load_trust
from kokuin.trust.context import Context
from kokuin.trust.judge import judge_token
from kokuin.trust.report import Indication
from pqc.keyfiles import KeyFileError
from pqc.policies import PolicyError, load_policy
from pqc.signing import KeyMismatchError, Provider, SignerError, SignerProblem
from pqc.suites import Family
from tsa.etsi import etsi_findings
from tsa.unit import TimeStampUnit

if TYPE_CHECKING:
    import datetime as dt

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from pqc.policies import Policy
    from pqc.profiles import Profile
    from pqc.signing import Signer
    from tsa.decide import IssuingRules


OUT_OF_REACH = frozenset({SignerProblem.TOKEN_MISSING, SignerProblem.DEVICE_FAILED})
"""What passes when a device comes back."""
SLOW_SIGNATURE_SECONDS = 0.0003
"""A suite whose signature takes longer is signed in threads."""
_ENOUGH_SECONDS = 0.5
"""No further signature is measured then: some of SLH-DSA take seconds each."""


@dataclass(frozen=True, slots=True)
class LoadedUnit:
    """A unit ready to sign.

    Attributes:
        unit: the unit.
        slow: whether its signatures are made in threads of their own.
        seconds: how long the quickest of a few signatures took, see `_quickest`.
    """

    unit: TimeStampUnit
    slow: bool
    seconds: float


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
        KeyOutOfReachError: the key's device does not answer.
    """
    wanted = reference or UnitReference(key_name(profile.name), "")
    signer = _open_key(config, profile, passphrase, wanted.key)
    try:
        found = find_certificates(folder, signer.public_key, wanted.certificate)
    except UnitError as error:
        # A start loads several units: whoever reads the line must know whose certificate is wanted.
        raise type(error)(f"profile {profile.name}: {error}") from None
    check_certificate(found.own, now)
    check_revocation(folder, found)
    facts = found.facts()
    policy = issuing_policy(config)
    blockers = unit_blockers(profile, found.own, policy, now)
    if blockers:
        raise UnitError(f"policy {policy.name} forbids: {'; '.join(blocker.text for blocker in blockers)}")
    if config.checks == "etsi-319-422":
        findings = etsi_findings(rules, config.clock_settings(profile.accuracy_us), facts)
        if findings:
            raise UnitError(f"profile {profile.name}: etsi-319-422 forbids: {', '.join(findings)}")
    unit = TimeStampUnit(
        unit_id=f"{found.own.serial:x}",
        signer=signer,
        identity=found.identity(),
        policy=rules.policy,
        accuracy_us=profile.accuracy_us,
        period=fit_period(key_period(found.own), profile, policy),
        name_in_token=config.unit.name_in_token,
    )
    _check_tokens(unit, folder, now, policy)
    # Signatures of a device are made in threads however fast it is: it may stall at any time.
    device = signer.provider not in {Provider.SOFTWARE, Provider.LIBOQS}
    seconds = _quickest(signer)
    return LoadedUnit(unit, slow=device or seconds > SLOW_SIGNATURE_SECONDS, seconds=seconds)


def _open_key(config: Config, profile: Profile, passphrase: bytes | None, name: str) -> Signer:
    number = key_number(profile.name, name)
    if number is None:
        raise UnitError(f"{name[:64]} is no key of profile {profile.name}")
    try:
        return open_signer(config, profile.name, profile.tst, passphrase, number)
    except (KeyFileError, KeyMismatchError, SignerError) as error:
        away = isinstance(error, SignerError) and error.problem in OUT_OF_REACH
        kind = KeyOutOfReachError if away else UnitError
        raise kind(f"unit key of profile {profile.name}: {error}") from None


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


def _microseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def _quickest(signer: Signer) -> float:
    """Measure: a signature that takes long would hold up every other request of the loop.

    The quickest of five, by the processor's time of this thread: for how long others had the processor
    meanwhile says nothing about the suite. By the wall where a device or another process does the work.
    """
    elsewhere = signer.provider is Provider.PKCS11 or signer.suite.family is Family.SLH_DSA
    clock = time.perf_counter if elsewhere else time.thread_time
    taken: list[float] = []
    while len(taken) < 5 and sum(taken) < _ENOUGH_SECONDS:
        start = clock()
        signer.sign(b"how long does a signature take")
        taken.append(clock() - start)
    return min(taken)
