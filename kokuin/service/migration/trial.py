"""A trial authority in a scratch folder: keys and certificates of its own, a ledger of its own, real tokens.

Everything but the keys is what the service runs: `provide_units`, the loaded
units, `Issuer`, the ledger's `Committer` with its durable commits, and
`verify_bytes` on every token as it leaves. It signs in one thread, and evidence
in another, so that a service beside it is not kept waiting.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.ledger import schema
from kokuin.ledger.committer import Committer
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.service.activation import load_installation, settings_digest
from kokuin.service.config import Policies
from kokuin.service.datafolder import DataFolder
from kokuin.service.evidence.embedded_records import leaving_token
from kokuin.service.evidence.embedding import ArchiveUnit
from kokuin.service.evidence.material import gather
from kokuin.service.installation import strictest_accuracy_us
from kokuin.service.issuing import ActiveConfiguration
from kokuin.service.migration.trial_issuing import TrialError, TrialIssuing
from kokuin.service.migration.trial_sums import Sums
from kokuin.service.provisioning import provide_units
from kokuin.service.unit_errors import EmbeddingSlowError
from kokuin.trust.anchors import load_trust, read_certificates
from kokuin.trust.context import Context
from kokuin.trust.report import Indication
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.token_form import with_values
from pqc.policies import BASELINE
from tsa import status
from tsa.client import Refused as Mismatch
from tsa.client import check_answer, make_query
from tsa.clock.machine import boot_ns, read_pair
from tsa.clock.reader import ClockReader
from tsa.clock.verdict import ClockVerdict
from tsa.status import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kokuin.service.config import Config
    from kokuin.service.installation import Installation
    from kokuin.service.issuing import Issuer
    from kokuin.service.migration.dryrun_survey import Asked
    from kokuin.service.migration.trial_issuing import UnderWay
    from kokuin.service.snapshot import Snapshot
    from kokuin.trust.anchors import TrustStore
    from pqc.policies import Policy
    from tsa.client import Query

CALLERS = 8
"""Requests under way at a time, each waiting for its durable token."""
BLOCK = 50
"""Requests to one profile before it is the other's turn: both meet the same moods of the machine."""
TRIAL_SECONDS = 30.0
"""Time for issuing by one profile; a suite that is too slow for its requests makes fewer."""
_LOOK_AHEAD_NS = 3_600 * 10**9


class Trial:
    """A trial authority at work; a context manager that leaves its folder to whoever gave it."""

    def __init__(self, scratch: Path, config: Config, snapshot: Snapshot) -> None:
        """Make keys, certificates and a ledger, and load the units.

        Args:
            scratch: an empty folder.
            config: the real settings; what names real keys is left out of the trial's.
            snapshot: the profiles to try.

        Raises:
            TrialError: a unit cannot be made or does not fit.
        """
        self.folder, self.config = DataFolder(scratch), _trial_config(config, scratch)
        for path in (self.folder.anchors.parent, self.folder.ledger.parent, self.config.keys):
            path.mkdir(mode=0o700)
        schema.create(self.folder.ledger)
        snapshot = replace(snapshot, settings=settings_digest(self.config), units={})
        self._clock = ClockReader(self.config.clock_settings(strictest_accuracy_us(snapshot)))
        try:
            provide_units(self.folder, self.config, snapshot, lambda _: None)
            self.installation: Installation = load_installation(
                self.folder, self.config, snapshot, self._clock
            )
        except EmbeddingSlowError as error:
            refused = TrialError(str(error))
            refused.code = error.code
            raise refused from None
        except Exception as error:  # whatever a suite's library raises, the report must say it
            raise TrialError(f"{type(error).__name__}: {error}") from error
        # The units' certificates too: a client that asked for none in its token has them from elsewhere.
        self.trust: TrustStore = load_trust(self.folder.anchors.parent)
        self.installation.activate(ActiveConfiguration(0, snapshot.digest()))
        broken: list[str] = []
        self._journal = Committer(
            SqliteStore(self.folder.ledger),
            capacity=2 * CALLERS,
            clock_ns=time.time_ns,
            on_fatal=broken.append,
        )
        self._issuing = TrialIssuing(self._journal, self.installation.archives, broken)

    def certificate(self, owner: str) -> bytes:
        """Return the certificate (DER) of a profile's trial unit."""
        wanted = self.installation.units[owner].certificate
        found = read_certificates(self.folder.units)
        return next(each.der for each in found if hashlib.sha256(each.der).hexdigest() == wanted)

    def close(self) -> None:
        """Close the ledger."""
        self._issuing.close()
        self._journal.close()

    def run(
        self,
        queries: Sequence[Query],
        profiles: Sequence[str],
        policy: Policy,
        progress: Callable[[int, int], None],
    ) -> dict[str, Sums]:
        """Let every profile answer the same requests, in turns, and judge every token.

        Args:
            queries: in order.
            profiles: names of profiles of the snapshot.
            policy: by which the tokens are judged.
            progress: told how many requests of how many were answered.

        Raises:
            TrialError: the ledger refused or lost a record, or a signer broke.
        """
        sums = {name: Sums() for name in profiles}
        total, done = len(queries) * len(sums), 0
        for start in range(0, len(queries), BLOCK):
            block = queries[start : start + BLOCK]
            self._tell_time()
            for name, each in sums.items():
                if not each.shortened:
                    self._judge(self._issue(self.installation.issuers[name], block, each), each, policy)
                done += len(block)
                progress(done, total)
        for name, each in sums.items():
            each.archive_octets = self._archive_octets(self.installation.issuers[name])
        return sums

    def _archive_octets(self, issuer: Issuer) -> int:
        """Return the length of an archive token over a profile's tokens; 0: there is no evidence of them."""
        if issuer.evidence is None:
            return 0
        try:
            archive = ArchiveUnit(self.folder, self.installation.evidence[issuer.evidence]).stamp(bytes(64))
        except Exception as error:  # a signer may raise anything; the report must say it
            raise TrialError(f"{type(error).__name__}: {error}") from error
        if issuer.embed:
            return len(archive.token)
        # Beside its own path it carries what vouches for the tokens.
        parts = gather(self.folder, [hashlib.sha256(issuer.unit.certificate).hexdigest()])
        return len(with_values(archive.token, parts.certificates, parts.lists))

    def _tell_time(self) -> None:
        """Stand in for the clock monitor, which asks its sources for the real service only."""
        wall, boot = read_pair(time.time_ns, boot_ns)
        verdict = ClockVerdict(None, "", "dry-run", 0, 0, wall, boot, boot + _LOOK_AHEAD_NS)
        self.installation.update_clock(verdict)

    def _issue(self, issuer: Issuer, queries: Sequence[Query], sums: Sums) -> list[UnderWay]:
        """Ask with `CALLERS` requests under way, and return what is durable."""
        begun = time.perf_counter()
        waiting: deque[UnderWay] = deque()
        settled: list[UnderWay] = []
        for query in queries:
            if sums.asked and sums.seconds + time.perf_counter() - begun > TRIAL_SECONDS:
                sums.shortened = True
                break
            if len(waiting) == CALLERS:
                self._settle(waiting.popleft(), settled, sums)
            sums.asked += 1
            asked = self._issuing.ask(issuer, query)
            if isinstance(asked, Refusal):
                sums.refused[asked.code] += 1
            else:
                waiting.append(asked)
        for item in waiting:
            self._settle(item, settled, sums)
        sums.seconds += time.perf_counter() - begun
        sums.latencies.extend(item.until - item.since for item in settled)
        return settled

    def _settle(self, item: UnderWay, settled: list[UnderWay], sums: Sums) -> None:
        refusal = self._issuing.settle(item)
        if refusal is None:
            settled.append(item)
        else:
            sums.refused[refusal.code] += 1

    def _judge(self, settled: Sequence[UnderWay], sums: Sums, policy: Policy) -> None:
        """Judge every token as a verifier would, out of what the ledger keeps, not out of memory."""
        sums.archives += len({item.draft.embedded.archive for item in settled if item.draft.embedded})
        with LedgerReader(self.folder.ledger) as reader:
            for item in settled:
                response = status.granted(item.draft.leaving)
                sums.largest = max(sums.largest, len(response))
                answered = check_answer(item.query, response)
                if isinstance(answered, Mismatch):
                    sums.faults[answered.fault.value] += 1
                for record in item.draft.records:
                    stored = reader.by_serial(str(record.serial))
                    if stored is None or stored.token is None or stored.token != record.token:
                        raise TrialError(f"the scratch ledger lost token {record.serial}")
                    sums.leaf_octets += len(stored.leaf)
                    sums.kept_octets += len(stored.token)
                    self._judge_one(leaving_token(reader, stored) or b"", item.query, sums, policy)

    def _judge_one(self, token: bytes, query: Query, sums: Sums, policy: Policy) -> None:
        def content(name: str) -> bytes:
            return query.imprint if name == query.digest else b""

        start = time.perf_counter()
        report = verify_bytes(token, Context(time.time_ns() // 1_000, self.trust, content, policy))
        sums.verify_seconds += time.perf_counter() - start
        sums.verified += 1
        sums.token_octets += len(token)
        if report.indication is Indication.PASSED:
            sums.passed += 1
        else:
            sums.faults[str(report.sub_indication)] += 1


def make_queries(asked: Sequence[Asked]) -> list[Query]:
    """Make fresh requests of the same hashes; each over other data, as clients' are."""
    queries = []
    for number, each in enumerate(asked):
        imprint = DIGEST_BY_NAME[each.digest].of(b"dry run %d" % number)
        queries.append(make_query(each.digest, imprint, certificates=each.certificates))
    return queries


def _trial_config(config: Config, scratch: Path) -> Config:
    """Return the settings without what names real keys or an operator's authority.

    What the issuing policy and ETSI EN 319 422 say of the real units is judged apart: a trial under their
    rule could not measure what they forbid.
    """
    return config.model_copy(
        update={
            "pki": "development",
            "checks": "rfc3161",
            "keys": scratch / "keys",
            "passphrase_file": None,
            "signers": {},
            "policy": Policies(issue=BASELINE),
        }
    )
