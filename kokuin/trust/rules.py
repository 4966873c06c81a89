"""The checks that a judgement is made of: their stable ids, the clauses behind them, and what they find."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.trust.report import Check, Status, SubIndication

if TYPE_CHECKING:
    from kokuin.trust.report import ReportValue


class Reason(StrEnum):
    """What a check found; each has a sentence in every language."""

    UNREADABLE = "UNREADABLE"
    FILE_UNREADABLE = "FILE_UNREADABLE"
    NOT_RECOGNISED = "NOT_RECOGNISED"
    ONLY_CERTIFICATES = "ONLY_CERTIFICATES"
    REQUEST_REFUSED = "REQUEST_REFUSED"
    TOKEN_ABSENT = "TOKEN_ABSENT"  # noqa: S105  # a code, no secret
    WRONG_CONTENT_TYPE = "WRONG_CONTENT_TYPE"
    CONTENT_ABSENT = "CONTENT_ABSENT"
    NOT_ONE_SIGNER = "NOT_ONE_SIGNER"
    UNKNOWN_VERSION = "UNKNOWN_VERSION"
    UNEXPECTED_VERSION = "UNEXPECTED_VERSION"
    TIME_NOT_DER = "TIME_NOT_DER"
    BAD_ACCURACY = "BAD_ACCURACY"
    ACCURACY_ZERO = "ACCURACY_ZERO"
    CRITICAL_EXTENSION = "CRITICAL_EXTENSION"
    ATTRIBUTE_ABSENT = "ATTRIBUTE_ABSENT"
    ATTRIBUTE_UNREADABLE = "ATTRIBUTE_UNREADABLE"
    ATTRIBUTE_DIFFERS = "ATTRIBUTE_DIFFERS"
    DIGEST_DIFFERS = "DIGEST_DIFFERS"
    DIGEST_LENGTH = "DIGEST_LENGTH"
    DIGEST_UNKNOWN = "DIGEST_UNKNOWN"
    DIGEST_IS_SIGNATURE = "DIGEST_IS_SIGNATURE"
    DIGEST_REFUSED = "DIGEST_REFUSED"
    DIGEST_WEAK = "DIGEST_WEAK"
    DIGEST_TOO_SHORT = "DIGEST_TOO_SHORT"
    PARAMETERS_PRESENT = "PARAMETERS_PRESENT"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    KEY_WEAK = "KEY_WEAK"
    KEY_TOO_SHORT = "KEY_TOO_SHORT"
    NOT_ACCEPTED = "NOT_ACCEPTED"
    NOT_IN_POLICY = "NOT_IN_POLICY"
    NO_LONGER_FIT = "NO_LONGER_FIT"
    CONTENT_NOT_GIVEN = "CONTENT_NOT_GIVEN"
    CONTENT_DIFFERS = "CONTENT_DIFFERS"
    CONTENT_UNREADABLE = "CONTENT_UNREADABLE"
    CONTENT_NOT_JOINED = "CONTENT_NOT_JOINED"
    REQUEST_DIFFERS = "REQUEST_DIFFERS"
    NONCE_ABSENT = "NONCE_ABSENT"
    NONCE_NOT_SENT = "NONCE_NOT_SENT"
    CERTIFICATES_NOT_SENT = "CERTIFICATES_NOT_SENT"
    CERTIFICATES_NOT_ASKED = "CERTIFICATES_NOT_ASKED"
    CERTIFICATE_ABSENT = "CERTIFICATE_ABSENT"
    CERTIFICATE_DIFFERS = "CERTIFICATE_DIFFERS"
    CHAIN_DIFFERS = "CHAIN_DIFFERS"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    SIGNATURE_MALFORMED = "SIGNATURE_MALFORMED"
    ALGORITHM_UNKNOWN = "ALGORITHM_UNKNOWN"
    NAME_DIFFERS = "NAME_DIFFERS"
    NO_ANCHOR = "NO_ANCHOR"
    NO_PATH = "NO_PATH"
    ANCHOR_NOT_YET_TRUSTED = "ANCHOR_NOT_YET_TRUSTED"
    ANCHOR_NO_LONGER_TRUSTED = "ANCHOR_NO_LONGER_TRUSTED"
    NO_AUTHORITY = "NO_AUTHORITY"
    NO_CERT_SIGN = "NO_CERT_SIGN"
    PATH_TOO_LONG = "PATH_TOO_LONG"
    UNKNOWN_EXTENSION = "UNKNOWN_EXTENSION"
    NAME_NOT_PERMITTED = "NAME_NOT_PERMITTED"
    POLICY_ABSENT = "POLICY_ABSENT"
    PURPOSE_NOT_PERMITTED = "PURPOSE_NOT_PERMITTED"
    PURPOSE_ABSENT = "PURPOSE_ABSENT"
    PURPOSE_NOT_CRITICAL = "PURPOSE_NOT_CRITICAL"
    PURPOSE_NOT_ALONE = "PURPOSE_NOT_ALONE"
    IS_AUTHORITY = "IS_AUTHORITY"
    KEY_USAGE = "KEY_USAGE"
    KEY_PERIOD = "KEY_PERIOD"
    SIGNED_TOO_EARLY = "SIGNED_TOO_EARLY"
    SIGNED_TOO_LATE = "SIGNED_TOO_LATE"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    IN_THE_FUTURE = "IN_THE_FUTURE"
    TOO_MANY_TOKENS = "TOO_MANY_TOKENS"
    COVERAGE_NOT_COMPUTED = "COVERAGE_NOT_COMPUTED"
    LEDGER_TOKENS_ENCLOSED = "LEDGER_TOKENS_ENCLOSED"
    EXISTENCE_CLAIMED = "EXISTENCE_CLAIMED"
    SIGNING_TIME_DIFFERS = "SIGNING_TIME_DIFFERS"
    REVOKED = "REVOKED"
    REVOKED_SINCE = "REVOKED_SINCE"
    REVOKED_SINCE_PROOF = "REVOKED_SINCE_PROOF"
    REVOKED_NO_POE = "REVOKED_NO_POE"
    AUTHORITY_REVOKED = "AUTHORITY_REVOKED"
    ON_HOLD = "ON_HOLD"
    REVOCATION_NO_PATH = "REVOCATION_NO_PATH"
    REVOCATION_OF_ANCHOR = "REVOCATION_OF_ANCHOR"
    REVOCATION_NO_DATA = "REVOCATION_NO_DATA"
    REVOCATION_OF_OTHERS = "REVOCATION_OF_OTHERS"
    REVOCATION_UNREADABLE = "REVOCATION_UNREADABLE"
    REVOCATION_FOREIGN_SIGNER = "REVOCATION_FOREIGN_SIGNER"
    REVOCATION_UNFIT = "REVOCATION_UNFIT"
    REVOCATION_UNKNOWN = "REVOCATION_UNKNOWN"
    REVOCATION_PARTIAL = "REVOCATION_PARTIAL"
    REVOCATION_RESPONDER_OPEN = "REVOCATION_RESPONDER_OPEN"
    REVOCATION_AFTER_EXPIRY = "REVOCATION_AFTER_EXPIRY"
    REVOCATION_STALE = "REVOCATION_STALE"
    BINDING_NO_LONGER_FIT = "BINDING_NO_LONGER_FIT"
    EVIDENCE_UNREADABLE = "EVIDENCE_UNREADABLE"
    EVIDENCE_TOO_LONG = "EVIDENCE_TOO_LONG"
    EVIDENCE_ENCRYPTED = "EVIDENCE_ENCRYPTED"
    EVIDENCE_DIGEST_UNLISTED = "EVIDENCE_DIGEST_UNLISTED"
    EVIDENCE_DIGESTS_DIFFER = "EVIDENCE_DIGESTS_DIFFER"
    EVIDENCE_DIGEST_CHANGED = "EVIDENCE_DIGEST_CHANGED"
    EVIDENCE_HASH_LENGTH = "EVIDENCE_HASH_LENGTH"
    EVIDENCE_ROOT_DIFFERS = "EVIDENCE_ROOT_DIFFERS"
    EVIDENCE_GAP = "EVIDENCE_GAP"
    EVIDENCE_OTHER_SEQUENCE = "EVIDENCE_OTHER_SEQUENCE"
    EVIDENCE_TIMES_FALL = "EVIDENCE_TIMES_FALL"
    EVIDENCE_OTHER_OBJECT = "EVIDENCE_OTHER_OBJECT"
    EVIDENCE_OBJECT_LEFT_OUT = "EVIDENCE_OBJECT_LEFT_OUT"
    EVIDENCE_STAMP_FAILED = "EVIDENCE_STAMP_FAILED"
    EVIDENCE_STAMP_OPEN = "EVIDENCE_STAMP_OPEN"
    EVIDENCE_STAMPS_LATER = "EVIDENCE_STAMPS_LATER"
    EVIDENCE_NOT_RENEWED = "EVIDENCE_NOT_RENEWED"
    EVIDENCE_RENEWED_LATE = "EVIDENCE_RENEWED_LATE"
    EVIDENCE_TREE_NOT_RENEWED = "EVIDENCE_TREE_NOT_RENEWED"
    EVIDENCE_TREE_RENEWED_LATE = "EVIDENCE_TREE_RENEWED_LATE"
    EVIDENCE_FAILED = "EVIDENCE_FAILED"
    EVIDENCE_OPEN = "EVIDENCE_OPEN"
    EVIDENCE_TOO_MANY = "EVIDENCE_TOO_MANY"
    EVIDENCE_NOT_USED = "EVIDENCE_NOT_USED"
    LEDGER_KEYS_ABSENT = "LEDGER_KEYS_ABSENT"
    LEDGER_BUNDLE_UNUSABLE = "LEDGER_BUNDLE_UNUSABLE"
    LEDGER_WITNESSES_ABSENT = "LEDGER_WITNESSES_ABSENT"
    LEDGER_NOT_COVERED = "LEDGER_NOT_COVERED"
    LEDGER_REENTERED = "LEDGER_REENTERED"
    LEDGER_OTHER_FORM = "LEDGER_OTHER_FORM"
    LEDGER_DISPLACED = "LEDGER_DISPLACED"
    LEDGER_SERIAL_TAKEN = "LEDGER_SERIAL_TAKEN"
    LEDGER_LEAF_ABSENT = "LEDGER_LEAF_ABSENT"
    LEDGER_PROOF_UNREADABLE = "LEDGER_PROOF_UNREADABLE"
    LEDGER_PROOF_OTHER_TOKEN = "LEDGER_PROOF_OTHER_TOKEN"  # noqa: S105  # a code, no secret
    LEDGER_PROOF_WRONG = "LEDGER_PROOF_WRONG"
    LEDGER_CHECKPOINT_REFUSED = "LEDGER_CHECKPOINT_REFUSED"
    NOT_IN_LEDGER = "NOT_IN_LEDGER"


@dataclass(frozen=True, slots=True)
class Rule:
    """A check before it is made: its id, and the clause that wants it."""

    id: str
    clause: str
    _holds: Check = field(init=False, repr=False, compare=False)
    """Most checks of a token hold, and have no more to say."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_holds", Check(self.id, self.clause))

    def ok(self, **params: ReportValue) -> Check:
        """It holds."""
        if not params:
            return self._holds
        return Check(self.id, self.clause, Status.OK, None, None, params)

    def weak(self, reason: StrEnum, **params: ReportValue) -> Check:
        """It holds, and a weakness is named."""
        return Check(self.id, self.clause, Status.WEAK, reason, None, params)

    def not_done(self, reason: StrEnum, **params: ReportValue) -> Check:
        """It could not be made; the verdict does not depend on it."""
        return Check(self.id, self.clause, Status.NOT_DONE, reason, None, params)

    def failed(self, reason: StrEnum, means: SubIndication, **params: ReportValue) -> Check:
        """It does not hold."""
        return Check(self.id, self.clause, Status.FAILED, reason, means, params)

    def indeterminate(self, reason: StrEnum, means: SubIndication, **params: ReportValue) -> Check:
        """Whether it holds cannot be known from what is here, or another policy could accept it."""
        return Check(self.id, self.clause, Status.INDETERMINATE, reason, means, params)


FORMAT = Rule("format", "ETSI EN 319 102-1 §5.2.2")
RESPONSE_STATUS = Rule("response-status", "RFC 3161 §2.4.2")
CONTENT_TYPE = Rule("content-type", "RFC 3161 §2.4.2")
SIGNER_COUNT = Rule("signer-count", "RFC 3161 §2.4.2")
VERSIONS = Rule("versions", "RFC 5652 §5.1, §5.3")
TST_INFO = Rule("tst-info", "RFC 3161 §2.4.2")
SIGNED_CONTENT_TYPE = Rule("signed-content-type", "RFC 5652 §11.1")
MESSAGE_DIGEST = Rule("message-digest", "RFC 5652 §11.2")
ALGORITHM_PROTECTION = Rule("algorithm-protection", "RFC 6211 §2")
SIGNER = Rule("signer", "RFC 5035 §5.4, RFC 5816 §2.2.1")
CERTIFICATE_IDS = Rule("certificate-ids", "RFC 5035 §5.4")
SIGNATURE = Rule("signature", "RFC 5652 §5.6")
DIGEST_ALGORITHM = Rule("digest-algorithm", "ETSI EN 319 102-1 §5.2.8")
SIGNATURE_ALGORITHM = Rule("signature-algorithm", "ETSI EN 319 102-1 §5.2.8")
IMPRINT_ALGORITHM = Rule("imprint-algorithm", "ETSI EN 319 102-1 §5.2.8")
IMPRINT = Rule("imprint", "RFC 3161 §2.4.2")
REQUEST_IMPRINT = Rule("request-imprint", "RFC 3161 §2.4.2")
REQUEST_NONCE = Rule("request-nonce", "RFC 3161 §2.4.2")
REQUEST_POLICY = Rule("request-policy", "RFC 3161 §2.4.1")
REQUEST_CERTIFICATES = Rule("request-certificates", "RFC 3161 §2.4.1")
TSA_NAME = Rule("tsa-name", "RFC 3161 §2.4.2")
UNIT_PURPOSE = Rule("unit-purpose", "RFC 3161 §2.3")
UNIT_KEY_USAGE = Rule("unit-key-usage", "RFC 5280 §4.2.1.3")
UNIT_KEY_PERIOD = Rule("unit-key-period", "RFC 3280 §4.2.1.4")
UNIT_VALIDITY = Rule("unit-validity", "ETSI EN 319 102-1 §5.2.6")
PATH = Rule("path", "RFC 5280 §6.1")
PATH_ALGORITHMS = Rule("path-algorithms", "ETSI EN 319 102-1 §5.2.8")
TIME = Rule("time", "ETSI EN 319 102-1 §5.4")
SIGNING_TIME = Rule("signing-time", "RFC 5652 §11.3")
EXISTENCE = Rule("existence", "ETSI EN 319 102-1 §5.6.2")
REVOCATION = Rule("revocation", "RFC 5280 §6.3")

TOKEN_RULES: tuple[Rule, ...] = (
    FORMAT,
    RESPONSE_STATUS,
    CONTENT_TYPE,
    SIGNER_COUNT,
    VERSIONS,
    TST_INFO,
    SIGNED_CONTENT_TYPE,
    MESSAGE_DIGEST,
    ALGORITHM_PROTECTION,
    SIGNER,
    CERTIFICATE_IDS,
    SIGNATURE,
    DIGEST_ALGORITHM,
    SIGNATURE_ALGORITHM,
    IMPRINT_ALGORITHM,
    IMPRINT,
    REQUEST_IMPRINT,
    REQUEST_NONCE,
    REQUEST_POLICY,
    REQUEST_CERTIFICATES,
    TSA_NAME,
    UNIT_PURPOSE,
    UNIT_KEY_USAGE,
    UNIT_KEY_PERIOD,
    UNIT_VALIDITY,
    PATH,
    PATH_ALGORITHMS,
    TIME,
    SIGNING_TIME,
    EXISTENCE,
    REVOCATION,
)
"""Every rule by which a time-stamp token is judged."""

ENCLOSED_TOKENS = Rule("enclosed-tokens", "ETSI EN 319 122-1 §5.3")
ENCLOSED_CONTENT = Rule("enclosed-content", "RFC 5652 §5.4")

ENCLOSING_RULES: tuple[Rule, ...] = (ENCLOSED_TOKENS, ENCLOSED_CONTENT)
"""Every rule by which a signature is judged that carries time-stamp tokens, apart from its tokens."""

EVIDENCE_FORM = Rule("evidence-form", "RFC 4998 §3.1")
EVIDENCE_TREE = Rule("evidence-tree", "RFC 4998 §4.3")
EVIDENCE_CHAIN = Rule("evidence-chain", "RFC 4998 §5.3")
EVIDENCE_ORDER = Rule("evidence-order", "RFC 4998 §5.1")
EVIDENCE_OBJECT = Rule("evidence-object", "RFC 4998 §5.3")
EVIDENCE_STAMPS = Rule("evidence-stamps", "RFC 4998 §5.3")
EVIDENCE_DIGEST = Rule("evidence-digest", "RFC 4998 §5.3")
EVIDENCE = Rule("evidence", "RFC 4998 §5.3")

EVIDENCE_RULES: tuple[Rule, ...] = (
    EVIDENCE_FORM,
    EVIDENCE_TREE,
    EVIDENCE_CHAIN,
    EVIDENCE_ORDER,
    EVIDENCE_OBJECT,
    EVIDENCE_STAMPS,
    EVIDENCE_DIGEST,
    EVIDENCE,
)
"""Every rule by which an evidence record is judged, and the last by which a token with one."""

LEDGER_BUNDLE = Rule("ledger-bundle", "C2SP tlog-checkpoint")
LEDGER_WITNESSES = Rule("ledger-witnesses", "C2SP tlog-policy")
IN_LEDGER = Rule("in-ledger", "ETSI EN 319 421 OVR-7.13-05")
LEDGER_PROOF = Rule("in-ledger", "C2SP tlog-proof")

LEDGER_RULES: tuple[Rule, ...] = (LEDGER_BUNDLE, LEDGER_WITNESSES, IN_LEDGER, LEDGER_PROOF)
"""Every rule by which a token's place in a ledger is judged."""
