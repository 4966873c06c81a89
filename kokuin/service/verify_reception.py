"""What a request to verify brings: a time-stamp, or a form; bounded, and its data hashed as it comes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kokuin.service.verify_codes import VerifyCode, VerifyRefusedError
from kokuin.service.verify_multipart import MultipartError, MultipartReader, Piece, parameters
from kokuin.service.verify_question import Question
from kokuin.wire.algorithms import DIGESTS, hasher
from kokuin.wire.errors import WireError
from kokuin.wire.tsp import read_timestamp_request
from pqc.policies import BASELINE, shipped_policies

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable

MAX_TOKEN = 1 << 20
"""Octets; real ones have some thousand, and `tsa verify` takes larger ones."""
MAX_DATA = 100 << 20
MAX_KEPT = 8 << 20
"""Octets of all parts but the data."""
MAX_CONTENT = MAX_DATA + MAX_KEPT + (64 << 10)

RAW = frozenset(
    {
        "application/octet-stream",
        "application/timestamp-reply",
        "application/timestamp-token",
        "application/pkcs7-mime",
        "application/pkcs7-signature",
        "application/x-pem-file",
        "application/pdf",
        "application/json",
        "application/jose",
        "application/jose+json",
    }
)
"""Types of a content that is the time-stamp or the sealed document itself."""
FORM = "multipart/form-data"
MODES = ("if-available", "required")
TEXTS = ("at", "policy", "revocation", "digest")
"""Fields of text, of the query and of the form."""
SINGLE = ("token", "request", "evidence", "proof")
SEVERAL = ("crl", "ocsp")
DATA = "data"

_BLOCK = 1 << 20
_MAX_TEXT = 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Hashing:
    """Digests of data that nobody keeps, by every algorithm: only the token knows which one it is about."""

    def __init__(self, turn: asyncio.Lock) -> None:
        self._turn = turn
        self._states = {digest.name: hasher(digest.name) for digest in DIGESTS}
        self._waiting = bytearray()
        self._size = 0

    async def take(self, octets: bytes) -> None:
        """Take further octets; hash them in a thread when there are enough of them."""
        self._size += len(octets)
        if self._size > MAX_DATA:
            raise VerifyRefusedError(VerifyCode.TOO_LARGE, DATA)
        self._waiting += octets
        if len(self._waiting) >= _BLOCK:
            await self._hash()

    async def digests(self) -> dict[str, bytes]:
        """Return the digests of all that was taken."""
        await self._hash()
        return {name: state.digest() for name, state in self._states.items()}

    async def _hash(self) -> None:
        block, self._waiting = bytes(self._waiting), bytearray()
        async with self._turn:
            await asyncio.to_thread(self._update, block)

    def _update(self, block: bytes) -> None:
        for state in self._states.values():
            state.update(block)


class Reception:
    """One request, as far as it has arrived."""

    def __init__(self, query: Iterable[tuple[str, str]], hashing: asyncio.Lock) -> None:
        """Take the fields of a query string.

        Args:
            query: names and values.
            hashing: held while a block is hashed: all uploads of a worker take one processor at most.

        Raises:
            VerifyRefusedError: one of them is unknown, or stands there twice.
        """
        self._hashing = hashing
        self._texts: dict[str, str] = {}
        self._parts: list[tuple[str, bytearray]] = []
        self._data: _Hashing | None = None
        self._kept = 0
        for name, value in query:
            if name not in TEXTS:
                raise VerifyRefusedError(VerifyCode.REQUEST_INVALID, name[:32])
            self._add_text(name, value)

    async def read(self, content_type: str, content: AsyncIterable[bytes]) -> Question:
        """Read the content and return what is asked.

        Raises:
            VerifyRefusedError: it is too long, of an unknown type, no form, or holds a field that cannot be.
        """
        content = _bounded(content)
        try:
            word, found = parameters(content_type or "application/octet-stream")
        except MultipartError:
            raise VerifyRefusedError(VerifyCode.MEDIA_TYPE) from None
        if word == FORM:
            try:
                await self._read_form(MultipartReader(found.get("boundary", "")), content)
            except MultipartError:
                raise VerifyRefusedError(VerifyCode.REQUEST_INVALID) from None
        elif word in RAW:
            self._open("token")
            async for octets in content:
                self._keep(octets)
        else:
            raise VerifyRefusedError(VerifyCode.MEDIA_TYPE)
        return await self._question()

    async def _read_form(self, reader: MultipartReader, content: AsyncIterable[bytes]) -> None:
        async for piece in _pieces(reader, content):
            if piece.first:
                self._open(piece.name)
            elif piece.name == DATA and self._data is not None:
                await self._data.take(piece.octets)
            else:
                self._keep(piece.octets)

    def _open(self, name: str) -> None:
        """Begin a part; a name that is unknown, or there twice, might have meant something else."""
        taken = {name for name, _ in self._parts if name not in SEVERAL}
        if name == DATA and self._data is None:
            self._data = _Hashing(self._hashing)
        elif name in {*SINGLE, *SEVERAL, *TEXTS} - taken - self._texts.keys():
            self._parts.append((name, bytearray()))
        else:
            raise VerifyRefusedError(VerifyCode.REQUEST_INVALID, name[:32])

    def _keep(self, octets: bytes) -> None:
        name, kept = self._parts[-1]
        self._kept += len(octets)
        kept += octets
        most = _MAX_TEXT if name in TEXTS else MAX_TOKEN if name in SINGLE else MAX_KEPT
        if len(kept) > most or self._kept > MAX_KEPT:
            raise VerifyRefusedError(VerifyCode.TOO_LARGE, name)

    def _add_text(self, name: str, value: str) -> None:
        if name in self._texts:
            raise VerifyRefusedError(VerifyCode.REQUEST_INVALID, name)
        self._texts[name] = value

    async def _question(self) -> Question:
        for name, octets in self._parts:
            if name in TEXTS:
                self._add_text(name, octets.decode("utf-8", "replace"))
        single = {name: bytes(octets) for name, octets in self._parts if name in SINGLE}
        if "token" not in single:
            raise VerifyRefusedError(VerifyCode.REQUEST_INVALID, "token")
        digest = _digest(self._texts.get("digest"))
        if digest is not None and self._data is not None:
            raise VerifyRefusedError(VerifyCode.REQUEST_INVALID, "digest")
        if "request" in single:
            _check_request(single["request"])
        return Question(
            token=single["token"],
            request=single.get("request"),
            evidence=single.get("evidence"),
            proof=single.get("proof"),
            at=_moment(self._texts.get("at")),
            policy=_policy(self._texts.get("policy", BASELINE)),
            revocation=_mode(self._texts.get("revocation", MODES[0])),
            digest=digest,
            digests=None if self._data is None else await self._data.digests(),
            crl=self._several("crl"),
            ocsp=self._several("ocsp"),
        )

    def _several(self, wanted: str) -> tuple[bytes, ...]:
        return tuple(bytes(octets) for name, octets in self._parts if name == wanted)


async def _bounded(content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Also what follows the last part, and belongs to nobody, has an end."""
    size = 0
    async for octets in content:
        size += len(octets)
        if size > MAX_CONTENT:
            raise VerifyRefusedError(VerifyCode.TOO_LARGE)
        yield octets


async def _pieces(reader: MultipartReader, content: AsyncIterable[bytes]) -> AsyncIterator[Piece]:
    async for octets in content:
        for piece in reader.feed(octets):
            yield piece
    reader.finish()


def _moment(text: str | None) -> int | None:
    """Return a time (ISO 8601; UTC where it names no offset) in microseconds since 1970 UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise VerifyRefusedError(VerifyCode.REQUEST_INVALID, "at") from None


def _digest(text: str | None) -> bytes | None:
    try:
        return None if text is None else bytes.fromhex(text)
    except ValueError:
        raise VerifyRefusedError(VerifyCode.REQUEST_INVALID, "digest") from None


def _check_request(octets: bytes) -> None:
    try:
        read_timestamp_request(octets)
    except WireError:
        raise VerifyRefusedError(VerifyCode.REQUEST_INVALID, "request") from None


def _policy(name: str) -> str:
    if name not in shipped_policies():
        # Attack: elsewhere a policy may be named by its path, and a refusal would tell what lies there.
        raise VerifyRefusedError(VerifyCode.POLICY_UNKNOWN)
    return name


def _mode(name: str) -> str:
    if name not in MODES:
        raise VerifyRefusedError(VerifyCode.REQUEST_INVALID, "revocation")
    return name
