"""Seal profiles added, certified and withdrawn: on record before they count, and nothing half done."""

from __future__ import annotations

import base64
import hashlib
import io
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from PIL import Image

from kokuin.service.eseals.values import SealAbsentError, SealProblem, SealUnfitError
from kokuin.trust.anchors import read_certificates
from pqc.keyfiles import read_key
from pqc.newfile import write_durably
from pqc.signing import SoftwareSigner
from pqc.suites import SUITES
from tests.ownpolicy import policy_text, row
from tests.peers import absent
from tests.service.eseals.benches import PROFILE
from tests.service.eseals.profiles_rig import PRODUCTION, TENANT, ProfilesRig, certify
from tests.service.operator_ca import OperatorCa
from tests.trust.forge import key_usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.running import Prepared

ENDED = policy_text(
    row(
        ("imprint", "signature-digest", "certificate-id", "tree"),
        ("sha256", "sha384", "sha512"),
        ("issue", "verify"),
    ),
    row("signature", ("ecdsa",), ("issue",), status="legacy", until="2025-12-31"),
    row("signature", ("eddsa",), ("issue",)),
)
ONE = PROFILE.format(suites='"ecdsa-p256-sha256"')
TWO = PROFILE.format(suites='"ecdsa-p256-sha256", "ml-dsa-65"')
SEEN = ONE + "\n[appearance]\npage = 1\nbox = [10, 10, 90, 90]\nimage = true\n"


def _png() -> bytes:
    octets = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(octets, "PNG")
    return octets.getvalue()


PNG = _png()


@pytest.fixture
def rig(folder_of: Callable[[str], Prepared]) -> ProfilesRig:
    return ProfilesRig(folder_of("classical").folder)


@pytest.fixture
def production(folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch) -> ProfilesRig:
    monkeypatch.setenv("TSA_PASSPHRASE", PRODUCTION["TSA_PASSPHRASE"])
    return ProfilesRig(folder_of("classical").folder, PRODUCTION)


@pytest.fixture(scope="module")
def ca() -> OperatorCa:
    return OperatorCa("Seals")


def test_a_development_folder_certifies_what_it_adds(rig: ProfilesRig) -> None:
    assert rig.done("add", text=TWO)["certified"]
    seal = rig.ring.get(TENANT, "main")
    assert [key.signer.suite.id for key in seal.keys] == ["ecdsa-p256-sha256", "ml-dsa-65"]
    assert seal.profile.text == TWO
    assert seal.digest == hashlib.sha256(TWO.encode()).hexdigest()
    assert rig.kinds() == ["seal-profile.added", "seal-profile.certified", "seal-profile.certified"]
    assert {each["tenant"] for each in rig.recorded} == {TENANT}
    signers = [hashlib.sha256(key.certificate).hexdigest() for key in seal.keys]
    assert [each["certificate"] for each in rig.recorded[1:]] == signers
    roots = {hashlib.sha256(each.der).hexdigest() for each in read_certificates(rig.folder.seal_anchors)}
    assert {each["anchor"] for each in rig.recorded[1:]} == roots


def test_roots_of_seals_vouch_for_no_time_stamp(rig: ProfilesRig) -> None:
    """Attack: whoever certifies seals would issue units that everybody who fetches trust/ca.pem believes."""
    before = rig.folder.anchors.read_bytes()
    rig.done("add", text=ONE)
    assert rig.folder.anchors.read_bytes() == before


def test_what_development_adds_is_enough_for_b_lt(rig: ProfilesRig) -> None:
    rig.done("add", text=TWO)
    ring = rig.ring
    units = [each.der for each in read_certificates(rig.folder.units) if not each.is_authority]
    seals = [key.certificate for key in ring.get(TENANT, "main").keys]
    found = ring.material([*seals, *units])
    assert {*seals, *units} <= set(found.certificates)
    assert len(found.revocation.lists) >= 3


def test_keys_are_their_owners_alone_and_closed(production: ProfilesRig) -> None:
    production.done("add", text=TWO)
    folder = production.config.keys / "seals"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert [path.name for path in files] == ["ecdsa-p256-sha256.pem", "ml-dsa-65.pem"]
    for path in folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    for path in files:
        assert b"ENCRYPTED PRIVATE KEY" in path.read_bytes()
        suite = SUITES[path.stem]
        assert SoftwareSigner(suite, read_key(path, PRODUCTION["TSA_PASSPHRASE"].encode())).suite is suite


def certified(rig: ProfilesRig, ca: OperatorCa, **changes: Any) -> dict[str, Any]:
    """Add a profile and take up a certificate for it, with whatever is wrong with that."""
    rig.done("add", text=ONE)
    request = rig.done("csr")["pem"]
    given = {"certificates": certify(ca, request, **changes) + ca.issuing_pem, "anchors": ca.root_pem}
    before = rig.files()
    answer = rig.act("import", **given)
    assert answer["ok"] or rig.files() == before
    return answer


def test_a_real_authoritys_certificate_is_taken_up_without_a_restart(
    production: ProfilesRig, ca: OperatorCa
) -> None:
    assert not production.done("add", text=ONE)["certified"]
    ring = production.ring
    with pytest.raises(SealUnfitError) as unfit:
        ring.get(TENANT, "main")
    assert unfit.value.problem is SealProblem.NOT_CERTIFIED
    pem = certify(ca, production.done("csr")["pem"])
    answer = production.done("import", certificates=pem + ca.issuing_pem, anchors=ca.root_pem)
    seal = ring.get(TENANT, "main")
    assert hashlib.sha256(seal.keys[0].certificate).hexdigest() == answer["certificate"]
    assert [x509.load_der_x509_certificate(each) for each in seal.keys[0].chain] == [ca.issuing]
    assert production.kinds() == ["seal-profile.added", "seal-profile.requested", "seal-profile.certified"]


def test_the_second_suite_is_certified_by_itself(production: ProfilesRig, ca: OperatorCa) -> None:
    production.done("add", text=TWO)
    for suite in ("ml-dsa-65", "ecdsa-p256-sha256"):
        asked = production.done("csr", suite=suite)
        assert asked["suite"] == suite
        answer = production.done(
            "import", certificates=certify(ca, asked["pem"]) + ca.issuing_pem, anchors=ca.root_pem
        )
        assert answer["suite"] == suite
    assert len(production.ring.get(TENANT, "main").keys) == 2
    # The root is there once, and the chain too.
    assert len(read_certificates(production.folder.seal_anchors)) == 1
    assert len(read_certificates(production.folder.seals / TENANT / "main.pem")) == 3


OTHER_PERSON = x509.Name(
    [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Other"),
        x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, "NTRJP-2000012020001"),
    ]
)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"usage": key_usage("digital_signature")}, "SEAL_CERTIFICATE_KEY_USAGE"),
        ({"usage": None}, "SEAL_CERTIFICATE_KEY_USAGE"),
        ({"days": (-9, -1)}, "SEAL_CERTIFICATE_EXPIRED"),
        ({"subject": OTHER_PERSON}, "SEAL_CERTIFICATE_IDENTIFIER"),
        ({"more": (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]),)}, "SEAL_CERTIFICATE_PURPOSE"),
        ({"public_key": ec.generate_private_key(ec.SECP256R1()).public_key()}, "CERTIFICATE_OF_ANOTHER_KEY"),
    ],
)
def test_a_certificate_that_is_none_for_this_seal_is_not_taken_up(
    production: ProfilesRig, ca: OperatorCa, changes: dict[str, Any], code: str
) -> None:
    assert certified(production, ca, **changes)["code"] == code
    assert production.kinds() == ["seal-profile.added", "seal-profile.requested"]


def test_what_leads_nowhere_is_not_taken_up(production: ProfilesRig, ca: OperatorCa) -> None:
    production.done("add", text=ONE)
    pem, stranger = certify(ca, production.done("csr")["pem"]), OperatorCa("Strangers")
    assert production.refused("import", certificates=pem + ca.issuing_pem) == "CERTIFICATE_NO_PATH"
    assert production.refused("import", certificates=pem, anchors=ca.root_pem) == "CERTIFICATE_NO_PATH"
    both = ca.root_pem + stranger.root_pem
    assert production.refused("import", certificates=pem + ca.issuing_pem, anchors=both) == "ANCHOR_UNUSED"
    assert production.refused("import", certificates="nonsense") == "CERTIFICATE_UNREADABLE"
    assert production.refused("import") == "CERTIFICATE_UNREADABLE"
    production.done("import", certificates=pem + ca.issuing_pem, anchors=ca.root_pem)
    assert production.refused("import", certificates=pem) == "CERTIFICATE_KNOWN"


def test_a_revoked_certificate_seals_nothing(production: ProfilesRig, ca: OperatorCa) -> None:
    assert certified(production, ca)["ok"]
    ring = production.ring
    pem = (production.folder.seals / TENANT / "main.pem").read_text().split("-----END")[0]
    (production.folder.anchors.parent / "ca.crl").write_bytes(ca.revoke(pem + "-----END CERTIFICATE-----\n"))
    with pytest.raises(SealUnfitError) as unfit:
        ring.get(TENANT, "main")
    assert unfit.value.problem is SealProblem.REVOKED


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"text": ONE.replace("7000012050002", "7000012050003")}, "SEAL_PROFILE_UNFIT"),
        ({"text": ""}, "SEAL_PROFILE_UNFIT"),
        ({"text": ONE + "\n[qc]\ncompliance = true\n"}, "SEAL_STATEMENTS_SUPERVISED"),
        ({"text": ONE, "image": base64.b64encode(PNG).decode()}, "SEAL_IMAGE_UNFIT"),
        ({"text": SEEN}, "SEAL_IMAGE_UNFIT"),
        ({"text": SEEN, "image": "!"}, "SEAL_IMAGE_UNFIT"),
        ({"text": SEEN, "image": base64.b64encode(PNG[:40]).decode()}, "SEAL_IMAGE_UNFIT"),
        ({"text": SEEN, "image": base64.b64encode(b"<svg/>").decode()}, "SEAL_IMAGE_UNFIT"),
        ({"text": SEEN, "image": base64.b64encode(PNG + bytes(262_144)).decode()}, "SEAL_IMAGE_UNFIT"),
        ({"text": ONE, "tenant": "t-nobody"}, "TENANT_UNKNOWN"),
        ({"text": ONE, "tenant": "../../etc"}, "TENANT_UNKNOWN"),
        ({"text": ONE, "name": "../main"}, "SEAL_PROFILE_UNKNOWN"),
    ],
)
def test_what_is_not_added_leaves_nothing(rig: ProfilesRig, arguments: dict[str, Any], code: str) -> None:
    assert rig.refused("add", **arguments) == code
    assert not (rig.config.keys / "seals").exists()


def test_an_image_goes_with_its_profile(rig: ProfilesRig) -> None:
    rig.done("add", text=SEEN, image=base64.b64encode(PNG).decode())
    seal = rig.ring.get(TENANT, "main")
    assert seal.image == PNG
    assert seal.digest == hashlib.sha256(SEEN.encode() + PNG).hexdigest()


JAPANESE = SEEN.replace("image = true", 'text = "{organisation}\\n電子印 {time}"\nfont = true')
FONT = Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf")


def test_a_font_is_cut_to_what_the_seal_will_ever_show(rig: ProfilesRig) -> None:
    if not FONT.exists():
        absent("peer fonts-ipaexfont-gothic is not installed")
    rig.done("add", text=JAPANESE, font=str(FONT))
    seal = rig.ring.get(TENANT, "main")
    assert seal.font is not None
    assert len(seal.font) < 30_000 < FONT.stat().st_size
    assert seal.digest == hashlib.sha256(JAPANESE.encode() + seal.font).hexdigest()
    glyphs = TTFont(io.BytesIO(seal.font)).getBestCmap()
    shown = "株式会社むらさき電子印 0123456789-:Z"
    assert {ord(letter) for letter in shown} <= set(glyphs)
    rig.done("withdraw")
    assert rig.recorded[-1]["digest"] == seal.digest
    assert not list((rig.folder.seals / TENANT).iterdir())


@pytest.mark.parametrize(
    ("text", "font"),
    [
        (JAPANESE, None),
        (JAPANESE.replace("font = true", "font = false"), None),
        (JAPANESE.replace("font = true", "font = false"), __file__),
        (ONE, __file__),
        (JAPANESE, __file__),
    ],
)
def test_text_that_the_font_cannot_show_is_refused_before_it_seals(
    rig: ProfilesRig, text: str, font: str | None
) -> None:
    assert rig.refused("add", text=text, font=font) == "SEAL_FONT_UNFIT"


def test_a_font_file_that_is_not_there_is_named(rig: ProfilesRig, tmp_path: Path) -> None:
    assert rig.refused("add", text=JAPANESE, font=str(tmp_path / "absent.ttf")) == "FILE_UNUSABLE"


def test_a_suite_that_the_issuing_policy_forbids_is_not_added(
    folder_of: Callable[[str], Prepared], tmp_path: Path
) -> None:
    (tmp_path / "policy.toml").write_text(ENDED)
    settings = {"TSA_POLICY__ISSUE": str(tmp_path / "policy.toml")}
    strict = ProfilesRig(folder_of("classical").folder, settings)
    assert strict.refused("add", text=ONE) == "SEAL_SUITE_FORBIDDEN"
    assert strict.refused("add", text=ONE.replace("ecdsa-p256-sha256", "ml-dsa-65")) == "SEAL_SUITE_FORBIDDEN"
    strict.done("add", text=ONE.replace("ecdsa-p256-sha256", "ed25519"))


def test_no_name_is_used_twice_while_it_is_in_force(rig: ProfilesRig) -> None:
    rig.done("add", text=ONE)
    assert rig.refused("add", text=TWO) == "SEAL_PROFILE_EXISTS"
    rig.done("add", "other", text=ONE)
    assert rig.done("add", text=ONE, tenant="operator")["tenant"] == "operator"
    assert rig.ring.names(TENANT) == ("main", "other")
    keys = [
        rig.ring.get(tenant, name).keys[0]
        for tenant, name in ((TENANT, "main"), (TENANT, "other"), ("operator", "main"))
    ]
    assert len({key.signer.public_key for key in keys}) == 3


def test_a_units_key_never_seals(rig: ProfilesRig) -> None:
    """Attack: the octets of a sealed document would pass for a time-stamp's, or the other way round."""
    place = rig.config.keys / "seals" / TENANT / "main"
    place.mkdir(parents=True)
    (place / "ecdsa-p256-sha256.pem").write_bytes((rig.config.keys / "unit-classical.pem").read_bytes())
    (place / "ecdsa-p256-sha256.pem").chmod(0o600)
    assert rig.refused("add", text=ONE) == "SEAL_KEY_SHARED"


def test_a_key_copied_later_seals_nothing(rig: ProfilesRig) -> None:
    rig.done("add", text=ONE)
    rig.done("add", "other", text=ONE)
    keys = rig.config.keys / "seals" / TENANT
    (keys / "other" / "ecdsa-p256-sha256.pem").write_bytes(
        (keys / "main" / "ecdsa-p256-sha256.pem").read_bytes()
    )
    with pytest.raises(SealUnfitError) as unfit:
        rig.ring.get(TENANT, "other")
    assert unfit.value.problem is SealProblem.KEY_SHARED


def test_withdrawing_counts_at_once_and_erases_the_keys(rig: ProfilesRig) -> None:
    rig.done("add", text=TWO)
    ring = rig.ring
    ring.get(TENANT, "main")
    rig.done("withdraw")
    with pytest.raises(SealAbsentError):
        ring.get(TENANT, "main")
    assert ring.names(TENANT) == ()
    assert not (rig.config.keys / "seals" / TENANT / "main").exists()
    assert not list((rig.folder.seals / TENANT).iterdir())
    assert rig.recorded[-1]["kind"] == "seal-profile.withdrawn"
    assert rig.recorded[-1]["digest"] == rig.recorded[0]["digest"]
    assert rig.refused("withdraw") == "SEAL_PROFILE_UNKNOWN"
    rig.done("add", text=ONE)
    assert ring.get(TENANT, "main").profile.text == ONE


def test_without_its_record_nothing_comes_into_force(rig: ProfilesRig) -> None:
    rig.refusing = True
    assert rig.refused("add", text=ONE) == "LEDGER_REFUSED"
    rig.refusing = False
    assert rig.ring.names(TENANT) == ()
    rig.done("add", text=ONE)
    rig.refusing = True
    assert rig.act("withdraw")["code"] == "LEDGER_REFUSED"
    with pytest.raises(SealAbsentError):
        rig.ring.get(TENANT, "main")
    assert rig.refused("add", text=ONE) == "SEAL_PROFILE_EXISTS"
    rig.refusing = False
    rig.done("withdraw")
    assert rig.kinds()[-1] == "seal-profile.withdrawn"
    rig.done("add", text=ONE)


def test_a_crash_before_the_profile_is_written_leaves_nothing_in_force(
    rig: ProfilesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after its record, after its keys and its certificates: asked again, it is whole."""
    written = write_durably

    def crash(path: Any, octets: bytes, mode: int = 0o600) -> None:
        if path.suffix == ".toml":
            raise OSError(5, "killed", str(path))
        written(path, octets, mode)

    with monkeypatch.context() as patch:
        patch.setattr("kokuin.service.eseals.profiles_making.write_durably", crash)
        assert rig.act("add", text=ONE)["code"] == "FILE_UNUSABLE"
    assert rig.ring.names(TENANT) == ()
    rig.done("add", text=ONE)
    assert rig.ring.get(TENANT, "main").keys


def test_what_is_shown_is_what_is_in_force(rig: ProfilesRig) -> None:
    rig.done("add", text=TWO + "\n[qc]\nseal = true\n")
    rig.done("add", "other", text=ONE, tenant="operator")
    listed = rig.done("list", tenant=None)["profiles"]
    assert [(each["tenant"], each["profile"]) for each in listed] == [("operator", "other"), (TENANT, "main")]
    assert listed[1]["suites"] == ["ecdsa-p256-sha256", "ml-dsa-65"]
    assert [each["profile"] for each in rig.done("list")["profiles"]] == ["main"]
    assert rig.done("list", tenant="t-nobody")["profiles"] == []
    shown = rig.done("show")
    assert shown["problem"] == ""
    assert [each["suite"] for each in shown["certificates"]] == ["ecdsa-p256-sha256", "ml-dsa-65"]
    assert all(each["states"] == ["QcType eseal"] for each in shown["certificates"])
    (rig.config.keys / "seals" / TENANT / "main" / "ml-dsa-65.pem").unlink()
    assert rig.done("show")["problem"] == "SEAL_KEY_UNUSABLE"
    assert rig.refused("show", "nobody") == "SEAL_PROFILE_UNKNOWN"


def test_a_damaged_profile_is_listed_and_seals_nothing(rig: ProfilesRig) -> None:
    rig.done("add", text=ONE)
    (rig.folder.seals / TENANT / "main.toml").write_text("level = 1")
    (row,) = rig.done("list")["profiles"]
    assert row["problem"] == "SEAL_FILE_UNUSABLE"
    with pytest.raises(SealUnfitError):
        rig.ring.get(TENANT, "main")
    assert rig.refused("csr") == "SEAL_FILE_UNUSABLE"
    rig.done("withdraw")


def test_no_message_holds_a_secret(production: ProfilesRig) -> None:
    production.done("add", text=ONE)
    path = production.config.keys / "seals" / TENANT / "main" / "ecdsa-p256-sha256.pem"
    path.write_bytes(path.read_bytes().replace(b"M", b"N", 3))
    told = str(production.act("csr")) + str(production.done("show"))
    assert "SEAL_KEY_UNUSABLE" in told
    assert PRODUCTION["TSA_PASSPHRASE"] not in told


@pytest.mark.parametrize(
    "tenant",
    ["", ".", "..", "../t-4ad6kzrwm2q7xhzo", "t-4ad6kzrwm2q7xhzo/x", "T-4AD6", "t-4ad6kzrwm2q7xhzo\n"],
)
def test_no_name_leaves_the_folder(rig: ProfilesRig, tenant: str) -> None:
    """Attack: another tenant's keys, or another file of the machine."""
    rig.done("add", text=ONE)
    with pytest.raises(SealAbsentError):
        rig.ring.get(tenant, "main")
    with pytest.raises(SealAbsentError):
        rig.ring.get(TENANT, f"../{TENANT}/main")
    assert rig.ring.names(tenant) == ()
