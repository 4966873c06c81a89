"""Standard output that cannot be written: one exit code and one line, for every command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kokuin.cli.main import main
from tests.trust.forge import pki

ROOT = Path(__file__).parents[2]


def told(words: tuple[str, ...], output: int, *, unbuffered: bool, lang: str = "en") -> tuple[int, str]:
    """Run `tsa WORDS` with standard output as given, which is closed; return exit code and standard error."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "kokuin.cli.main", *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1" if unbuffered else "", "TSA_LANG": lang},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(output)
    return done.returncode, done.stderr


def full() -> int:
    """Return a descriptor on which no octet can be written."""
    return os.open("/dev/full", os.O_WRONLY)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("--help",),
        ("verify", "--help"),
        ("verify", "--schema"),
        ("policy", "list"),
        ("policy", "list", "--json"),
        ("inspect", "pyproject.toml"),
    ],
)
def test_a_full_disk_beneath_standard_output_is_a_file_that_cannot_be_written(
    words: tuple[str, ...],
    unbuffered: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    code, said = told(words, full(), unbuffered=unbuffered)
    assert code == 3
    (line,) = said.splitlines()
    named = "tsa" if words[0].startswith("-") else f"tsa {words[0]}"
    assert line == f"{named}: standard output: No space left on device"


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_it_is_told_in_japanese_too() -> None:
    assert told(("policy", "list"), full(), unbuffered=True, lang="ja")[1].startswith(
        "tsa policy: 標準出力: "
    )


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("words", [("policy", "list", "--json"), ("--help",), ("--version",)])
def test_a_reader_that_has_gone_is_told_nothing(
    words: tuple[str, ...],
    unbuffered: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    assert told(words, theirs, unbuffered=unbuffered) == (141, "")


def test_a_command_gives_standard_output_back_as_it_was(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "root").write_bytes(pki().root.der)
    before = sys.stdout
    assert main(["inspect", str(tmp_path / "root")]) == 0
    assert sys.stdout is before
    assert capsys.readouterr().out
