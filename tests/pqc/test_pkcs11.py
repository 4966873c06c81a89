"""A key in a device: what is refused at load, that it stays inside, and a device that goes and comes back."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from pqc import pkcs11 as module
from pqc.pkcs11 import KeyReference, Pkcs11Signer, generate, has_key
from pqc.pkcs11_device import Device, device
from pqc.signing import KeyMismatchError, SignerError, SignerProblem
from pqc.suites import suite
from tests.pqc.backends import in_token
from tests.softhsm import PIN, TOKEN, library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pkcs11.types import Token

    from pqc.suites import Suite
    from tests.softhsm import SoftHsm

P256 = suite("ecdsa-p256-sha256")
RSA = suite("rsa3072-pkcs1-sha256")
INSIDE = pytest.mark.parametrize("each", [P256, RSA], ids=["P-256", "RSA-3072"])


def problem(action: Callable[[], object]) -> SignerProblem:
    with pytest.raises(SignerError) as caught:
        action()
    assert PIN not in str(caught.value)
    assert str(caught.value).startswith(caught.value.problem.value)
    return caught.value.problem


def reference(
    label: str | None = None, key_id: bytes | None = None, *, extractable: bool = False
) -> KeyReference:
    return KeyReference(library(), TOKEN, label, key_id, extractable)


def object_of(signer: Pkcs11Signer) -> Any:
    return signer._key


@pytest.fixture
def forgetting(softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftHsm]:
    """The device as a new process finds it, before the test and after it; it never rests."""
    monkeypatch.setattr(module, "REST_SECONDS", 0.0)
    opened = device(library())
    opened._refused.clear()
    opened._reopen()
    yield softhsm
    opened._refused.clear()
    opened._reopen()


@INSIDE
def test_a_generated_key_cannot_be_had(softhsm: SoftHsm, each: Suite) -> None:
    key = object_of(Pkcs11Signer(each, in_token(each), PIN))
    inside = (Attribute.SENSITIVE, Attribute.ALWAYS_SENSITIVE, Attribute.NEVER_EXTRACTABLE, Attribute.LOCAL)
    assert all(key[name] is True for name in inside)
    assert key[Attribute.EXTRACTABLE] is False
    assert not any(key[name] for name in (Attribute.DECRYPT, Attribute.UNWRAP, Attribute.DERIVE))
    secret = Attribute.VALUE if each is P256 else Attribute.PRIVATE_EXPONENT
    with pytest.raises(pkcs11.AttributeSensitive):
        key[secret]
    for change in ({Attribute.EXTRACTABLE: True}, {Attribute.SENSITIVE: False}):
        with pytest.raises(pkcs11.PKCS11Error):
            key.copy(change)
        ((name, value),) = change.items()
        with pytest.raises(pkcs11.PKCS11Error):
            key[name] = value
    wrapping = key.session.generate_key(KeyType.AES, 256)
    with pytest.raises(pkcs11.PKCS11Error):
        wrapping.wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP_PAD)


def test_nothing_in_the_tokens_files_is_the_public_half_of_a_key_in_the_clear(softhsm: SoftHsm) -> None:
    signer = Pkcs11Signer(P256, in_token(P256), PIN)
    point = signer.public_key[-65:]
    stored = b"".join(path.read_bytes() for path in softhsm.tokens.rglob("*") if path.is_file())
    assert PIN.encode() not in stored
    assert point in stored, "the files are those of this token"


def test_a_key_is_found_by_label_by_id_and_by_both(softhsm: SoftHsm) -> None:
    made = generate(P256, reference("by label", b"\x01\x02"), PIN)
    for name in (reference("by label"), reference(key_id=b"\x01\x02"), reference("by label", b"\x01\x02")):
        assert has_key(name, PIN)
        assert Pkcs11Signer(P256, name, PIN).public_key == made.public_key
    other = reference("by label", b"\x03")
    assert not has_key(other, PIN)
    assert problem(lambda: Pkcs11Signer(P256, other, PIN)) is SignerProblem.KEY_MISSING
    assert problem(lambda: generate(P256, reference("by label"), PIN)) is SignerProblem.KEY_EXISTS
    generate(P256, other, PIN)
    assert problem(lambda: Pkcs11Signer(P256, reference("by label"), PIN)) is SignerProblem.KEY_AMBIGUOUS


def test_a_key_that_the_device_would_give_away_is_refused_unless_it_is_allowed(softhsm: SoftHsm) -> None:
    session = device(library()).session(TOKEN, PIN)
    named = encode_named_curve_parameters("secp256r1")
    with session.token.open(rw=True) as writing:
        curve = writing.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: named}, local=True)
        for label, open_to in (("loose", Attribute.EXTRACTABLE), ("shown", Attribute.SENSITIVE)):
            curve.generate_keypair(
                id=label.encode(),
                label=label,
                store=True,
                capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
                private_template={
                    Attribute.SENSITIVE: open_to is not Attribute.SENSITIVE,
                    Attribute.EXTRACTABLE: open_to is Attribute.EXTRACTABLE,
                },
            )
    for label in ("loose", "shown"):
        refused = problem(lambda label=label: Pkcs11Signer(P256, reference(label), PIN))  # type: ignore[misc]
        assert refused is SignerProblem.KEY_EXTRACTABLE
        assert Pkcs11Signer(P256, reference(label, extractable=True), PIN).sign(b"x")


def test_a_device_that_makes_keys_otherwise_than_asked_keeps_none(
    softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_NEVER_OUTSIDE", {Attribute.EXTRACTABLE: True})
    name = reference("never made")
    assert problem(lambda: generate(P256, name, PIN)) is SignerProblem.KEY_EXTRACTABLE
    assert not has_key(name, PIN)
    session = device(library()).session(TOKEN, PIN)
    assert not list(session.get_objects({Attribute.LABEL: "never made"}))


def test_a_key_without_its_public_half_is_refused(softhsm: SoftHsm) -> None:
    name = reference("half")
    generate(P256, name, PIN)
    with device(library()).session(TOKEN, PIN).token.open(rw=True) as writing:
        wanted = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: "half"}
        (public,) = writing.get_objects(wanted)
        public.destroy()
    assert problem(lambda: Pkcs11Signer(P256, name, PIN)) is SignerProblem.KEY_MISSING


def test_suites_that_devices_lack_are_refused_before_anything_is_made(softhsm: SoftHsm) -> None:
    for name in ("ed25519", "ml-dsa-65", "rsa2048-pkcs1-sha256"):
        with pytest.raises(KeyMismatchError):
            generate(suite(name), reference("none"), PIN)
        with pytest.raises(KeyMismatchError):
            Pkcs11Signer(suite(name), in_token(P256), PIN)
    assert not has_key(reference("none"), PIN)


def test_a_library_or_a_token_that_is_not_there_is_named(softhsm: SoftHsm, tmp_path: Path) -> None:
    no_library = KeyReference(tmp_path / "none.so", TOKEN, "x")
    assert problem(lambda: Pkcs11Signer(P256, no_library, PIN)) is SignerProblem.BACKEND_MISSING
    text = tmp_path / "text.so"
    text.write_text("no library")
    assert problem(lambda: Device(text)) is SignerProblem.BACKEND_MISSING
    no_token = KeyReference(library(), "elsewhere", "x")
    assert problem(lambda: Pkcs11Signer(P256, no_token, PIN)) is SignerProblem.TOKEN_MISSING


def test_a_library_with_two_names_is_loaded_once(softhsm: SoftHsm, tmp_path: Path) -> None:
    alias = tmp_path / "alias.so"
    alias.symlink_to(library())
    assert device(alias) is device(library())


def test_a_refused_pin_is_not_tried_again(forgetting: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    name = in_token(P256)
    device(library())._reopen()
    asked, token = [], Device._token

    def count(opened: Device, label: str) -> Token:
        asked.append(label)
        return token(opened, label)

    monkeypatch.setattr(Device, "_token", count)
    for _ in range(5):
        assert problem(lambda: Pkcs11Signer(P256, name, "wrong")) is SignerProblem.PIN_REFUSED
    assert len(asked) == 1, "devices lock after a few wrong PINs"
    signer = Pkcs11Signer(P256, name, PIN)
    assert problem(lambda: Pkcs11Signer(P256, name, "other")) is SignerProblem.PIN_REFUSED
    assert signer.sign(b"x")


def close_all_sessions() -> None:
    device(library())._library.finalize()
    device(library())._library.initialize()


def log_out() -> None:
    session = device(library())._sessions[TOKEN][1]
    session.close()


def end_library() -> None:
    device(library())._library.finalize()


def test_a_login_that_nobody_here_knows_of_is_no_obstacle(forgetting: SoftHsm) -> None:
    signer = Pkcs11Signer(P256, in_token(P256), PIN)
    kept = device(library())._sessions.pop(TOKEN)
    assert Pkcs11Signer(P256, in_token(P256), PIN).sign(b"x")
    assert signer.sign(b"y")
    del kept


@INSIDE
@pytest.mark.parametrize("accident", [close_all_sessions, log_out, end_library])
def test_a_lost_session_is_opened_again_without_anybody_noticing(
    forgetting: SoftHsm, each: Suite, accident: Callable[[], None]
) -> None:
    signer, neighbour = (Pkcs11Signer(each, in_token(each), PIN) for _ in range(2))
    accident()
    assert signer.sign(b"x")
    assert neighbour.sign(b"y")


@INSIDE
def test_a_token_that_was_taken_out_is_refused_and_found_when_it_is_put_back(
    forgetting: SoftHsm, each: Suite
) -> None:
    signer = Pkcs11Signer(each, in_token(each), PIN)
    away = forgetting.tokens.rename(forgetting.tokens.with_name("away"))
    forgetting.tokens.mkdir()
    try:
        for _ in range(3):
            assert problem(lambda: signer.sign(b"x")) is SignerProblem.TOKEN_MISSING
    finally:
        forgetting.tokens.rmdir()
        away.rename(forgetting.tokens)
    assert signer.sign(b"x")


def test_a_token_that_was_not_there_at_the_start_is_found_when_it_comes(forgetting: SoftHsm) -> None:
    name = in_token(P256)
    away = forgetting.tokens.rename(forgetting.tokens.with_name("away"))
    forgetting.tokens.mkdir()
    device(library())._reopen()
    try:
        assert problem(lambda: Pkcs11Signer(P256, name, PIN)) is SignerProblem.TOKEN_MISSING
    finally:
        forgetting.tokens.rmdir()
        away.rename(forgetting.tokens)
    assert Pkcs11Signer(P256, name, PIN).sign(b"x")


def test_a_key_that_could_not_sign_rests_and_its_neighbours_do_not(
    forgetting: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = reference("removed")
    signer, neighbour = generate(P256, name, PIN), Pkcs11Signer(P256, in_token(P256), PIN)
    with device(library()).session(TOKEN, PIN).token.open(rw=True) as writing:
        for found in list(writing.get_objects({Attribute.LABEL: "removed"})):
            found.destroy()
    monkeypatch.setattr(module, "REST_SECONDS", 3600.0)
    assert problem(lambda: signer.sign(b"x")) is SignerProblem.KEY_MISSING
    generation = device(library()).generation
    assert problem(lambda: signer.sign(b"x")) is SignerProblem.DEVICE_FAILED
    assert neighbour.sign(b"x")
    assert device(library()).generation == generation, "the device is not opened again for it"


def test_a_name_that_is_not_there_disturbs_no_key_in_use(softhsm: SoftHsm) -> None:
    opened = device(library())
    before = opened.generation
    assert problem(lambda: Pkcs11Signer(P256, reference("nobody"), PIN)) is SignerProblem.KEY_MISSING
    nowhere = KeyReference(library(), "nowhere", "x")
    assert problem(lambda: has_key(nowhere, PIN)) is SignerProblem.TOKEN_MISSING
    assert opened.generation == before


def test_another_key_in_the_place_of_the_loaded_one_does_not_sign(forgetting: SoftHsm) -> None:
    name = reference("swapped")
    signer = generate(P256, name, PIN)
    away = forgetting.tokens.rename(forgetting.tokens.with_name("away"))
    forgetting.tokens.mkdir()
    forgetting.initialise()
    device(library())._reopen()
    try:
        assert generate(P256, name, PIN).public_key != signer.public_key
        device(library())._reopen()
        assert problem(lambda: signer.sign(b"x")) is SignerProblem.KEY_CHANGED
    finally:
        shutil.rmtree(forgetting.tokens)
        away.rename(forgetting.tokens)
        device(library())._reopen()
    assert signer.sign(b"x")
