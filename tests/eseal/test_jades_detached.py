"""JSON seals over data that lies beside them, by each mechanism of `sigD`."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from eseal.jades_content import NamedDocuments
from eseal.jades_http import HttpMessage
from eseal.jades_payload import Attached, ByUri, ByUriHash, Document
from eseal.jades_refusal import JadesRefusal, JadesRefusedError
from eseal.values import Level
from kokuin.trust.report import Indication, SubIndication
from tests.eseal import pki
from tests.eseal.jades import DATA, Beside, DigestOnly, header_of, judge, pack, reasons, resign, seal

if TYPE_CHECKING:
    from eseal.jades_payload import Payload

PDF = Document("https://example.org/offer.pdf", b"%PDF-1.7 offer", "application/pdf")
TABLE = Document("table 1.csv", b"a;b\n1;2\n", "text/csv")
BODY = b'{"pay":"100 JPY"}'
FIELDS = (
    ("(request-target)", "post /accounts/7?dry=no"),
    ("Host", " bank.example "),
    ("X-Trace", "a"),
    ("x-trace", "b"),
)
HTTP = HttpMessage(FIELDS, BODY)


def message(body: bytes = BODY, target: str = "/accounts/7?dry=no") -> bytes:
    """The message of `HTTP`, as a file."""
    lines = (
        f"POST {target} HTTP/1.1",
        "Host:  bank.example ",
        "X-Trace: a",
        f"Digest: {HTTP.digest_field()}",
        "x-trace: b",
    )
    return "\r\n".join((*lines, "", "")).encode() + body


BESIDE: dict[str, tuple[Payload, Beside, Beside]] = {
    "hash": (ByUriHash((PDF,)), Beside(PDF.octets), Beside(b"other")),
    "hash of base64url": (ByUriHash((PDF,), "sha256", encoded=True), Beside(PDF.octets), Beside(b"other")),
    "uri": (ByUri(PDF), Beside(PDF.octets), Beside(b"other")),
    "uri as it is": (ByUri(PDF, encoded=False), Beside(PDF.octets), Beside(b"other")),
    "http": (HTTP, Beside(message()), Beside(message(b'{"pay":"900 JPY"}'))),
}


@pytest.mark.parametrize("level", [Level.B_B, Level.B_LTA])
@pytest.mark.parametrize("kind", BESIDE)
def test_the_data_passes_and_no_other_does(kind: str, level: Level) -> None:
    payload, right, wrong = BESIDE[kind]
    sealed = seal(payload, level=level)
    report = judge(sealed, right)
    assert report.indication is Indication.PASSED
    assert report.parts[0].subject["level"] == level.value
    assert judge(sealed, wrong).indication is Indication.FAILED
    without = judge(sealed)
    assert without.indication is Indication.INDETERMINATE
    assert without.sub_indication is SubIndication.SIGNED_DATA_NOT_FOUND


def test_what_a_digest_says_is_enough_for_a_seal_over_digests() -> None:
    sealed = seal(ByUriHash((PDF,), "sha384"))
    assert judge(sealed, DigestOnly(PDF.octets)).indication is Indication.PASSED
    assert reasons(judge(sealed, DigestOnly(b"other"))) == {"SEALED_DATA_CHANGED"}
    # The octets themselves are wanted where the signature is over them.
    assert judge(seal(ByUri(PDF)), DigestOnly(PDF.octets)).indication is Indication.INDETERMINATE


def test_every_document_is_compared_by_its_name() -> None:
    sealed = seal(ByUriHash((PDF, TABLE)))
    both = {PDF.uri: Beside(PDF.octets), TABLE.uri: Beside(TABLE.octets)}
    assert judge(sealed, NamedDocuments(both)).indication is Indication.PASSED
    swapped = {PDF.uri: both[TABLE.uri], TABLE.uri: both[PDF.uri]}
    assert reasons(judge(sealed, NamedDocuments(swapped))) == {"SEALED_DATA_CHANGED"}
    one = judge(sealed, NamedDocuments({PDF.uri: both[PDF.uri]}))
    assert one.indication is Indication.INDETERMINATE
    assert judge(sealed, Beside(PDF.octets)).indication is Indication.INDETERMINATE
    one_wrong = judge(sealed, NamedDocuments({PDF.uri: Beside(b"other")}))
    assert one_wrong.indication is Indication.FAILED


def test_the_header_says_what_the_standard_wants() -> None:
    digest = hashlib.sha512(PDF.octets).digest()
    header = header_of(seal(ByUriHash((PDF,))))
    assert header["sigD"] == {
        "mId": "http://uri.etsi.org/19182/ObjectIdByURIHash",
        "pars": [PDF.uri],
        "ctys": ["pdf"],
        "hashM": "S512",
        "hashV": [pack(digest)],
    }
    assert header["crit"] == ["sigD", "b64"]
    assert header["b64"] is False
    assert "cty" not in header
    http = header_of(seal(HTTP))
    assert http["sigD"]["pars"] == ["(request-target)", "host", "x-trace", "digest"]


@pytest.mark.parametrize(
    "changed",
    [message(target="/accounts/8?dry=no"), message().replace(b"X-Trace: a", b"X-Trace: c")],
    ids=["target", "field"],
)
def test_a_changed_field_of_a_message_is_found(changed: bytes) -> None:
    assert reasons(judge(seal(HTTP), Beside(changed))) == {"SIGNATURE_INVALID"}


def test_a_message_without_a_sealed_field_or_that_is_none_is_not_taken() -> None:
    sealed = seal(HTTP)
    lacking = message().replace(b"Host:  bank.example \r\n", b"")
    assert reasons(judge(sealed, Beside(lacking))) == {"SEALED_DATA_ABSENT"}
    assert reasons(judge(sealed, Beside(b"no message"))) == {"SYNTAX"}


def test_a_body_that_no_field_speaks_for_is_not_passed_off_as_sealed() -> None:
    sealed = seal(HttpMessage(FIELDS))
    bare = message(b"").replace(f"Digest: {HTTP.digest_field()}\r\n".encode(), b"")
    assert judge(sealed, Beside(bare)).indication is Indication.PASSED
    assert judge(sealed, Beside(bare + b"body")).indication is Indication.INDETERMINATE


def test_plain_detached_content_of_a_foreign_jws_is_taken() -> None:
    first, _, last = seal(Attached(DATA)).split(b".")
    detached = first + b".." + last
    assert judge(detached, Beside(DATA)).indication is Indication.PASSED
    assert judge(detached, Beside(b"other")).indication is Indication.FAILED
    assert judge(detached).indication is Indication.INDETERMINATE


def test_data_beside_that_is_not_the_data_inside_fails() -> None:
    sealed = seal()
    assert judge(sealed, Beside(DATA)).indication is Indication.PASSED
    assert reasons(judge(sealed, Beside(b"other"))) == {"SEALED_DATA_TWICE"}


def test_a_document_inside_a_detached_seal_is_an_attack() -> None:
    document = json.loads(seal(ByUri(PDF), level=Level.B_T))
    document["payload"] = pack(b"what people read")
    report = judge(json.dumps(document).encode(), Beside(PDF.octets))
    assert report.indication is Indication.FAILED
    assert reasons(report) == {"SEALED_DATA_TWICE"}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("pars", [PDF.uri, "further"]),
        ("pars", [PDF.uri, PDF.uri]),
        ("pars", []),
        ("hashV", []),
        ("hashV", ["AA", "AA"]),
        ("ctys", []),
        ("mId", "http://uri.etsi.org/19182/Other"),
        ("mId", None),
    ],
)
def test_names_and_digests_that_do_not_belong_together_are_refused(place: str, value: object) -> None:
    sealed = seal(ByUriHash((PDF,)))
    wrong = resign(sealed, pki.seal_key(), lambda header: header["sigD"].update({place: value}))
    report = judge(wrong, Beside(PDF.octets))
    assert report.indication is Indication.FAILED
    assert reasons(report) == {"HEADER_WRONG"}


def test_an_unknown_digest_of_the_data_is_open() -> None:
    sealed = seal(ByUriHash((PDF,)))
    other = resign(sealed, pki.seal_key(), lambda header: header["sigD"].update(hashM="S999"))
    assert judge(other, Beside(PDF.octets)).indication is Indication.INDETERMINATE


def test_http_fields_in_base64url_are_refused() -> None:
    def encoded(header: dict[str, object]) -> None:
        header["b64"] = True

    assert reasons(judge(resign(seal(HTTP), pki.seal_key(), encoded), Beside(message()))) == {"HEADER_WRONG"}


@pytest.mark.parametrize("documents", [(), (PDF, PDF)])
def test_no_document_and_two_of_one_name_are_not_sealed(documents: tuple[Document, ...]) -> None:
    with pytest.raises(JadesRefusedError) as refused:
        seal(ByUriHash(documents))
    assert refused.value.code is JadesRefusal.REFERENCES
