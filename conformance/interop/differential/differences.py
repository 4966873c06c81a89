"""Every difference between our verdict and a foreign one, and why ours is right.

What is not in this table fails `make interop`, and so does a row that no case needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

OPENSSL = frozenset({"openssl", "openssl-pq"})
CASTLE = frozenset({"bouncycastle"})
ALL = OPENSSL | CASTLE


@dataclass(frozen=True, slots=True)
class Difference:
    """Cases on which we differ.

    Attributes:
        cases: patterns of their names.
        peers: with whom.
        passed: whether they pass with us.
        why: the reason why ours is right.
        said: part of what they say, where the pattern takes in cases that differ for other reasons.
    """

    cases: tuple[str, ...]
    peers: frozenset[str]
    passed: bool
    why: str
    said: str = ""

    def covers(self, case: str, peer: str, said: str, *, passed: bool) -> bool:
        """Whether this row speaks of a case that we judged so and `peer`, saying `said`, otherwise."""
        named = any(fnmatchcase(case, pattern) for pattern in self.cases)
        return named and peer in self.peers and passed == self.passed and self.said in said


def _unknown_to_openssl(*suites: str) -> tuple[str, ...]:
    """The tokens of these suites that pass with us."""
    endings = ("", " without certificates", " in a response")
    return tuple(f"suite/{suite}{ending}" for suite in suites for ending in endings)


DIFFERENCES = (
    Difference(
        _unknown_to_openssl("ml-dsa-*", "slh-dsa-*", "mldsa65-*"),
        OPENSSL,
        passed=True,
        why="`openssl ts` verifies by PKCS #7, which knows no post-quantum signature (RFC 9882, RFC 9814); "
        "its `cms` and Bouncy Castle verify them",
    ),
    Difference(
        (*_unknown_to_openssl("ed25519", "ed448"), *_unknown_to_openssl("rsa*-pss-*")),
        OPENSSL,
        passed=True,
        why="`openssl ts` verifies by PKCS #7, which wants a digest beside EdDSA (RFC 8419 §3.1 has none) "
        "and reads RSASSA-PSS as PKCS #1 v1.5 (RFC 4056 §3)",
    ),
    Difference(
        ("form/indefinite lengths", "form/response of indefinite lengths"),
        OPENSSL,
        passed=True,
        why="the certificates inside are in BER, too: a signature covers their DER (RFC 5280 §4.1.1.3), "
        "OpenSSL takes the octets as found",
    ),
    Difference(
        ("form/a refusal with a token",),
        CASTLE,
        passed=False,
        why="a token is there only when the status is granted (RFC 3161 §2.4.2); "
        "TimeStampResponse.getTimeStampToken leaves that to its caller",
    ),
    Difference(
        ("forged/millis of 1000",),
        OPENSSL,
        passed=False,
        why="millis and micros are 1 to 999 (RFC 3161 §2.4.2)",
    ),
    Difference(("forged/version 2",), CASTLE, passed=False, why="the version is 1 (RFC 3161 §2.4.2)"),
    Difference(
        ("forged/a critical extension",),
        ALL,
        passed=False,
        why="a critical extension that a reader does not know is not ignored (RFC 5280 §4.2)",
    ),
    Difference(
        ("forged/another's name",),
        OPENSSL,
        passed=True,
        why="who signed is said by the certificate identifier and not by tsa (RFC 3161 §2.4.2); we name it",
    ),
    Difference(
        ("forged/from before the certificate", "forged/from after the certificate"),
        OPENSSL,
        passed=False,
        why="the unit signed outside its certificate's life; `-attime` is all that OpenSSL looks at",
    ),
    Difference(
        ("forged/from tomorrow", "judged/a day before it was made"),
        ALL,
        passed=False,
        why="a token from after the time for which it is judged cannot have existed then "
        "(EN 319 102-1 §5.4); neither compares genTime",
    ),
    Difference(
        ("forged/imprint by md5", "forged/imprint by sha1"),
        ALL,
        passed=False,
        why="whoever finds a collision has a token for other data; neither has a policy for imprints",
    ),
    Difference(
        ("forged/imprint by an unknown digest",),
        ALL,
        passed=False,
        why="without the digest nobody can compare the data; both compare the octets that they are given",
    ),
    Difference(
        ("forged/no content-type attribute", "forged/another content-type attribute"),
        OPENSSL,
        passed=False,
        why="content-type is among signed attributes and names TSTInfo (RFC 5652 §5.3, §11.1)",
    ),
    Difference(
        ("forged/id of an absent certificate", "corpus/tokens/*"),
        OPENSSL,
        passed=True,
        said="ess cert id not found",
        why="the first id names the signer, further ones the chain (RFC 5035 §5.4); nothing wants it inside",
    ),
    Difference(
        ("forged/algorithm protection that differs",),
        OPENSSL,
        passed=False,
        why="the protected algorithms are compared with those that are used (RFC 6211 §2)",
    ),
    Difference(
        ("forged/attributes sent and signed out of order",),
        CASTLE,
        passed=True,
        why="authorities sign the order in which they send; which octets were signed is not in doubt",
    ),
    Difference(
        ("forged/attributes sent out of order",),
        OPENSSL,
        passed=True,
        why="the signature covers the attributes in the order of DER, however they are sent (RFC 5652 §5.4)",
    ),
    Difference(
        ("forged/digested by MD5",),
        CASTLE,
        passed=False,
        why="MD5 binds nobody to the statement; Bouncy Castle has no policy",
    ),
    Difference(
        ("forged/an unknown signature algorithm", "forged/RSA named, ECDSA made"),
        OPENSSL,
        passed=False,
        why="signatureAlgorithm says how it was signed (RFC 5652 §5.3); OpenSSL goes by the key alone",
    ),
    Difference(
        ("forged/ML-DSA-65 with sha512",),
        OPENSSL,
        passed=True,
        why="as with the suites: PKCS #7 knows no ML-DSA",
    ),
    Difference(
        ("forged/ML-DSA-65 with sha256",),
        CASTLE,
        passed=False,
        why="the message digest is as strong as the signature (RFC 9882 §3.3)",
    ),
    Difference(
        ("forged/ML-DSA-65 with parameters",),
        CASTLE,
        passed=False,
        why="the parameters are absent (RFC 9882 §2)",
    ),
    Difference(
        ("forged/an injected certificate of the same name",),
        OPENSSL,
        passed=True,
        why="the signed id says which certificate is the signer's (RFC 5816 §2.2.1); OpenSSL takes the first "
        "of that issuer and serial number and refuses a good token",
    ),
    Difference(
        ("forged/unit whose purpose is not critical",),
        ALL,
        passed=True,
        why="critical speaks to readers that do not know the extension (RFC 5280 §4.2); public authorities "
        "have issued such units, and we name it",
    ),
    Difference(
        ("forged/unit that enciphers keys", "forged/unit that signs certificates too"),
        CASTLE,
        passed=False,
        why="key usage of a unit is digitalSignature, nonRepudiation or both (RFC 3161 §2.3, "
        "RFC 5280 §4.2.1.12)",
    ),
    Difference(
        ("forged/unit after its key's period",),
        ALL,
        passed=False,
        why="privateKeyUsagePeriod bounds genTime (RFC 3280 §4.2.1.4, EN 319 422 §6.3); neither reads it",
    ),
    Difference(
        ("forged/unit named by its key",),
        OPENSSL,
        passed=True,
        why="a SignerInfo may name its certificate by the key's identifier (RFC 5652 §5.3); PKCS #7 has no "
        "such choice",
    ),
    Difference(
        ("path/authority for web servers",),
        ALL,
        passed=False,
        why="an authority that is limited to other purposes must not vouch for a time-stamp unit",
    ),
    Difference(
        ("path/explicit policy that nobody has",),
        OPENSSL,
        passed=False,
        why="requireExplicitPolicy is processed (RFC 5280 §6.1.4 i); OpenSSL does when it is asked to",
    ),
    Difference(
        ("path/root that has expired",),
        OPENSSL,
        passed=True,
        why="an anchor is a name and a key that the verifier trusts (RFC 5280 §6.1.1 d); whether it still "
        "does, the trust store says",
    ),
    Difference(
        ("path/path longer than the root allows",),
        CASTLE,
        passed=False,
        why="what an anchor's certificate forbids is honoured (RFC 5937 §3)",
    ),
    Difference(
        ("path/cross-signed authority",),
        OPENSSL,
        passed=True,
        why="another certificate of the same authority leads to the anchor (RFC 4158 §2.4); OpenSSL does not "
        "go back and try it",
    ),
)
"""In the order of the cases."""
