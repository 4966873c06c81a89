from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kokuin.service.config import Config, ConfigError, load_config
from pqc.profiles import DEVELOPMENT_ARC

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
profile = "pq"
keys = "keys"
[server]
port = 1
[clock]
kind = "ntp"
servers = ["a", "b"]
"""


def load(folder: Path, text: str = "", environment: dict[str, str] | None = None) -> Config:
    (folder / "config.toml").write_text(text, encoding="utf-8")
    return load_config(folder, environment or {})


def test_an_empty_file_gives_safe_defaults(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert (config.server.host, config.server.port, config.arc) == ("127.0.0.1", 3161, DEVELOPMENT_ARC)
    assert config.requests.extensions == ()
    assert config.keys == tmp_path / "keys"


def test_the_environment_overrides_the_file_by_type_and_by_text(tmp_path: Path) -> None:
    environment = {
        "TSA_PROFILE": "classical",
        "TSA_SERVER__PORT": "3162",
        "TSA_SERVER__HOST": "::1",
        "TSA_UNIT__NAME_IN_TOKEN": "true",
        "TSA_CLOCK__POLL_S": "8.5",
        "TSA_REQUESTS__EXTENSIONS": '["1.2.3"]',
        "PATH": "/bin",
        "TSA_PASSPHRASE": "not configuration",
    }
    config = load(tmp_path, TEXT, environment)
    assert (config.profile, config.server.port, config.server.host) == ("classical", 3162, "::1")
    assert config.unit.name_in_token
    assert config.requests.extensions == ("1.2.3",)
    settings = config.clock_settings(500_000)
    assert (settings.kind, settings.poll_s, settings.accuracy_us) == ("ntp", 8.5, 500_000)
    assert "not configuration" not in repr(config)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("colour = 1", "colour"),
        ("[server]\ncolour = 1", "server.colour"),
        ("[clock]\ncolour = 1", "colour"),
        ("[clock]\naccuracy_us = 1", "accuracy_us"),
        ("[clock]\npoll_s = nan", "CLOCK_SETTING_OUT_OF_RANGE"),
        ("[server]\nport = 65536", "server.port"),
        ("[server]\nport = true", "server.port"),
        ("[server]\nworkers = 0", "server.workers"),
        ("[server]\nbody_seconds = nan", "server.body_seconds"),
        ("[server]\nbody_seconds = inf", "server.body_seconds"),
        ('[access]\ntimestamps = "maybe"', "access.timestamps"),
        ('checks = "none"', "checks"),
        ('keys = "a\\u0000b"', "keys"),
        ("server = 5", "server"),
        ("profile =", "config.toml"),
        ("[requests]\nextensions = ['1.40.1']", "requests.extensions"),
        *(
            (f'arc = "{arc}"', "arc")
            for arc in ("", "1", "3.1", "1.40", "1.2.03", "1.2.2147483648", "1.2.", "x")
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(ConfigError, match=place) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value) or place == "config.toml"


@pytest.mark.parametrize(
    "environment",
    [
        {"TSA_COLOUR": "1"},
        {"TSA_": "1"},
        {"TSA_SERVER": "5"},
        {"TSA_SERVER__": "5"},
        {"TSA_SERVER__PORT__X": "5"},
        {"TSA_SERVER__PORT": "many"},
        {"TSA_PROFILE__X": "1"},
        {"TSA_UNIT__ORGANISATION": "\udcff"},
    ],
)
def test_a_variable_that_means_nothing_is_fatal(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, TEXT, environment)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tsa init"):
        load_config(tmp_path, {})
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load_config(tmp_path, {})


def test_the_digest_is_of_what_is_in_force_however_it_was_said(tmp_path: Path) -> None:
    plain = load(tmp_path, TEXT)
    assert (
        load(tmp_path, TEXT.replace('profile = "pq"\nkeys = "keys"', 'keys = "keys"\nprofile = "pq"'))
        == plain
    )
    said = load(tmp_path, TEXT.replace("port = 1", "port = 2"), {"TSA_SERVER__PORT": "1"})
    assert said.digest() == plain.digest()
    assert len(plain.digest()) == 64
    seen = {plain.digest()}
    for name, value in {
        "TSA_PROFILE": "classical",
        "TSA_SERVER__PORT": "2",
        "TSA_CLOCK__POLL_S": "8",
        "TSA_UNIT__NAME_IN_TOKEN": "true",
        "TSA_REQUESTS__EXTENSIONS": '["1.2.3"]',
        "TSA_ARC": "1.2.3",
    }.items():
        seen.add(load(tmp_path, TEXT, {name: value}).digest())
    assert len(seen) == 7
