"""What a request to seal or extend brings: the document, or a form; bounded, and spooled as it comes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eseal.profile import Format
from eseal.values import Level
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.spool import Spool
from kokuin.service.eseals.tasks import MAX_DOCUMENT, MAX_SEALED, Act, Task
from kokuin.service.verify_multipart import MultipartError, MultipartReader, parameters

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping

    from kokuin.service.eseals.tasks import Document

MAX_FORM = 64 << 10
"""Octets of a form's headers and texts."""
FORM = "multipart/form-data"
DOCUMENT, DATA = "document", "data"
COMMON = ("profile", "level", "min_level", "class")
"""Options of every format, in the query or in the form."""
OPTIONS: Mapping[Format, tuple[str, ...]] = {
    Format.PDF: ("reason", "location", "field"),
    Format.JSON: ("form", "uri", "serialization", "canonical"),
    Format.CADES: ("form",),
}
"""Options of each format, which its work reads."""
RAW: Mapping[Format, frozenset[str]] = {
    Format.PDF: frozenset({"application/pdf", "application/octet-stream"}),
    Format.JSON: frozenset({"application/json", "application/octet-stream"}),
}
"""Types of a content that is the document itself; CAdES takes any."""

_MAX_TEXT = 1024
_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


@dataclass(slots=True)
class Received:
    """What a request brought; `close` forgets it.

    Attributes:
        document: to be sealed or extended.
        data: what a detached seal is about.
        texts: options by name.
    """

    document: Document
    data: Document | None
    texts: dict[str, str] = field(default_factory=dict)

    def task(self, act: Act, form: Format) -> Task:
        """Return what is asked for.

        Raises:
            SealRefusedError: an option is unfit.
        """
        texts = self.texts
        return Task(
            act=act,
            format=form,
            profile=_word(texts, "profile"),
            level=_level(texts, "level"),
            min_level=_level(texts, "min_level"),
            document_class=_word(texts, "class"),
            options={name: text for name, text in texts.items() if name not in COMMON},
        )

    def close(self) -> None:
        """Forget the documents."""
        self.document.file.close()
        if self.data is not None:
            self.data.file.close()


class Reception:
    """One request, as far as it has arrived."""

    def __init__(self, query: Iterable[tuple[str, str]], names: frozenset[str], most: int) -> None:
        """Take the options of a query string.

        Args:
            query: names and values.
            names: of the options that there are.
            most: octets of the document, and of data.

        Raises:
            SealRefusedError: an option is unknown, or stands there twice.
        """
        self._names, self._most = names, most
        self._texts: dict[str, str] = {}
        self._spools: dict[str, Spool] = {}
        self._part = ""
        self._text = bytearray()
        for name, value in query:
            if name not in names:
                raise SealRefusedError(SealCode.REQUEST_INVALID, name[:32])
            self._add_text(name, value)

    async def read(
        self, content_type: str, content: AsyncIterable[bytes], raw: frozenset[str] | None
    ) -> Received:
        """Read the content.

        Args:
            content_type: of the request.
            content: its octets.
            raw: types of a content that is the document; None: any.

        Raises:
            SealRefusedError: it is too long, of an unknown type, no form that can be read, or has no room.
        """
        try:
            word, found = parameters(content_type or "application/octet-stream")
        except MultipartError:
            raise SealRefusedError(SealCode.MEDIA_TYPE) from None
        if word != FORM and raw is not None and word not in raw:
            raise SealRefusedError(SealCode.MEDIA_TYPE)
        try:
            if word == FORM:
                await self._read_form(found.get("boundary", ""), content)
            else:
                self._open(DOCUMENT)
                async for octets in content:
                    await self._take(octets)
            return self._done()
        except BaseException:
            self._forget()
            raise

    def _done(self) -> Received:
        if DOCUMENT not in self._spools:
            raise SealRefusedError(SealCode.REQUEST_INVALID, DOCUMENT)
        data = self._spools.get(DATA)
        return Received(self._spools[DOCUMENT].done(), None if data is None else data.done(), self._texts)

    def _forget(self) -> None:
        for spool in self._spools.values():
            spool.close()

    async def _read_form(self, boundary: str, content: AsyncIterable[bytes]) -> None:
        size = 0
        try:
            reader = MultipartReader(boundary)
            async for octets in content:
                size += len(octets)
                if size > 2 * self._most + MAX_FORM:
                    raise SealRefusedError(SealCode.TOO_LARGE)
                for piece in reader.feed(octets):
                    if piece.first:
                        self._open(piece.name)
                    else:
                        await self._take(piece.octets)
            reader.finish()
        except MultipartError:
            raise SealRefusedError(SealCode.REQUEST_INVALID) from None
        self._end_text()

    def _open(self, name: str) -> None:
        """Begin a part; a name that is unknown, or there twice, might have meant something else."""
        self._end_text()
        self._part = name
        if name in {DOCUMENT, DATA} and name not in self._spools:
            self._spools[name] = Spool()
        elif name not in self._names or name in self._texts:
            raise SealRefusedError(SealCode.REQUEST_INVALID, name[:32])

    async def _take(self, octets: bytes) -> None:
        spool = self._spools.get(self._part)
        if spool is None:
            self._text += octets
            if len(self._text) > _MAX_TEXT:
                raise SealRefusedError(SealCode.TOO_LARGE, self._part)
            return
        if spool.size + len(octets) > self._most:
            raise SealRefusedError(SealCode.TOO_LARGE, self._part)
        await spool.take(octets)

    def _end_text(self) -> None:
        if self._part and self._part not in self._spools:
            self._add_text(self._part, self._text.decode("utf-8", "replace"))
        self._part, self._text = "", bytearray()

    def _add_text(self, name: str, value: str) -> None:
        if name in self._texts or len(value) > _MAX_TEXT:
            raise SealRefusedError(SealCode.REQUEST_INVALID, name)
        self._texts[name] = value


def most_of(form: Format | None) -> int:
    """Return how many octets a document may have; to be extended (None): the most of any format."""
    return MAX_SEALED if form is None else MAX_DOCUMENT[form]


def _word(texts: Mapping[str, str], name: str) -> str:
    text = texts.get(name, "")
    if name in texts and not _WORD.fullmatch(text):
        raise SealRefusedError(SealCode.REQUEST_INVALID, name)
    return text


def _level(texts: Mapping[str, str], name: str) -> Level | None:
    try:
        return Level(texts[name]) if name in texts else None
    except ValueError:
        raise SealRefusedError(SealCode.REQUEST_INVALID, name) from None
