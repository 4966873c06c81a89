"""Values of options as people write them, held against how OpenSSL prints serial numbers."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentTypeError

import pytest

from kokuin.cli.main import main
from kokuin.cli.values import moment, serial_number

ACTS = (
    ("search",),
    ("export", "-o", "made"),
    ("fetch", "http://127.0.0.1:9", "-o", "made"),
    ("prove",),
)


@pytest.mark.parametrize(
    ("word", "serial"),
    [
        ("5f7e", "5f7e"),
        ("5F7E", "5f7e"),
        ("0x5F7E", "5f7e"),
        ("0X5f7e", "5f7e"),
        ("5F:7E", "5f7e"),
        ("00:9F:0a", "9f0a"),
        ("5:7E", "57e"),
        ("05F7", "5f7"),
        ("f" * 64, "f" * 64),
    ],
)
def test_serial_numbers_are_read_as_openssl_prints_them(word: str, serial: str) -> None:
    assert serial_number("en")(word) == serial


@pytest.mark.parametrize("word", ["", "zz", "0x", "5F:", "5F::7E", "5F:7", "-1", "5f 7e", "f" * 65, "٣"])
def test_what_is_no_serial_number_is_none(word: str) -> None:
    with pytest.raises(ArgumentTypeError, match="serial number"):
        serial_number("en")(word)


def test_moments_are_of_iso_8601() -> None:
    assert moment("en")("2026-11-21T15:00Z") == dt.datetime(2026, 11, 21, 15, tzinfo=dt.UTC)
    for word in ("yesterday", "", "0001-01-01T00:00+23:00"):
        with pytest.raises(ArgumentTypeError, match="ISO 8601"):
            moment("en")(word)


@pytest.mark.parametrize("act", ACTS)
def test_a_serial_number_that_is_none_is_wrong_usage(
    act: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ledger", *act, "--serial", "zz", "--lang", "en"])
    assert ended.value.code == 3
    assert "--serial: a serial number is 1 to 64 hex digits" in capsys.readouterr().err


@pytest.mark.parametrize("act", ACTS[:3])
def test_a_period_that_cannot_be_is_wrong_usage(
    act: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    period = ("--from", "2026-11-22", "--to", "2026-11-21")
    assert main(["ledger", *act, *period, "--lang", "en"]) == 3
    assert "--from must not be after --to" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["ledger", *act, "--from", "yesterday", "--lang", "en"])
    assert ended.value.code == 3
    assert "--from: ISO 8601, e.g. 2026-11-21T15:00Z" in capsys.readouterr().err
