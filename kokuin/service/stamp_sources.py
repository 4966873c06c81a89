"""Who stamps the log's checkpoints: an outside authority over HTTP, or a second unit of this service.

Both answer a TimeStampReq with a TimeStampResp (RFC 3161 §2.4), and both are
judged alike before anything is kept: an authority that lies, or a unit that is
unfit, stamps nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import httpx

from kokuin.service.access.principal import Principal
from kokuin.service.unit_alone import UnitAlone
from kokuin.service.unit_errors import UnitError
from kokuin.trust.anchors import TrustError, load_trust
from kokuin.trust.context import Context
from kokuin.trust.judge import find_signer, judge_token
from kokuin.trust.report import Indication
from kokuin.trust.token import TokenFacts, read_token
from kokuin.wire.ber import definite
from kokuin.wire.errors import WireError
from kokuin.wire.prescan import TOKEN_LIMITS
from kokuin.wire.token_form import bare_token
from kokuin.wire.tsp import read_timestamp_response
from pqc.policies import PolicyError, load_policy
from pqc.profiles import ProfileError
from tsa import status
from tsa.client import REQUEST_MEDIA_TYPE, Refused, check_answer, make_query
from tsa.status import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.unit_alone import Present
    from kokuin.trust.records import Record
    from tsa.client import Query

MAX_ANSWER = 1 << 20
"""Octets of the longest answer that is read."""

ANSWER_SECONDS = 30.0
"""How long an outside authority may take."""

SKEW_US = 60_000_000
"""How far a genTime may lie before the question, beyond its own accuracy; judging bounds the other side."""

IMPRINT = "sha512"
"""What a checkpoint is hashed with for its stamp."""

KEEPER = Principal("service", "keeper", frozenset())


class StampError(Exception):
    """A checkpoint was not stamped; the text is a stable code and what there is to say."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A TimeStampResp, and the records that must be durable before its token counts as issued."""

    octets: bytes
    records: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class Stamp:
    """A token that was judged.

    Attributes:
        der: its ContentInfo, as received.
        tok: SHA-256, hex, of it without unsignedAttrs.
        tok512: SHA-512, likewise.
        signer: SHA-256, hex, of the signer's certificate.
    """

    der: bytes
    tok: str
    tok512: str
    signer: str


class StampSource(Protocol):
    """Whoever stamps."""

    name: str
    """For status and log."""
    trust: Path
    """Where the anchors are by which its tokens are judged."""

    async def ask(self, query: Query) -> Answer:
        """Answer a request.

        Raises:
            StampError: there is no answer.
        """
        ...


class OutsideAuthority:
    """An authority at a URL; no redirect is followed, and no setting of the environment counts."""

    def __init__(self, url: str, trust: Path) -> None:
        """Args: where it is; a file with its root, in PEM."""
        self.name, self.trust = url, trust

    async def ask(self, query: Query) -> Answer:
        """See `StampSource.ask`."""
        headers = {"content-type": REQUEST_MEDIA_TYPE, "accept-encoding": "identity"}
        body = bytearray()
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=ANSWER_SECONDS) as client,
                client.stream("POST", self.name, content=query.der, headers=headers) as answer,
            ):
                if answer.status_code not in {200, 201}:
                    raise StampError(f"STAMP_HTTP_STATUS: {answer.status_code}")
                async for piece in answer.aiter_raw(65_536):
                    body += piece
                    if len(body) > MAX_ANSWER:
                        raise StampError("STAMP_ANSWER_TOO_LARGE")
        except TimeoutError:
            raise StampError(f"STAMP_UNREACHABLE: no answer within {ANSWER_SECONDS:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise StampError(f"STAMP_UNREACHABLE: {error or type(error).__name__}") from None
        return Answer(bytes(body))


class SecondUnit:
    """A unit of this service that is not the default's; loaded for each stamp, and let go again."""

    def __init__(
        self, folder: DataFolder, config: Config, profile: str, present: Callable[[], Present]
    ) -> None:
        """Args: folder and settings; the profile whose unit stamps; what is in force."""
        self.name, self.trust = profile, folder.anchors
        self._folder, self._config, self._present = folder, config, present

    async def ask(self, query: Query) -> Answer:
        """See `StampSource.ask`; the records say that the service caused the token itself."""
        present = self._present()
        try:
            return await asyncio.to_thread(self._issue, query, present)
        except (UnitError, ProfileError) as error:
            raise StampError(f"STAMP_UNIT_UNFIT: {error}") from None
        except StampError:
            raise
        except Exception as error:  # noqa: BLE001  # a key device may raise anything; the stamp is tried again
            raise StampError(f"STAMP_UNIT_UNFIT: {error!r}") from None

    def _issue(self, query: Query, present: Present) -> Answer:
        self._require_another(present)
        draft = UnitAlone(self._folder, self._config, self.name, present).issue(query.der, KEEPER, present)
        if isinstance(draft, Refusal):
            raise StampError(f"STAMP_REFUSED: {draft.code}")
        return Answer(status.granted(draft.issued.token), draft.records)

    def _require_another(self, present: Present) -> None:
        """Look whether the unit may stamp.

        Raises:
            StampError: the clock is not known yet, or the unit is off or the default's.
            ProfileError: a profile cannot be used.
        """
        snapshot = present.snapshot
        if self.name not in snapshot.enabled:
            raise StampError(f"STAMP_UNIT_UNFIT: profile {self.name} is not on")
        owners = set(snapshot.profile(self.name).units)
        if len(owners) != 1 or owners & set(snapshot.profile(snapshot.default).units):
            # Whoever has the default's key could date what the stamp is to hold against him.
            raise StampError(f"STAMP_UNIT_UNFIT: {self.name} signs with the default's key, or with several")
        if present.clock is None:
            raise StampError("STAMP_REFUSED: the clock is not known yet")


async def obtain(source: StampSource, note: bytes, policy: str) -> tuple[Stamp, tuple[Record, ...]]:
    """Have a checkpoint stamped and the token judged.

    Args:
        source: whom to ask.
        note: octets of the checkpoint, with the log's own lines alone.
        policy: by which the token is judged.

    Returns:
        The stamp, and the records that must be durable with it.

    Raises:
        StampError: there is no answer, or it is not one that can be kept.
    """
    query = make_query(IMPRINT, hashlib.new(IMPRINT, note).digest(), certificates=True)
    asked_us = time.time_ns() // 1_000
    answer = await source.ask(query)
    stamp = await asyncio.to_thread(_judge, query, answer.octets, note, asked_us, source.trust, policy)
    return stamp, answer.records


def _judge(  # noqa: PLR0913, PLR0917  # all that an answer is held against
    query: Query, octets: bytes, note: bytes, asked_us: int, trust: Path, policy: str
) -> Stamp:
    info = check_answer(query, octets)
    if isinstance(info, Refused):
        raise StampError(f"{info.fault}: {info.text}" if info.text else info.fault.value)
    try:
        token = read_timestamp_response(definite(octets, TOKEN_LIMITS)).token or b""
        bare = bare_token(token)
        context = Context(
            time.time_ns() // 1_000,
            load_trust(trust),
            content=lambda digest: hashlib.new(digest, note).digest(),
            policy=load_policy(policy),
        )
    except (WireError, TrustError, PolicyError) as error:
        raise StampError(f"STAMP_UNUSABLE: {error}") from None
    except OSError as error:
        raise StampError(f"STAMP_UNUSABLE: {trust}: {error.strerror}") from None
    report = judge_token(token, context)
    if report.indication is not Indication.PASSED:
        raise StampError(f"STAMP_NOT_PASSED: {report.indication} / {report.sub_indication}")
    accuracy_us = info.accuracy.microseconds if info.accuracy else 0
    if info.gen_time.microseconds + accuracy_us + SKEW_US < asked_us:
        # The nonce is fresh, so the token is: an earlier time would date the checkpoint before it was there.
        raise StampError("STAMP_TIME: its genTime lies before the question")
    facts = read_token(token)
    signer = find_signer(facts, context) if isinstance(facts, TokenFacts) else None
    if signer is None:
        raise StampError("STAMP_UNUSABLE: no signer")
    hashes = hashlib.sha256(bare).hexdigest(), hashlib.sha512(bare).hexdigest()
    return Stamp(token, *hashes, hashlib.sha256(signer.der).hexdigest())
