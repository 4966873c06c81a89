"""Why an envelope was not sealed or not opened: one exception with a stable code."""

from __future__ import annotations

from enum import StrEnum


class EnvelopeProblem(StrEnum):
    """The reasons of an `EnvelopeError`."""

    TOO_LARGE = "ENVELOPE_TOO_LARGE"
    """More octets than an envelope may have; nothing of it was read."""
    NOT_AN_ENVELOPE = "ENVELOPE_NOT_AN_ENVELOPE"
    """Something else: another kind of file, or CMS of another type."""
    TRUNCATED = "ENVELOPE_TRUNCATED"
    """The octets end within the envelope."""
    MALFORMED = "ENVELOPE_MALFORMED"
    """The syntax or a size is another, or octets follow."""
    UNKNOWN_ALGORITHM = "ENVELOPE_UNKNOWN_ALGORITHM"
    """An algorithm or version that no suite in the table has."""
    RECIPIENTS = "ENVELOPE_RECIPIENTS"
    """Not exactly one recipient, or one without a KEM: each can open it alone, so the weakest decides."""
    WRONG_KEY = "ENVELOPE_WRONG_KEY"
    """It names another key, or the key is of another kind than the suite's."""
    WRONG_CONTENT = "ENVELOPE_WRONG_CONTENT"
    """It is whole, but holds another type of content than was asked for."""
    DAMAGED = "ENVELOPE_DAMAGED"
    """It names this key, and a check of integrity failed: an octet is not as it was sealed."""
    BAD_RECIPIENT = "ENVELOPE_BAD_RECIPIENT"
    """A public key or certificate that nothing can be sealed to."""


class EnvelopeError(ValueError):
    """An envelope that was refused.

    Attributes:
        problem: the stable code; no message carries key or content.
    """

    def __init__(self, problem: EnvelopeProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem
