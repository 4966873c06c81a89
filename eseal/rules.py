"""The checks that a seal is judged by, and what they find.

Rules of time-stamp tokens are used where they say the same (`kokuin.trust.rules`: FORMAT, SIGNATURE,
DIGEST_ALGORITHM, SIGNATURE_ALGORITHM, PATH, REVOCATION, ALGORITHM_PROTECTION, SIGNER, VERSIONS, TIME).
Every id has a name under `[check]` and every code a sentence under `[reason]` in both languages
(`kokuin/cli/messages`); whoever adds one here adds them there.
"""

from __future__ import annotations

from enum import StrEnum

from kokuin.trust.rules import Rule


class SealReason(StrEnum):
    """What a check of a seal found, beside the codes of `kokuin.trust.rules.Reason`."""

    # Any format
    TOO_LARGE = "TOO_LARGE"
    TOO_DEEP = "TOO_DEEP"
    TOO_MANY_SEALS = "TOO_MANY_SEALS"
    TOO_MANY_STAMPS = "TOO_MANY_STAMPS"
    READER_FAILED = "READER_FAILED"
    """A library ended in a way that it does not document; `error` names it."""
    SYNTAX = "SYNTAX"
    """`what` names the place or the rule of the format that is broken."""
    NO_SEAL = "NO_SEAL"
    SEALED_DATA_CHANGED = "SEALED_DATA_CHANGED"
    SEALED_DATA_ABSENT = "SEALED_DATA_ABSENT"
    SEALED_DATA_TWICE = "SEALED_DATA_TWICE"
    """Data is inside, and other data was given beside."""
    BINDING_ABSENT = "BINDING_ABSENT"
    """Nothing that is signed names the certificate."""
    BINDING_DIFFERS = "BINDING_DIFFERS"
    SEAL_KEY_USAGE = "SEAL_KEY_USAGE"
    NOT_FOR_SEALS = "NOT_FOR_SEALS"
    """The certificate is a time-stamp unit's, a responder's or an authority's."""
    MADE_TOO_EARLY = "MADE_TOO_EARLY"
    MADE_TOO_LATE = "MADE_TOO_LATE"
    PROVEN_TOO_LATE = "PROVEN_TOO_LATE"
    """The first proof that it existed is from after the certificate's end."""
    CLAIMED_IN_FUTURE = "CLAIMED_IN_FUTURE"
    CLAIMED_AFTER_PROOF = "CLAIMED_AFTER_PROOF"
    CLAIMED_OUTSIDE_VALIDITY = "CLAIMED_OUTSIDE_VALIDITY"
    SEAL_ENDED = "SEAL_ENDED"
    """Its signer wanted it to be taken before `until`."""
    STAMPS_OUT_OF_ORDER = "STAMPS_OUT_OF_ORDER"
    STAMP_FAILED = "STAMP_FAILED"
    STAMP_OPEN = "STAMP_OPEN"
    STAMP_COVERAGE_UNKNOWN = "STAMP_COVERAGE_UNKNOWN"
    STAMP_LIST_BROKEN = "STAMP_LIST_BROKEN"
    """An archive time-stamp lists what is not there."""
    REQUIRED_SEAL_ABSENT = "REQUIRED_SEAL_ABSENT"
    """Attack: one half of a hybrid seal was taken away."""
    REQUIRED_SEAL_NOT_VALID = "REQUIRED_SEAL_NOT_VALID"
    REQUIRED_SETS_DIFFER = "REQUIRED_SETS_DIFFER"
    FORBIDDEN_ATTRIBUTE = "FORBIDDEN_ATTRIBUTE"
    """`attribute` names it."""
    # JSON
    DUPLICATE_NAME = "DUPLICATE_NAME"
    CRITICAL_UNKNOWN = "CRITICAL_UNKNOWN"
    """`header` names it."""
    CRITICAL_WRONG = "CRITICAL_WRONG"
    HEADER_WRONG = "HEADER_WRONG"
    """`header` names it."""
    ALGORITHM_NOT_ALLOWED = "ALGORITHM_NOT_ALLOWED"
    UNSIGNED_MIXED = "UNSIGNED_MIXED"
    """etsiU holds strings and objects."""
    UNSIGNED_UNKNOWN = "UNSIGNED_UNKNOWN"
    CANONICALISATION_UNKNOWN = "CANONICALISATION_UNKNOWN"
    """`what` is the URI."""
    HEADER_OUTDATED = "HEADER_OUTDATED"
    """`header` names what has to be there by now."""
    POLICY_NOT_JUDGED = "POLICY_NOT_JUDGED"
    """A signature policy, which `what` names."""
    MEMBER_IGNORED = "MEMBER_IGNORED"
    """`what` names members that nobody signed and no reader knows."""
    # PDF
    ENCRYPTED = "ENCRYPTED"
    COVERAGE_PARTIAL = "COVERAGE_PARTIAL"
    COVERAGE_WRONG = "COVERAGE_WRONG"
    """ByteRange does not leave out exactly the signature."""
    COVERAGE_OVERLAPS = "COVERAGE_OVERLAPS"
    CHANGED_AFTERWARDS = "CHANGED_AFTERWARDS"
    CHANGED_WITHIN_PERMISSION = "CHANGED_WITHIN_PERMISSION"
    CHANGES_UNKNOWN = "CHANGES_UNKNOWN"
    """Whether later changes matter could not be found out."""
    HIDDEN_CONTENT = "HIDDEN_CONTENT"
    """Attack: shadow: the signed file held what a later revision brings to light."""
    EMPTY_FIELD = "EMPTY_FIELD"


SEAL_FORM = Rule("seal-form", "ETSI EN 319 102-1 §5.2.2")
SEAL_CONTENT = Rule("seal-content", "ETSI EN 319 102-1 §5.3")
"""The data is the sealed data."""
SEAL_BINDING = Rule("seal-binding", "ETSI EN 319 102-1 §5.3")
"""What is signed names the certificate by its digest."""
SEAL_KEY_USAGE = Rule("seal-key-usage", "RFC 5280 §4.2.1.3")
SEAL_VALIDITY = Rule("seal-validity", "ETSI EN 319 102-1 §5.2.6")
SEAL_TIME = Rule("seal-time", "ETSI EN 319 102-1 §5.6.3")
"""The claimed time, and the order of the time-stamps."""
SEAL_STAMPS = Rule("seal-stamps", "ETSI EN 319 102-1 §5.6.3")
SEAL_REQUIRED = Rule("seal-required", "ETSI EN 319 102-1 §5.3")
"""All signatures that a hybrid seal wants are there."""
SEAL_COUNT = Rule("seal-count", "ETSI EN 319 102-1 §5.3")

JWS_SIGNATURE = Rule("signature", "RFC 7515 §5.2")
JWS_HEADER = Rule("jws-header", "ETSI TS 119 182-1 §5.1")
JWS_CRITICAL = Rule("jws-critical", "RFC 7515 §4.1.11")
JWS_UNSIGNED = Rule("jws-unsigned", "ETSI TS 119 182-1 §5.3")
JWS_DETACHED = Rule("jws-detached", "ETSI TS 119 182-1 §5.2.8")

PDF_FIELD = Rule("pdf-field", "ISO 32000-2 §12.7.5.5")
PDF_COVERAGE = Rule("pdf-coverage", "ISO 32000-2 §12.8.1")
PDF_CHANGES = Rule("pdf-changes", "ISO 32000-2 §12.8.2")
PDF_DICTIONARY = Rule("pdf-dictionary", "ETSI EN 319 142-1 §5.3")

SEAL_RULES: tuple[Rule, ...] = (
    SEAL_FORM,
    SEAL_CONTENT,
    SEAL_BINDING,
    SEAL_KEY_USAGE,
    SEAL_VALIDITY,
    SEAL_TIME,
    SEAL_STAMPS,
    SEAL_REQUIRED,
    SEAL_COUNT,
    JWS_SIGNATURE,
    JWS_HEADER,
    JWS_CRITICAL,
    JWS_UNSIGNED,
    JWS_DETACHED,
    PDF_FIELD,
    PDF_COVERAGE,
    PDF_CHANGES,
    PDF_DICTIONARY,
)
"""Every rule by which a seal is judged, apart from those that it shares with tokens."""
