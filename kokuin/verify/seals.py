"""Seals recognised by their first octets, taken apart by the finder of their format, and judged.

The finders are loaded when a document of their kind is met: what judges a time-stamp alone never loads them.
"""

from __future__ import annotations

import importlib
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, cast

from eseal.evidenced import judge_evidenced
from eseal.judging import refuse_document
from eseal.rules import SealReason
from eseal.values import MAX_CMS, MAX_JWS, MAX_PDF, Content
from kokuin.trust.report import Check, SubIndication
from kokuin.trust.rules import FORMAT
from kokuin.trust.signer import naming_attributes
from kokuin.verify.content import of_octets
from kokuin.wire import encode, oids
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.values import Found
    from kokuin.trust.context import Context
    from kokuin.trust.report import Report

_PDF_HEAD = 1024
"""ISO 32000-1, Annex H.3.4.1: readers look for the header in so many octets."""
_COMPACT = re.compile(rb"\s*e[wy][A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\s*")
"""RFC 7515 §7.1: three parts; the first is a JSON object, which begins with a brace."""
_SIGNED_DATA = re.compile(rb"\x30.{1,9}?" + re.escape(encode.oid(oids.ID_SIGNED_DATA)), re.DOTALL)
_JSON_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\{")


_OF_PROTOCOLS = "1.2.840.113549.1.9.16.1."
"""The arc of content types that protocols define, TSTInfo among them: who signs one speaks to a program."""


class Form(StrEnum):
    """What a document was recognised as."""

    PDF = "pdf"
    JWS = "jws"
    CMS = "cms"


_FINDERS = {Form.PDF: "eseal.pdf.find", Form.JWS: "eseal.jades_find", Form.CMS: "eseal.cades_find"}
_MOST = {Form.PDF: MAX_PDF, Form.JWS: MAX_JWS, Form.CMS: MAX_CMS}


class _Finder(Protocol):
    def find(self, data: bytes, content: Content | None) -> Found | Check:
        """As `eseal.values` says."""
        ...


class _DigestsAlone:
    """What has digests of the data, and not the data."""

    def __init__(self, content: Callable[[str], bytes]) -> None:
        self._content = content

    def __call__(self, algorithm: str, /) -> bytes:
        return self._content(algorithm)

    def octets(self, most: int) -> None:  # noqa: ARG002  # there is never any
        return None


def recognise(data: bytes) -> Form | None:
    """Say what a document is by its form: PDF or JWS; None for all else, CMS included."""
    if b"%PDF-" in data[:_PDF_HEAD]:
        return Form.PDF
    if _JSON_HEAD.match(data[:_PDF_HEAD]) or (len(data) <= MAX_JWS and _COMPACT.fullmatch(data)):
        return Form.JWS
    return None


def is_sealed(octets: bytes) -> bool:
    """Say whether a SignedData names a signer's certificate in what is signed: CAdES (EN 319 122-1 §5.2.2).

    Without it nothing pins the certificate, and the signature is no seal.

    Args:
        octets: as `kokuin.wire.ber.definite` returned them.
    """
    try:
        signed_data = read_signed_data(octets)
    except WireError:
        return False
    if signed_data.content_type.startswith(_OF_PROTOCOLS):
        return False
    return any(naming_attributes(signer) for signer in signed_data.signer_infos)


def is_seal_beyond_tokens(data: bytes) -> bool:
    """Say whether octets that no token can be are a sealed SignedData all the same.

    Revocation lists in a seal are longer than in any token, and what comes out of a PDF has zeros behind it.

    Args:
        data: as found, in BER.
    """
    if not _SIGNED_DATA.match(data):
        return False
    try:
        return is_sealed(importlib.import_module(_FINDERS[Form.CMS]).definite_cms(data))
    except WireError:
        return False


def judge_seals(form: Form, data: bytes, context: Context, file: bytes | None = None) -> Report:
    """Judge a document of a form.

    Args:
        form: what it was recognised as.
        data: its octets.
        context: by what it is judged; its content is the data of a detached seal, its evidence is of `file`.
        file: octets of the file in which it was found; None: they are its own.

    Raises:
        OSError: from `context.content`.
    """
    if len(data) > _MOST[form]:
        # A limit of ours says nothing against the file.
        means = SubIndication.FORMAT_FAILURE
        large = FORMAT.indeterminate(SealReason.TOO_LARGE, means, most=_MOST[form])
        return refuse_document(form, large, context)
    found = _find(form, data, _content(context))
    if isinstance(found, Check):
        return refuse_document(form, found, context)
    return judge_evidenced(found, of_octets(data if file is None else file), context)


def prepare() -> None:
    """Load every finder, for a process that will not be able to."""
    for name in _FINDERS.values():
        importlib.import_module(name)


def _find(form: Form, data: bytes, content: Content | None) -> Found | Check:
    finder = cast("_Finder", importlib.import_module(_FINDERS[form]))
    try:
        return finder.find(data, content)
    except (OSError, MemoryError):
        raise  # the data beside it cannot be read, or this process is at its end
    except Exception as error:  # noqa: BLE001  # a finder never raises; should one, the verdict is open
        means = SubIndication.SIG_CONSTRAINTS_FAILURE
        return FORMAT.indeterminate(SealReason.READER_FAILED, means, error=type(error).__name__)


def _content(context: Context) -> Content | None:
    if context.content is None or isinstance(context.content, Content):
        return context.content
    return _DigestsAlone(context.content)
