"""Seals in PDF found: each signature field taken apart into the facts that judging needs (ISO 32000-2 §12.8).

`find` is the finder of `eseal.values` for PDF. It reads the octets itself and loads no library of PDF: what a
signature covers, and what came after it, is a matter of octets, and every step is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eseal.pdf.comparison import Comparison
from eseal.pdf.coverage import Coverage, read_coverage
from eseal.pdf.document import Document
from eseal.pdf.fields import all_fields, all_signatures, without_texts
from eseal.pdf.objects import PdfError
from eseal.pdf.permission import judge_changes, read_permission
from eseal.pdf.seal_facts import SealReader, unread_seal
from eseal.pdf.source import Source
from eseal.pdf.store import SecurityStore, read_store
from eseal.rules import PDF_CHANGES, PDF_COVERAGE, PDF_FIELD, SEAL_FORM, SealReason
from eseal.values import MAX_CERTIFICATES, MAX_PDF, MAX_SEALS, MAX_STAMPS, Found, Stamp, StampRole
from kokuin.trust.report import Limit, SubIndication
from kokuin.trust.rules import FORMAT

if TYPE_CHECKING:
    from eseal.pdf.fields import Field, Signature
    from eseal.values import Content, FoundSeal
    from kokuin.trust.report import Check, ReportValue

_MAX_SIGNATURES = MAX_SEALS + MAX_STAMPS
_UNEXPECTED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)
"""What our own reader must not end in; if it does, nobody gets a stack trace and nothing passes."""
_WHITE = b"\x00\t\n\x0c\r "
_STRUCTURE = (b"obj", b"xref", b"trailer", b"stream")
"""Without one of these words, octets that no section belongs to are no object to any reader."""


def find(data: bytes, content: Content | None) -> Found | Check:  # noqa: ARG001  # a PDF has its data inside
    """Find the seals of a PDF.

    Args:
        data: any octets; more than MAX_PDF are not looked at.
        content: not used.

    Returns:
        The facts; or the check that says why the octets are no PDF that can be read.
    """
    if len(data) > MAX_PDF:
        return FORMAT.indeterminate(SealReason.TOO_LARGE, SubIndication.FORMAT_FAILURE, most=MAX_PDF)
    try:
        return _find(data)
    except PdfError as error:
        return _unreadable(error)
    except _UNEXPECTED as error:
        return FORMAT.indeterminate(
            SealReason.READER_FAILED, SubIndication.FORMAT_FAILURE, error=type(error).__name__
        )


def _unreadable(error: PdfError) -> Check:
    if error.bounded:
        return FORMAT.indeterminate(SealReason.TOO_LARGE, SubIndication.FORMAT_FAILURE, what=error.what)
    return FORMAT.failed(SealReason.SYNTAX, SubIndication.FORMAT_FAILURE, what=error.what)


def _find(data: bytes) -> Found | Check:
    source = Source(data)
    try:
        return _find_in(Document(source, len(data)))
    except PdfError as error:
        if error.bounded:
            raise
        try:
            return _find_in(Document.mend(source))
        except PdfError as other:
            raise (other if other.bounded else error) from None


def _find_in(document: Document) -> Found | Check:
    if document.encrypted:
        return _find_encrypted(document)
    fields = all_fields(document)
    return _gather(document, fields, all_signatures(document, fields), read_store(document))


def _find_encrypted(document: Document) -> Found | Check:
    """Find what is legible: of encrypted files /Contents is, dictionaries are, strings are not (§7.6.2)."""
    encrypted = SEAL_FORM.indeterminate(SealReason.ENCRYPTED, SubIndication.FORMAT_FAILURE)
    try:
        fields = all_fields(document)
        signatures = all_signatures(document, fields)
    except PdfError as error:
        if error.bounded:
            raise
        return encrypted
    if not signatures:
        return encrypted
    legible = tuple(without_texts(each) for each in signatures)
    return _gather(document, fields, legible, SecurityStore(ignored=True))


def _gather(
    document: Document, fields: tuple[Field, ...], signatures: tuple[Signature, ...], store: SecurityStore
) -> Found:
    subject: dict[str, ReportValue] = {"revisions": len(document.chain)}
    before: list[Check] = []
    if len(signatures) > _MAX_SIGNATURES:
        count, means = len(signatures), SubIndication.FORMAT_FAILURE
        many = SEAL_FORM.indeterminate(SealReason.TOO_MANY_SEALS, means, count=count, most=_MAX_SIGNATURES)
        before.append(many)
    covered = [_cover(document, each) for each in signatures[:_MAX_SIGNATURES]]
    covered.sort(key=lambda each: each.end)
    before += _judge_overlaps(covered)
    covered = [_with_store(each, store) for each in covered]
    stamps = [each for each in covered if each.signature.is_document_stamp]
    for each in stamps:
        before += [check for check in each.checks if check.status.value != "ok"]
    seals = tuple(_seal(each, stamps, store) for each in covered if not each.signature.is_document_stamp)[
        : MAX_SEALS + 1
    ]
    empty = sum(1 for field in fields if field.kind == "Sig") - len(signatures)
    if empty > 0 and not signatures:
        before.append(PDF_FIELD.weak(SealReason.EMPTY_FIELD, count=empty))
    return Found(
        "pdf",
        subject,
        seals,
        tuple(before),
        () if seals else _stamps(stamps, -1, 0),
        store.certificates[:MAX_CERTIFICATES],
        store.revocation,
        (Limit.CERTIFICATES_IGNORED,) if store.ignored else (),
    )


@dataclass(frozen=True, slots=True)
class _Covered:
    """A signature, what it covers (None: nothing that can be told), and the checks of both."""

    signature: Signature
    coverage: Coverage | None
    checks: tuple[Check, ...]
    held: frozenset[bytes] = frozenset()
    """Of the store, for a document time-stamp: what it covers."""

    @property
    def sound(self) -> bool:
        """Whether it covers what it seems to, and nothing speaks against what came later."""
        return self.coverage is not None and all(
            check.status.value in {"ok", "weak"} for check in self.checks
        )

    @property
    def end(self) -> int:
        """Where what it covers ends."""
        return self.coverage.end if self.coverage else 0


def _cover(document: Document, signature: Signature) -> _Covered:
    try:
        coverage = read_coverage(document, signature)
        if not isinstance(coverage, Coverage):
            return _Covered(signature, None, (coverage,))
        judge = _judge_whole if document.mended or document.encrypted else _judge_revision
        return _Covered(signature, coverage, judge(document, signature, coverage))
    except PdfError as error:
        return _Covered(signature, None, (_unknown(error),))


def _with_store(covered: _Covered, store: SecurityStore) -> _Covered:
    """Tell for a document time-stamp what it covers of the store.

    Attack: a list that was forged years later is added to the store, behind the last time-stamp.
    """
    coverage = covered.coverage
    if coverage is None or not covered.signature.is_document_stamp or not covered.sound:
        return covered
    return replace(covered, held=store.within(coverage.end, coverage.gap_start, coverage.gap_end))


def _unknown(error: PdfError) -> Check:
    means = SubIndication.SIG_CONSTRAINTS_FAILURE
    return PDF_CHANGES.indeterminate(SealReason.CHANGES_UNKNOWN, means, what=error.what)


def _partial(what: str) -> Check:
    return PDF_COVERAGE.failed(SealReason.COVERAGE_PARTIAL, SubIndication.FORMAT_FAILURE, what=what)


def _judge_whole(document: Document, _: Signature, coverage: Coverage) -> tuple[Check, ...]:
    """Without a table or a key to go by, later changes cannot be told; where nothing follows are none."""
    what = "xref" if document.mended else "Encrypt"
    if document.source.data[coverage.end :].strip(_WHITE):
        return (PDF_COVERAGE.ok(), _unknown(PdfError(what)))
    return (PDF_COVERAGE.weak(SealReason.SYNTAX, what=what), PDF_CHANGES.ok())


def _has_structure(data: bytes, begin: int, end: int) -> bool:
    return any(data.find(word, begin, end) >= 0 for word in _STRUCTURE)


def _judge_revision(document: Document, signature: Signature, coverage: Coverage) -> tuple[Check, ...]:
    """What is covered is a whole document that holds this signature, and what follows it is an update."""
    try:
        sealed = Document(document.source, coverage.end)
    except PdfError as error:
        return (_partial(error.what),)
    if _has_structure(document.source.data, sealed.eof, coverage.end):
        return (_partial("end-of-file"),)
    own = [each for each in all_signatures(sealed, all_fields(sealed)) if each.number == signature.number]
    if (
        not own
        or sealed.entry(signature.number) != document.entry(signature.number)
        or read_coverage(sealed, own[0]) != coverage
    ):
        # The field was given this signature by somebody later.
        return (PDF_COVERAGE.failed(SealReason.COVERAGE_WRONG, SubIndication.FORMAT_FAILURE, what="field"),)
    broken = _judge_structure(document, sealed)
    if broken is not None:
        return (PDF_COVERAGE.ok(), broken)
    try:
        changes = Comparison(sealed, document).found if document.chain != sealed.chain else []
        return (PDF_COVERAGE.ok(), judge_changes(changes, read_permission(sealed, own[0])))
    except PdfError as error:
        return (PDF_COVERAGE.ok(), _unknown(error))


def _judge_structure(document: Document, sealed: Document) -> Check | None:
    """Later sections lead to those that were sealed, stand behind them, and end the file."""
    means = SubIndication.FORMAT_FAILURE
    count = len(document.chain) - len(sealed.chain)
    if document.chain[count:] != sealed.chain or any(
        each.start < sealed.end for each in document.chain[:count]
    ):
        return PDF_CHANGES.failed(SealReason.HIDDEN_CONTENT, means, changes=["xref"])
    # What no section belongs to is a try to get past readers that mend broken files.
    rest = document.eof if count else sealed.end
    if _has_structure(document.source.data, rest, len(document.source.data)):
        return PDF_CHANGES.failed(SealReason.CHANGED_AFTERWARDS, means, changes=["end-of-file"])
    if document.source.data[rest:].strip(_WHITE):
        return _unknown(PdfError("end-of-file"))
    if any(each.ambiguous for each in document.chain) or any(each.odd for each in document.chain[:count]):
        return PDF_CHANGES.indeterminate(SealReason.CHANGES_UNKNOWN, means, what="xref")
    return None


def _judge_overlaps(covered: list[_Covered]) -> list[Check]:
    """No signature's hex string lies in what an earlier one covers: it would change under its hands."""
    known = [each.coverage for each in covered if each.coverage is not None]
    for one in known:
        for other in known:
            if (
                one is not other
                and one.end <= other.end
                and other.gap_start < one.end
                and other.gap_start != one.gap_start
            ):
                return [PDF_COVERAGE.failed(SealReason.COVERAGE_OVERLAPS, SubIndication.FORMAT_FAILURE)]
    return []


def _stamps(stamps: list[_Covered], after: int, first: int) -> tuple[Stamp, ...]:
    """Document time-stamps that cover a file of more than `after` octets, numbered from `first`."""
    found: list[Stamp] = []
    for each in stamps:
        if each.end <= after:
            continue
        token = SealReader.token(each.coverage) if each.coverage else b""
        content = each.coverage.digest if each.sound and each.coverage else None
        found.append(Stamp(token, content, StampRole.DOCUMENT, first + len(found), each.held))
    return tuple(found[: MAX_STAMPS + 1])


def _seal(covered: _Covered, stamps: list[_Covered], store: SecurityStore) -> FoundSeal:
    if covered.coverage is None:
        return unread_seal(covered.signature, covered.checks)
    reader = SealReader(covered.signature, covered.coverage, store)
    own = reader.read(covered.checks)
    return reader.with_stamps(own, _stamps(stamps, covered.end, len(own.stamps)))
