"""The messages of RFC 3161, as they were read."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

from kokuin.wire import asn1, encode
from kokuin.wire.algorithms import AlgorithmIdentifier
from kokuin.wire.ber import definite
from kokuin.wire.der import Fields, Node, children, expect, only_child, read_node, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import REQUEST_LIMITS, Limits

MAX_IMPRINT_OCTETS = 1_024
"""hashedMessage: no digest is longer, and a request's imprint is echoed."""


@dataclass(frozen=True, slots=True)
class Extension:
    """RFC 5280 §4.1: the value is the content of extnValue."""

    oid: str
    critical: bool
    value: bytes

    def encode(self) -> bytes:
        """DER of the Extension."""
        return encode.sequence(
            encode.oid(self.oid), encode.TRUE if self.critical else b"", encode.octet_string(self.value)
        )


@dataclass(frozen=True, slots=True)
class MessageImprint:
    """RFC 3161 §2.4.1: which digest, its parameters as found (DER, None when absent), and its value."""

    digest_oid: str
    parameters: bytes | None
    value: bytes


class TimeStampReq(NamedTuple):
    """RFC 3161 §2.4.1. A tuple: one is made for every request, at a third of a frozen dataclass's cost.

    Attributes:
        version: as found; 1 is the only one defined.
        digest_oid: messageImprint.hashAlgorithm, dotted.
        imprint_parameters: its parameters as found (DER), None when absent.
        imprint: messageImprint.hashedMessage; its length is not checked here.
        policy: reqPolicy, dotted.
        nonce: as a number.
        nonce_der: as an INTEGER element, to be echoed.
        cert_req: certReq.
        extensions: in the order found.
    """

    version: int
    digest_oid: str
    imprint_parameters: bytes | None
    imprint: bytes
    policy: str | None
    nonce: int | None
    nonce_der: bytes | None
    cert_req: bool
    extensions: tuple[Extension, ...]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """RFC 3161 §2.4.2: seconds, millis [0], micros [1]; None where absent."""

    seconds: int | None
    millis: int | None
    micros: int | None

    @property
    def microseconds(self) -> int:
        """The whole, in microseconds."""
        return (self.seconds or 0) * 1_000_000 + (self.millis or 0) * 1_000 + (self.micros or 0)


@dataclass(frozen=True, slots=True)
class TSTInfo:
    """RFC 3161 §2.4.2.

    Attributes:
        version: as found; 1 is the only one defined.
        policy: dotted OID.
        imprint: messageImprint.
        serial: serialNumber.
        gen_time: genTime; its `der` also says whether the text is what §2.4.2 wants.
        accuracy: None when absent.
        ordering: ordering.
        nonce: None when absent.
        tsa: the GeneralName (DER), None when absent.
        extensions: in the order found.
    """

    version: int
    policy: str
    imprint: MessageImprint
    serial: int
    gen_time: asn1.Moment
    accuracy: Accuracy | None
    ordering: bool
    nonce: int | None
    tsa: bytes | None
    extensions: tuple[Extension, ...]


@dataclass(frozen=True, slots=True)
class TimeStampResp:
    """RFC 3161 §2.4.2.

    Attributes:
        status: PKIStatus; 0 granted, 1 grantedWithMods, 2 and more refused.
        status_text: the PKIFreeText.
        fail_info: numbers of the PKIFailureInfo bits that are set.
        token: the octets of the TimeStampToken, None when absent.
    """

    status: int
    status_text: tuple[str, ...]
    fail_info: frozenset[int]
    token: bytes | None


def read_oid(octets: bytes) -> str:
    """Read the OBJECT IDENTIFIER element that fills `octets`; dotted.

    Raises:
        WireError: it is something else.
    """
    return asn1.oid(read_whole(octets, asn1.OBJECT_IDENTIFIER))


def read_algorithm(node: Node, tag: int = asn1.SEQUENCE) -> AlgorithmIdentifier:
    """AlgorithmIdentifier, RFC 5280 §4.1.1.2.

    Raises:
        WireError: another syntax.
    """
    octets = expect(node, tag).octets
    known = _algorithm(octets) if len(octets) <= _SHORT else None
    return known or _read_algorithm(node)


_SHORT = 256
"""Octets of an algorithm that is remembered."""


@functools.lru_cache(maxsize=128)
def _algorithm(octets: bytes) -> AlgorithmIdentifier | None:
    """Return the same for the same octets: there are some ten of them. None: it says nothing of where."""
    try:
        return _read_algorithm(read_node(octets, 0, len(octets)))
    except WireError:
        return None


def _read_algorithm(node: Node) -> AlgorithmIdentifier:
    fields = children(node)
    if not 1 <= len(fields) <= 2:
        raise WireError(WireCode.UNEXPECTED, node.start)
    return AlgorithmIdentifier(asn1.oid(fields[0]), fields[1].octets if len(fields) == 2 else None)


def read_extensions(node: Node) -> tuple[Extension, ...]:
    """Extensions ::= SEQUENCE OF Extension, under any tag.

    Raises:
        WireError: another syntax.
    """
    return tuple(_read_extension(child) for child in children(node))


def _read_extension(node: Node) -> Extension:
    fields = Fields(expect(node, asn1.SEQUENCE))
    oid = asn1.oid(fields.take_any())
    critical = fields.optional(asn1.BOOLEAN)
    value = asn1.octet_string(fields.take_any())
    fields.finish()
    return Extension(oid, critical is not None and asn1.boolean(critical), value)


def read_imprint(node: Node) -> MessageImprint:
    """MessageImprint, RFC 3161 §2.4.1.

    Raises:
        WireError: another syntax, or a hashedMessage that no digest could have made.
    """
    fields = Fields(expect(node, asn1.SEQUENCE))
    algorithm = read_algorithm(fields.take_any())
    value = asn1.octet_string(fields.take_any())
    fields.finish()
    if len(value) > MAX_IMPRINT_OCTETS:
        raise WireError(WireCode.BAD_VALUE, node.start)
    return MessageImprint(algorithm.oid, algorithm.parameters, value)


def read_timestamp_request(data: bytes, limits: Limits = REQUEST_LIMITS) -> TimeStampReq:
    """Read a TimeStampReq in BER; whatever RFC 3161 says about its values is the caller's to check.

    Raises:
        WireError: a limit is exceeded, the syntax is another, or octets follow (TRAILING).
    """
    fields = Fields(read_whole(definite(data, limits), asn1.SEQUENCE))
    version = asn1.integer(fields.take_any())
    imprint = read_imprint(fields.take_any())
    policy = fields.optional(asn1.OBJECT_IDENTIFIER)
    nonce = fields.optional(asn1.INTEGER)
    cert_req = fields.optional(asn1.BOOLEAN)
    extensions = fields.optional(asn1.context(0))
    fields.finish()
    return TimeStampReq(
        version,
        imprint.digest_oid,
        imprint.parameters,
        imprint.value,
        None if policy is None else asn1.oid(policy),
        None if nonce is None else asn1.integer(nonce),
        None if nonce is None else nonce.octets,
        cert_req is not None and asn1.boolean(cert_req),
        () if extensions is None else read_extensions(extensions),
    )


def read_timestamp_response(octets: bytes) -> TimeStampResp:
    """Read a TimeStampResp.

    Args:
        octets: as `kokuin.wire.ber.definite` returned them.

    Raises:
        WireError: the syntax is another, or octets follow.
    """
    fields = Fields(read_whole(octets, asn1.SEQUENCE))
    info = Fields(fields.take(asn1.SEQUENCE))
    token = fields.optional(asn1.SEQUENCE)
    fields.finish()
    status = asn1.integer(info.take_any())
    texts = info.optional(asn1.SEQUENCE)
    failure = info.optional(asn1.BIT_STRING)
    info.finish()
    return TimeStampResp(
        status,
        () if texts is None else tuple(asn1.text(child) for child in children(texts)),
        frozenset() if failure is None else asn1.named_bits(failure),
        None if token is None else token.octets,
    )


def read_tst_info(data: bytes) -> TSTInfo:
    """Read the TSTInfo that an eContent holds.

    Raises:
        WireError: a limit is exceeded, the syntax is another, or octets follow.
    """
    fields = Fields(read_whole(definite(data, REQUEST_LIMITS), asn1.SEQUENCE))
    version = asn1.integer(fields.take_any())
    policy = asn1.oid(fields.take_any())
    imprint = read_imprint(fields.take_any())
    serial = asn1.integer(fields.take_any())
    gen_time = asn1.generalized_time(fields.take_any())
    accuracy = fields.optional(asn1.SEQUENCE)
    ordering = fields.optional(asn1.BOOLEAN)
    nonce = fields.optional(asn1.INTEGER)
    tsa = fields.optional(asn1.context(0))
    extensions = fields.optional(asn1.context(1))
    fields.finish()
    return TSTInfo(
        version,
        policy,
        imprint,
        serial,
        gen_time,
        None if accuracy is None else _read_accuracy(accuracy),
        ordering is not None and asn1.boolean(ordering),
        None if nonce is None else asn1.integer(nonce),
        None if tsa is None else only_child(tsa).octets,
        () if extensions is None else read_extensions(extensions),
    )


def _read_accuracy(node: Node) -> Accuracy:
    fields = Fields(node)
    seconds = fields.optional(asn1.INTEGER)
    millis = fields.optional(asn1.primitive(0))
    micros = fields.optional(asn1.primitive(1))
    fields.finish()
    return Accuracy(
        None if seconds is None else asn1.integer(seconds),
        None if millis is None else asn1.integer(millis, asn1.primitive(0)),
        None if micros is None else asn1.integer(micros, asn1.primitive(1)),
    )
