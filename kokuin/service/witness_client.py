"""How the keeper speaks to its witnesses: over HTTP, within seconds, at the addresses of its settings.

Nothing that a witness says is believed for its own sake: a cosignature counts
when it verifies under a key of the policy, and a checkpoint that it serves when
this log itself has signed it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Self, TypeAlias

import httpx

from kokuin.ledger.checkpoint import verify_line
from kokuin.ledger.note_faults import NoteError
from kokuin.ledger.witness_exchange import (
    MAX_ANSWER,
    Conflict,
    Cosigned,
    Refused,
    WitnessRefusal,
    read_answer,
    request_body,
)
from kokuin.ledger.witness_policy import MAX_FILE, WitnessPolicyError, read_policy
from kokuin.service.config import ConfigError
from kokuin.service.config_types import web_address

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.note import VerifierKey
    from kokuin.ledger.witness_policy import WitnessPolicy

MOST_KEYS = 32
"""Keys of witnesses that are asked at most: a note has room for the lines of so many."""

MOST_NAME = 80
"""Octets of the longest name of such a key: a leaf has room for the names of all."""


class WitnessFault(StrEnum):
    """Why a witness was of no use this time, beside what `WitnessRefusal` says."""

    UNREACHABLE = "WITNESS_UNREACHABLE"
    """No connection, no answer in time, or an answer that is no HTTP."""
    SIZE_UNKNOWN = "WITNESS_SIZE_UNKNOWN"
    """It named another size again when it was shown a proof from the one that it named."""
    UNCONFIRMED = "WITNESS_UNCONFIRMED"
    """It claims to have cosigned what this store does not hold, and shows nothing that this log signed."""
    STORE = "WITNESS_STORE"
    """This store could not be read for the proof."""


Fault: TypeAlias = "WitnessFault | WitnessRefusal"


class UnreachableError(Exception):
    """A witness gave no answer; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A witness as it is asked: its submission prefix, and the keys of the policy that sign there."""

    url: str
    keys: tuple[VerifierKey, ...]


@dataclass(frozen=True, slots=True)
class Witnesses:
    """A policy that was read, and whom it lets be asked."""

    policy: WitnessPolicy
    places: tuple[Place, ...]


def read_witnesses(path: Path) -> Witnesses:
    """Read a policy file (C2SP tlog-policy); lines of one URL are keys of one witness.

    Raises:
        ConfigError: it cannot be read, or names no witness that can be asked.
    """
    try:
        with path.open("rb") as file:
            policy = read_policy(file.read(MAX_FILE + 1))
    except OSError as error:
        raise ConfigError(f"ledger.witnesses: {path}: {error.strerror}") from None
    except WitnessPolicyError as error:
        raise ConfigError(f"ledger.witnesses: {path}: {error}") from None
    places: dict[str, list[VerifierKey]] = {}
    for witness in policy.witnesses:
        if witness.url is not None:
            places.setdefault(_prefix(witness.url), []).append(witness.key)
    keys = [key for found in places.values() for key in found]
    if not 1 <= len(keys) <= MOST_KEYS or any(len(key.name.encode()) > MOST_NAME for key in keys):
        raise ConfigError(
            f"ledger.witnesses: {path}: 1 to {MOST_KEYS} witness lines must have a URL,"
            f" and names of at most {MOST_NAME} octets"
        )
    return Witnesses(policy, tuple(Place(url, tuple(found)) for url, found in places.items()))


class WitnessClient:
    """Asks witnesses; no redirect is followed, and no setting of the environment counts."""

    def __init__(self) -> None:
        """Open nothing yet; how long a witness may take is for whoever asks to say, see `within`."""
        headers = {"accept-encoding": "identity"}
        self._client = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            headers=headers,
            timeout=None,  # noqa: S113  # `within` bounds the whole
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def cosign(
        self,
        place: Place,
        offered: SignedCheckpoint,
        old_size: int,
        prove: Callable[[int], Awaitable[Sequence[bytes]]],
    ) -> Cosigned | Conflict | Refused:
        """Ask for a cosignature, a second time where the witness names another old size.

        Args:
            place: whom.
            offered: the checkpoint with the log's own lines.
            old_size: that it has cosigned last, as far as is known, else 0.
            prove: makes the consistency proof from a size to the offered one.

        Raises:
            UnreachableError: it does not answer.
        """
        answer = await self._offer(place, offered, old_size, await prove(old_size))
        if isinstance(answer, Conflict) and not answer.ahead:
            answer = await self._offer(place, offered, answer.size, await prove(answer.size))
        return answer

    async def served(self, place: Place, origin: str, logs: LogVerifier) -> SignedCheckpoint | None:
        """Return the checkpoint that a witness serves for an origin, with the log's own signatures and its.

        The monitoring prefix is taken to be the submission prefix, as C2SP tlog-witness allows.

        Returns:
            None when it serves none, or one that not both have signed.

        Raises:
            UnreachableError: it does not answer.
        """
        name = sha256(origin.encode()).hexdigest()
        status, _, body = await self._exchange("GET", f"{place.url}/{name}/checkpoint")
        if status != 200 or len(body) > MAX_ANSWER:
            return None
        try:
            signed = logs.check(body)
            cosigned = [verify_line(key, signed) for key in place.keys]
        except NoteError:
            return None
        return signed if signed.checkpoint.origin == origin and any(cosigned) else None

    async def _offer(
        self, place: Place, offered: SignedCheckpoint, old_size: int, proof: Sequence[bytes]
    ) -> Cosigned | Conflict | Refused:
        body = request_body(old_size, proof, offered.octets)
        answer = await self._exchange("POST", f"{place.url}/add-checkpoint", body)
        return read_answer(*answer, offered, place.keys)

    async def _exchange(self, method: str, url: str, content: bytes | None = None) -> tuple[int, str, bytes]:
        body = bytearray()
        try:
            async with self._client.stream(method, url, content=content) as answer:
                async for piece in answer.aiter_raw(65_536):
                    body += piece
                    if len(body) > MAX_ANSWER:
                        break
                return answer.status_code, answer.headers.get("content-type", ""), bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError(str(error) or type(error).__name__) from None


async def within(seconds: float, asking: Awaitable[None]) -> str:
    """Wait for what asks a witness; return why it gave no answer, empty when it gave one."""
    try:
        async with asyncio.timeout(seconds):
            await asking
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except UnreachableError as error:
        return str(error)
    return ""


def _prefix(url: str) -> str:
    try:
        return web_address(url).rstrip("/")
    except ValueError as error:
        raise ConfigError(f"ledger.witnesses: {url}: {error}") from None
