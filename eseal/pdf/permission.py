"""Whether a signer allowed what came after the signature (ISO 32000-2 §12.8.2.2, §12.8.2.4).

A certification (DocMDP) says what may follow. An approval signature says nothing, and then only what leaves
the sealed content as it is may follow: further signatures, time-stamps, validation data. Filled-in values
show something that the signer of an approval never saw, so they do not pass without its word; annotations
can cover anything, so they do not pass with it either. What nobody forbade and nobody allowed is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.pdf.change import COVERING, FONTS, UNSHOWN, VISIBLE, Kind
from eseal.pdf.fields import names_in, reference_of
from eseal.pdf.objects import Reference
from eseal.rules import PDF_CHANGES, SealReason
from kokuin.trust.report import SubIndication

if TYPE_CHECKING:
    from eseal.pdf.change import Change
    from eseal.pdf.document import Document
    from eseal.pdf.fields import Signature
    from eseal.pdf.objects import Dictionary
    from kokuin.trust.report import Check

_SHOWN = 8
"""Changes that a report names."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Fields that a signature locks (§12.8.2.4): `All`, `Include` these, or all but these (`Exclude`)."""

    action: str
    names: frozenset[str]

    def holds(self, name: str) -> bool:
        """Whether a field is locked; the name of a parent locks what is below it."""
        if self.action == "All":
            return True
        parts = name.split(".")
        named = any(".".join(parts[:count]) in self.names for count in range(1, len(parts) + 1))
        return named if self.action == "Include" else not named


@dataclass(frozen=True, slots=True)
class Permission:
    """What a signature says of later changes.

    Attributes:
        level: 1 to 3 of DocMDP (or of the field's lock); None: it says nothing.
        certified: the catalog names this signature as the certification.
        locks: of fields.
    """

    level: int | None
    certified: bool
    locks: tuple[Lock, ...]


def read_permission(document: Document, signature: Signature) -> Permission:
    """Read what a signature permits, in the revision that it covers.

    Raises:
        PdfError: it cannot be read.
    """
    level = None
    modification = reference_of(document, signature, "DocMDP")
    if modification is not None:
        parameters = document.dictionary(modification.get("TransformParams"))
        level = _level(document, parameters) if parameters is not None else 1
    locks = []
    fields = reference_of(document, signature, "FieldMDP")
    lock = document.dictionary(signature.field.dictionary.get("Lock"))
    if fields is not None:
        locks += _lock(document, document.dictionary(fields.get("TransformParams")))
    if lock is not None:
        locks += _lock(document, lock)
        if "P" in lock:
            own = _level(document, lock)
            level = own if level is None else min(level, own)
    permissions = document.dictionary(document.catalog.get("Perms"))
    named = None if permissions is None else permissions.get("DocMDP")
    certified = isinstance(named, Reference) and named.number == signature.number
    return Permission(level, certified and modification is not None, tuple(locks))


def _level(document: Document, parameters: Dictionary) -> int:
    """2 where nothing is said (table 257); the strictest where it is nonsense."""
    found = document.resolve(parameters.get("P", 2))
    return found if isinstance(found, int) and found in {1, 2, 3} else 1


def _lock(document: Document, parameters: Dictionary | None) -> list[Lock]:
    if parameters is None:
        return [Lock("All", frozenset())]
    action = document.resolve(parameters.get("Action"))
    names = frozenset(names_in(document, parameters.get("Fields")))
    return [Lock(action if action in {"Include", "Exclude"} else "All", names)]


def judge_changes(changes: list[Change], permission: Permission) -> Check:
    """Weigh what later revisions changed."""
    if not changes:
        return PDF_CHANGES.ok()
    worst = max(change.kind for change in changes)
    named = list(dict.fromkeys(change.what[:64] for change in changes if change.kind == worst))[:_SHOWN]
    if worst is Kind.HIDDEN:
        return PDF_CHANGES.failed(SealReason.HIDDEN_CONTENT, SubIndication.FORMAT_FAILURE, changes=named)
    if _forbidden(changes, worst, permission):
        return PDF_CHANGES.failed(SealReason.CHANGED_AFTERWARDS, SubIndication.FORMAT_FAILURE, changes=named)
    if _open(changes, worst, permission):
        means = SubIndication.SIG_CONSTRAINTS_FAILURE
        return PDF_CHANGES.indeterminate(SealReason.CHANGES_UNKNOWN, means, changes=named)
    if worst is Kind.FILLING:
        return PDF_CHANGES.weak(SealReason.CHANGED_WITHIN_PERMISSION, changes=named)
    return PDF_CHANGES.ok(changes=named)


def _forbidden(changes: list[Change], worst: Kind, permission: Permission) -> bool:
    if worst is Kind.CONTENT or (worst is Kind.ANNOTATING and permission.level not in {None, 3}):
        return True
    if permission.level == 1 and worst is not Kind.VALIDATION:
        return True
    # A signature is the value of its field too.
    filled = [
        change.field for change in changes if change.kind in {Kind.SIGNING, Kind.FILLING} and change.field
    ]
    return any(lock.holds(name) for lock in permission.locks for name in filled)


def _open(changes: list[Change], worst: Kind, permission: Permission) -> bool:
    """Attacks on certified documents: annotations, or a further signature's appearance, hide content."""
    seen = {change.what for change in changes} & {VISIBLE, COVERING, UNSHOWN, FONTS}
    if (
        worst in {Kind.ANNOTATING, Kind.DESCRIBING}
        or seen - {VISIBLE}
        or (seen and permission.level is not None)
    ):
        return True
    return worst is Kind.FILLING and not permission.certified
