"""Why notes, checkpoints, proofs and their keys are refused."""

from __future__ import annotations

from enum import StrEnum


class NoteFault(StrEnum):
    """Why a note, a checkpoint, a key or a signature is refused."""

    TOO_LARGE = "NOTE_TOO_LARGE"
    """More octets, or more signature lines, than we read."""
    ENCODING = "NOTE_ENCODING"
    """Not UTF-8, or with a control character other than newline."""
    FORM = "NOTE_FORM"
    """Not text, a blank line, and signature lines."""
    NAME = "NOTE_NAME"
    """A key's name is empty, too long for its kind, or holds a space or a plus."""
    BASE64 = "NOTE_BASE64"
    """Not the one base64 form of its octets."""
    SIGNATURE_SHORT = "NOTE_SIGNATURE_SHORT"
    """A signature line without a signature."""
    VKEY_FORM = "VKEY_FORM"
    """Not a verifier key."""
    VKEY_KIND = "VKEY_KIND"
    """A verifier key of a kind that we do not know."""
    VKEY_ID = "VKEY_ID"
    """A verifier key whose id is not that of its name and public key."""
    VKEY_PUBLIC = "VKEY_PUBLIC"
    """A verifier key whose public key is none of its kind."""
    CHECKPOINT_FORM = "CHECKPOINT_FORM"
    """The note's text is no checkpoint."""
    PROOF_FORM = "PROOF_FORM"
    """Not a proof in its one text form."""
    SIGNATURE_WRONG = "NOTE_SIGNATURE_WRONG"
    """A signature of a trusted key does not verify."""
    SIGNATURE_TWICE = "NOTE_SIGNATURE_TWICE"
    """Two signatures of one trusted key: which of them counts would be the reader's choice."""
    TIMESTAMP = "NOTE_TIMESTAMP"
    """The time in a cosignature is 2^63 or more."""
    SIGNATURE_MISSING = "NOTE_SIGNATURE_MISSING"
    """A signature that must be there is not."""
    ORIGIN_UNKNOWN = "NOTE_ORIGIN_UNKNOWN"
    """No key of the checkpoint's origin is trusted."""
    LOG_KEYS = "LOG_KEYS"
    """A set of log keys that nobody can check a checkpoint with."""


class NoteError(ValueError):
    """A note, a checkpoint, a key or a signature was refused.

    Attributes:
        fault: the stable code of the reason.
        detail: where or what, fit to be shown; may be empty.
    """

    def __init__(self, fault: NoteFault, detail: str = "") -> None:
        # Names in a detail are whoever's: nothing in them may move a terminal's cursor or turn text round.
        shown = detail if detail.isprintable() else ascii(detail)
        super().__init__(f"{fault}: {shown}" if shown else str(fault))
        self.fault = fault
        self.detail = shown
