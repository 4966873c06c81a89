"""SoftHSM2: a PKCS#11 device in software, with a token of the tests' own in a temporary folder."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.peers import absent, need

PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
TOKEN = "kokuin-tests"
PIN = "unit-2468"
OFFICER_PIN = "officer-1357"


@dataclass(frozen=True, slots=True)
class SoftHsm:
    """A folder with SoftHSM2's tokens and the configuration that names it."""

    root: Path

    @property
    def tokens(self) -> Path:
        """Where SoftHSM2 keeps its tokens, a folder each."""
        return self.root / "tokens"

    @property
    def settings(self) -> dict[str, str]:
        """The variable by which the library finds the configuration."""
        return {"SOFTHSM2_CONF": str(self.root / "softhsm2.conf")}

    @property
    def pin_file(self) -> Path:
        """A file with the PIN, its owner's alone."""
        return self.root / "pin"

    def put(self) -> None:
        """Write configuration and PIN for this folder."""
        text = f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        Path(self.settings["SOFTHSM2_CONF"]).write_text(text, encoding="utf-8")
        self.pin_file.touch(mode=0o600)
        self.pin_file.write_text(f"{PIN}\n", encoding="utf-8")

    def copy(self, root: Path) -> SoftHsm:
        """Copy the tokens, with all keys, into a folder of their own."""
        shutil.copytree(self.root, root)
        copied = SoftHsm(root)
        copied.put()
        return copied

    def empty(self) -> None:
        """Remove every token."""
        shutil.rmtree(self.tokens)
        self.tokens.mkdir()

    def initialise(self, label: str = TOKEN, pin: str = PIN) -> None:
        """Make a token."""
        words = ["--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", OFFICER_PIN]
        subprocess.run([need("softhsm2-util"), *words], check=True, capture_output=True, env=self.settings)


def make_softhsm(root: Path) -> SoftHsm:
    """Make a folder with one empty token, or say that SoftHSM2 is not here."""
    need("softhsm2-util")
    made = SoftHsm(root)
    made.tokens.mkdir(parents=True)
    made.put()
    made.initialise()
    return made


def library() -> Path:
    """Return SoftHSM2's PKCS#11 library, or say that it is not here."""
    found = next((Path(place) for place in PLACES if Path(place).exists()), None)
    return found or absent("peer 'libsofthsm2.so' is not installed")
