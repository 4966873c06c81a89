"""The foreign judges: whether each accepts a case, and what it says when it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.wire.pem import write_block

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conformance.interop.bouncycastle.java import BouncyCastle
    from conformance.interop.differential.cases import Case
    from conformance.interop.openssl.program import OpenSSL


@dataclass(frozen=True, slots=True)
class Opinion:
    """Whether somebody accepts a token, and why not."""

    accepted: bool
    reason: str = ""


def by_openssl(openssl: OpenSSL, folder: Path, cases: Sequence[Case]) -> list[Opinion]:
    """Let `openssl ts -verify -attime` judge every case."""
    return [_by_openssl(openssl, folder, case) for case in cases]


def _by_openssl(openssl: OpenSSL, folder: Path, case: Case) -> Opinion:
    token, anchors, helpers = (folder / name for name in ("token", "anchors.pem", "helpers.pem"))
    token.write_bytes(case.octets)
    for path, certificates in ((anchors, case.trust.anchors), (helpers, case.trust.helpers)):
        path.write_bytes(b"".join(write_block("CERTIFICATE", each.der) for each in certificates))
    words: list[str | Path] = ["ts", "-verify", "-in", token]
    words += ["-token_in"] if case.is_token else []
    words += ["-digest", case.digest.hex(), "-CAfile", anchors, "-partial_chain"]
    words += ["-untrusted", helpers] if case.trust.helpers else []
    done = openssl.run(*words, "-attime", str(case.at // 1_000_000))
    accepted = (done.returncode, done.stdout.strip()) == (0, "Verification: OK")
    lines = [line for line in done.stderr.splitlines() if ":error:" in line]
    return Opinion(accepted, " / ".join(line.split(":", 2)[-1] for line in lines[:2]) or done.stderr.strip())


def by_bouncy_castle(castle: BouncyCastle, folder: Path, cases: Sequence[Case]) -> list[Opinion]:
    """Let `Verify.java` judge every case."""
    jobs = []
    for number, case in enumerate(cases):
        files = [folder / f"{number}.{name}" for name in ("token", "anchors", "helpers")]
        files[0].write_bytes(case.octets)
        for path, certificates in zip(files[1:], (case.trust.anchors, case.trust.helpers), strict=True):
            path.write_bytes(b"".join(each.der for each in certificates))
        jobs.append("\t".join((*map(str, files), case.digest.hex(), str(case.at // 1_000_000))))
    lines = castle.run("Verify", given="\n".join(jobs)).splitlines()
    return [Opinion(line == "valid", line.removeprefix("refused: ")) for line in lines]
