"""The people of a story about seals, each with the programs and files that they have, and no others'."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import tarfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asn1crypto import cms  # type: ignore[import-untyped]

from kokuin.service.datafolder import DataFolder
from tests.peers import need
from tests.service.running import PATIENCE_S, TSA, Prepared

if TYPE_CHECKING:
    from pathlib import Path

PROFILE = """\
formats = ["pdf", "json"]
suites = ["ecdsa-p256-sha256"]
level = "B-LTA"
min_level = "B-T"

[certificate]
organisation = "株式会社青山商事"
identifier = "7000012050002"
common_name = "株式会社青山商事 電子印"
days = 730
"""
TST_INFO, TIME_STAMP = "1.2.840.113549.1.9.16.1.4", "1.2.840.113549.1.9.16.2.14"
"""Of RFC 3161: content type of a token (§2.4.2), attribute of a signature (appendix A)."""
PUBLISHED = ("ca.pem", "units.pem", "seals.pem", "log.vkey")


def tsa(*words: object, cwd: Path, code: int = 0) -> str:
    """Run the command as a person does; return what it printed on standard output."""
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("TSA_")}
    command = [str(TSA), *map(str, words)]
    done = subprocess.run(
        command, cwd=cwd, env={**quiet, "TSA_LANG": "en"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, (command, done.stdout, done.stderr)
    return done.stdout.strip()


def curl(*words: object, cwd: Path) -> bytes:
    """Run curl; an answer of 4xx or 5xx is a failure."""
    done = subprocess.run(
        [need("curl"), "-fsS", "--noproxy", "*", *map(str, words)], cwd=cwd, capture_output=True, check=False
    )
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


@dataclass(frozen=True)
class Operator:
    """Runs the service in a folder `data` of its own."""

    home: Path

    def begin(self) -> Prepared:
        """Make the data folder."""
        tsa("init", "--dir", "data", cwd=self.home)
        return Prepared(DataFolder(self.home / "data"), "")

    def run(self, *words: object) -> str:
        """Run a command of the owner."""
        return tsa(*words, "--dir", "data", cwd=self.home)

    def credential(self, tenant: str, name: str, role: str, into: Path) -> None:
        """Make a client with one role, and hand its key over."""
        client = self.run("client", "add", tenant, name, "--role", role)
        self.run("key", "create", client, "--valid-days", "30", "-o", into)

    def organisation(self, name: str) -> str:
        """Make a tenant that can seal; return its pseudonym."""
        tenant = self.run("tenant", "add", name)
        (self.home / "seal.toml").write_text(PROFILE, encoding="utf-8")
        self.run("seal-profile", "add", "main", "seal.toml", "--tenant", tenant)
        return tenant


@dataclass(frozen=True)
class Documents:
    """A document system: documents, a key, and the address of the service."""

    home: Path
    url: str

    def ask(self, path: str, *words: object) -> bytes:
        """Ask the service with the key, which stands on no command line."""
        field = self.home / "field"
        field.write_text(f"Authorization: Bearer {(self.home / 'key').read_text().strip()}")
        return curl("-H", f"@{field}", *words, f"{self.url}{path}", cwd=self.home)

    def stamp(self, name: str) -> None:
        """Have a file time-stamped."""
        (self.home / name).write_text(name)
        tsa("stamp", name, "--url", f"{self.url}/tsa", "--key-file", "key", cwd=self.home)

    def seal(self, path: str, name: str, kind: str, into: str, idempotency: str) -> dict[str, str]:
        """Send a document; keep it as it comes back; return the fields of the answer."""
        words = ["-H", f"Content-Type: {kind}", "-H", f"Idempotency-Key: {idempotency}"]
        self.ask(path, *words, "--data-binary", f"@{name}", "-D", "headers", "-o", into)
        lines = (self.home / "headers").read_text().splitlines()[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines) if value}


@dataclass(frozen=True)
class Auditor:
    """Has a key to read the ledger, what the operator published, and what others hand over."""

    home: Path
    url: str

    def collect(self) -> None:
        """Fetch what the operator publishes."""
        (self.home / "published").mkdir()
        for name in PUBLISHED:
            curl(f"{self.url}/trust/{name}", "-o", f"published/{name}", cwd=self.home)

    def wait_for(self, record: str) -> None:
        """Wait until a checkpoint covers a seal's record."""
        deadline = time.monotonic() + PATIENCE_S
        search = Documents(self.home, self.url)
        while True:
            found = json.loads(search.ask("/api/v1/ledger/records?kind=seal.issued"))["records"]
            covered = json.loads(curl(f"{self.url}/api/v1/ledger/checkpoint", cwd=self.home)).get("size", 0)
            if any(each["leaf"]["id"] == record and each["index"] < covered for each in found):
                return
            assert time.monotonic() < deadline, (record, covered, found)
            time.sleep(0.2)

    def fetch(self, into: str, *period: str) -> None:
        """Fetch a bundle of the ledger."""
        tsa("ledger", "fetch", self.url, "-o", into, "--key-file", "key", *period, cwd=self.home)


def records_of(bundle: Path) -> dict[int, dict[str, Any]]:
    """Read the records of a bundle by index, as docs/bundle.md has them."""
    found = {}
    with tarfile.open(bundle) as tar:
        for name in tar.getnames():
            file = tar.extractfile(name)
            assert file is not None
            if re.fullmatch(r"chunk/\d+/records", name):
                for line in file.read().splitlines():
                    index, _, leaf = line.partition(b" ")
                    found[int(index)] = json.loads(leaf)
    return found


def stamps_of_pdf(document: bytes) -> list[tuple[bytes, bytes]]:
    """Return the time-stamps of a sealed PDF, and what each covers, read by hand."""
    found = []
    for ranges in re.finditer(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]", document):
        start, length, later, rest = map(int, ranges.groups())
        octets = bytes.fromhex(document[start + length + 1 : later - 1].decode())
        content = cms.ContentInfo.load(octets)
        (signer,) = content["content"]["signer_infos"]
        if content["content"]["encap_content_info"]["content_type"].dotted == TST_INFO:
            covered = document[start : start + length] + document[later : later + rest]
            found.append((content.dump(), covered))
            continue
        for attribute in signer["unsigned_attrs"]:
            if attribute["type"].dotted == TIME_STAMP:
                token = attribute["values"][0].dump()
                found.append((token, signer["signature"].native))
    return found


def bare(token: bytes) -> bytes:
    """Return a token as the ledger knows it, without its unsigned attributes (RFC 5652 §5.3)."""
    content = cms.ContentInfo.load(token)
    (signer,) = content["content"]["signer_infos"]
    del signer["unsigned_attrs"]
    return bytes(content.dump(force=True))


def stamps_of_json(document: bytes) -> list[tuple[bytes, bytes]]:
    """Return the signature time-stamps of a JWS, and what each covers (TS 119 182-1 §5.3.4)."""
    jws = json.loads(document)
    covered = jws["signature"].encode("ascii")
    found = []
    for each in jws["header"]["etsiU"]:
        member = json.loads(base64.urlsafe_b64decode(each + "=" * (-len(each) % 4)))
        tokens = member.get("sigTst", {}).get("tstTokens", ())
        found += [(base64.b64decode(token["val"]), covered) for token in tokens]
    return found
