"""Where a unit's key is: by configuration, never by accident, and its PIN nowhere else."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING

import pytest

from kokuin.service import keystore
from kokuin.service.config import Config, ConfigError, load_config
from pqc.keyfiles import KeyFileError
from pqc.signing import KeyMismatchError, Provider, SignerError, SignerProblem
from pqc.suites import suite
from tests.peers import liboqs
from tests.softhsm import PIN, TOKEN, SoftHsm, library

if TYPE_CHECKING:
    from pathlib import Path

P256, ML_DSA = suite("ecdsa-p256-sha256"), suite("ml-dsa-65")
DEVICE = '[signers.classical]\nbackend = "pkcs11"\nmodule = "m.so"\ntoken = "t"\nlabel = "l"\n'


def load(folder: Path, text: str, environment: dict[str, str] | None = None) -> Config:
    (folder / "config.toml").write_text(text, encoding="utf-8")
    (folder / "keys").mkdir(exist_ok=True)
    return load_config(folder, environment or {})


def in_token(folder: Path, label: str, *lines: str) -> Config:
    text = f'[signers.classical]\nbackend = "pkcs11"\nmodule = "{library()}"\ntoken = "{TOKEN}"\n'
    return load(folder, f'{text}label = "{label}"\n' + "\n".join(lines))


def problem(config: Config) -> SignerProblem:
    with pytest.raises(SignerError) as caught:
        keystore.open_signer(config, "classical", P256, None)
    assert PIN not in str(caught.value)
    return caught.value.problem


def test_without_a_table_the_key_is_a_file(tmp_path: Path) -> None:
    config = load(tmp_path, "")
    assert not keystore.has_key(config, "classical")
    with pytest.raises(KeyFileError):
        keystore.open_signer(config, "classical", P256, None)
    made = keystore.generate(config, "classical", P256, b"passphrase")
    path = tmp_path / "keys" / "unit-classical.pem"
    assert keystore.key_file(config, "classical") == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in path.read_bytes()
    assert keystore.has_key(config, "classical")
    opened = keystore.open_signer(config, "classical", P256, b"passphrase")
    assert (opened.public_key, opened.provider) == (made.public_key, Provider.SOFTWARE)
    with pytest.raises(FileExistsError):
        keystore.generate(config, "classical", P256, b"passphrase")
    with pytest.raises(KeyMismatchError):
        keystore.open_signer(config, "classical", ML_DSA, b"passphrase")


def test_with_a_table_a_key_file_of_that_name_is_not_even_looked_at(softhsm: SoftHsm, tmp_path: Path) -> None:
    keystore.generate(load(tmp_path, ""), "classical", P256, None)
    config = in_token(tmp_path, "nobody", f'pin_file = "{softhsm.pin_file}"')
    assert not keystore.has_key(config, "classical")
    assert problem(config) is SignerProblem.KEY_MISSING


def test_the_pin_is_read_from_its_file_or_else_from_the_environment(
    softhsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(keystore.PIN_VARIABLE, raising=False)
    assert problem(in_token(tmp_path, "keystore")) is SignerProblem.PIN_MISSING
    monkeypatch.setenv(keystore.PIN_VARIABLE, PIN)
    made = keystore.generate(in_token(tmp_path, "keystore"), "classical", P256, None)
    monkeypatch.setenv(keystore.PIN_VARIABLE, "another")
    pin_file = tmp_path / "pin"
    pin_file.touch(mode=0o600)
    pin_file.write_text(f"{PIN}\r\n")
    from_file = in_token(tmp_path, "keystore", 'pin_file = "pin"')
    assert keystore.open_signer(from_file, "classical", P256, None).public_key == made.public_key
    pin_file.chmod(0o604)
    assert problem(from_file) is SignerProblem.PIN_TOO_OPEN
    pin_file.chmod(0o600)
    pin_file.write_bytes(b"\xff")
    assert problem(from_file) is SignerProblem.PIN_MISSING


def test_the_configuration_names_the_pins_place_and_never_the_pin(tmp_path: Path) -> None:
    environment = {keystore.PIN_VARIABLE: PIN}
    config = load(tmp_path, f'{DEVICE}pin_file = "pin"\n', environment)
    (tmp_path / "pin").write_text(PIN)
    assert PIN not in config.model_dump_json()
    again = Config.model_validate_json(config.model_dump_json())
    assert again == config, "what children of the service are given"
    table = config.signers["classical"].model_dump(mode="json")
    assert (table["module"], table["pin_file"]) == (str(tmp_path / "m.so"), str(tmp_path / "pin"))
    (tmp_path / "pin").write_text("another")
    assert load(tmp_path, f'{DEVICE}pin_file = "pin"\n').digest() == config.digest()
    assert load(tmp_path, "").digest() != config.digest()
    with pytest.raises(ConfigError, match=r"signers\.classical\.pkcs11\.pin"):
        load(tmp_path, f'{DEVICE}pin = "{PIN}"\n')


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (DEVICE.replace("classical", "clasical"), "signers.clasical"),
        (DEVICE.replace('label = "l"\n', ""), "label or id"),
        (DEVICE.replace('token = "t"\n', ""), "token"),
        (DEVICE.replace("pkcs11", "pkcs12"), "signers.classical"),
        (f'{DEVICE}id = "0"\n', "id"),
        (f'{DEVICE}id = "AB"\n', "id"),
        (f'{DEVICE}library = "x"\n', "library"),
        ('[signers.pq]\nbackend = "liboqs"\n', "library"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(ConfigError, match=place):
        load(tmp_path, text)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(keystore.PIN_VARIABLE, PIN)
    monkeypatch.delitem(sys.modules, "pqc.pkcs11", raising=False)
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(SignerError, match=r"kokuin\[hsm\]") as caught:
        keystore.open_signer(load(tmp_path, DEVICE), "classical", P256, None)
    assert caught.value.problem is SignerProblem.BACKEND_MISSING


def test_liboqs_signs_with_the_key_file_when_the_configuration_names_its_library(tmp_path: Path) -> None:
    plain = keystore.generate(load(tmp_path, ""), "pq", ML_DSA, b"passphrase")
    config = load(tmp_path, f'[signers.pq]\nbackend = "liboqs"\nlibrary = "{liboqs()}"\n')
    opened = keystore.open_signer(config, "pq", ML_DSA, b"passphrase")
    assert (opened.provider, opened.experimental) == (Provider.LIBOQS, True)
    assert opened.public_key == plain.public_key
