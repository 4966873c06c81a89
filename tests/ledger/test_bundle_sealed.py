"""A sealed bundle opens for its recipient alone and as a whole; whatever was done to its parts is named."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger import bundle_sealed, schema
from kokuin.ledger.bundle_check import check_bundle
from kokuin.ledger.bundle_sealed import Seal, SealedSource, SealingSink, is_sealed
from kokuin.ledger.serials import SerialWatch
from kokuin.trust.report import Indication
from pqc.envelope_suites import ENVELOPE_SUITES, KemKind
from pqc.kem import generate_kem_key
from tests.ledger import exported
from tests.ledger.bundle_mutations import members, pack
from tests.ledger.exported import codes
from tests.ledger.notes import log, verifier

if TYPE_CHECKING:
    from kokuin.ledger.bundle_verdict import BundleVerdict
    from pqc.kem import RecipientKey

ARC = "1.3.6.1.4.1.32473.1"
KEY = generate_kem_key(KemKind.ML_KEM_768)
Parts = list[tuple[str, bytes]]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sealed") / "ledger.db"
    schema.create(path)
    exported.fill(path, 40)
    exported.sign(path, [40])
    return exported.export(path)


def seal(plain: bytes, key: RecipientKey = KEY, suite: str = "ml-kem-768-cms") -> bytes:
    """Seal to a key, in parts of ten thousand octets."""
    sink = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle_sealed, "PART_OCTETS", 10_000)
        sealing = SealingSink(sink, Seal(ENVELOPE_SUITES[suite], key.recipient, ARC))
        for at in range(0, len(plain), 777):
            sealing.write(plain[at : at + 777])
        sealing.finish()
    return sink.getvalue()


@pytest.fixture(scope="module")
def sealed(plain: bytes) -> bytes:
    return seal(plain)


def check(sealed: bytes, key: RecipientKey = KEY) -> BundleVerdict:
    return check_bundle(SealedSource(io.BytesIO(sealed), key), verifier(log()))


@pytest.mark.parametrize("suite", sorted(ENVELOPE_SUITES))
def test_the_recipient_reads_it_whole(plain: bytes, suite: str) -> None:
    key = generate_kem_key(ENVELOPE_SUITES[suite].kem)
    sealed = seal(plain, key, suite)
    assert is_sealed(io.BytesIO(sealed))
    assert not is_sealed(io.BytesIO(plain))
    assert SealedSource(io.BytesIO(sealed), key).read(len(plain) + 1) == plain
    assert check(sealed, key).indication is Indication.PASSED


def test_any_tar_program_finds_the_envelopes_and_nothing_of_the_records(plain: bytes, sealed: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(sealed), mode="r:") as tar:
        names = tar.getnames()
    assert names == [f"part-{number:06}.p7m" for number in range(-(-len(plain) // 10_000))] + ["manifest.p7m"]
    assert b"tst.issued" not in sealed
    assert b"log.example" not in sealed


def test_it_is_gone_through_again_when_serials_look_alike(
    sealed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SerialWatch, "prefix", lambda _self, _serial: 7)
    assert check(sealed).indication is Indication.PASSED


def test_another_key_opens_nothing(sealed: bytes) -> None:
    verdict = check(sealed, generate_kem_key(KemKind.ML_KEM_768))
    assert verdict.indication is Indication.FAILED
    assert "PART_UNREADABLE" in codes(verdict)


def renamed(octets: list[bytes], manifest: bytes) -> Parts:
    """Return members whose names are in order, as whoever hides a change would have them."""
    return [(f"part-{number:06}.p7m", each) for number, each in enumerate(octets)] + [
        ("manifest.p7m", manifest)
    ]


def damaged(sealed: bytes, other: bytes) -> dict[str, tuple[Parts, str]]:
    parts = members(sealed)
    octets, manifest = [each for _, each in parts[:-1]], parts[-1][1]
    foreign = members(other)
    swapped = [octets[0], octets[2], octets[1], *octets[3:]]
    missing = octets[:1] + octets[2:]
    return {
        "swapped": ([parts[0], parts[2], parts[1], *parts[3:]], "PART_SWAPPED"),
        "swapped under right names": (renamed(swapped, manifest), "PART_SWAPPED"),
        "missing": ([parts[0], *parts[2:]], "PART_MISSING"),
        "missing under right names": (renamed(missing, manifest), "PART_MISSING"),
        "the first missing": (parts[1:], "PART_MISSING"),
        "the last missing": ([*parts[:-2], parts[-1]], "PART_MISSING"),
        "twice": (renamed([octets[0], octets[0], *octets[1:]], manifest), "PART_TWICE"),
        "foreign": (renamed([octets[0], foreign[1][1], *octets[2:]], manifest), "PART_FOREIGN"),
        "renamed alone": ([("part-000007.p7m", octets[0]), *parts[1:]], "PART_INSERTED"),
        "another's manifest": ([*parts[:-1], foreign[-1]], "SEALED_MANIFEST_DIFFERS"),
        "without a manifest": (parts[:-1], "SEALED_MANIFEST_MISSING"),
        "a part as manifest": ([*parts[:-1], ("manifest.p7m", octets[0])], "PART_UNREADABLE"),
        "the manifest as part": (renamed([manifest, *octets], manifest), "PART_UNREADABLE"),
        "behind the manifest": ([*parts, ("part-000099.p7m", octets[0])], "PART_INSERTED"),
    }


CASES = sorted(damaged(pack([("a", b"")] * 4), pack([("a", b"")] * 4)))


@pytest.mark.parametrize("case", CASES)
def test_what_was_done_to_the_parts_is_named(plain: bytes, sealed: bytes, case: str) -> None:
    parts, code = damaged(sealed, seal(plain))[case]
    verdict = check(pack(parts))
    assert verdict.indication is Indication.FAILED
    assert code in codes(verdict)


def test_a_cut_file_is_named(sealed: bytes) -> None:
    for at in (100, 5_000, len(sealed) - 1, len(sealed) - 1024):
        assert "BUNDLE_TRUNCATED" in codes(check(sealed[:at]))


def test_a_flipped_octet_is_refused(sealed: bytes) -> None:
    """So many of them, some in every part, its envelope's head, the manifest and between them."""
    offsets = {*range(0, len(sealed), 2003), *range(512, 700, 7), *range(len(sealed) - 1700, len(sealed), 67)}
    for at in sorted(offsets):
        flipped = sealed[:at] + bytes([sealed[at] ^ 1 << at % 8]) + sealed[at + 1 :]
        assert check(flipped).indication is Indication.FAILED, at


def test_sealing_keeps_one_part_in_memory(plain: bytes) -> None:
    sink = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle_sealed, "PART_OCTETS", 1000)
        sealing = SealingSink(sink, Seal(ENVELOPE_SUITES["ml-kem-768-cms"], KEY.recipient, ARC))
        for at in range(0, 20_000, 500):
            sealing.write(plain[at : at + 500])
            assert len(sealing._waiting) < 1000
