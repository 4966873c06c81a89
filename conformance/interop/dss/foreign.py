"""`tsa verify` judges what EU DSS seals: PAdES, JAdES and CAdES at every level, raised, and damaged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from conformance.interop.checks import Check
from conformance.interop.dss.authority import write_pki
from eseal.values import Level
from kokuin.trust.context import Context
from kokuin.trust.report import Indication
from kokuin.verify.verifying import verify_bytes
from tests.eseal import pki
from tests.eseal.pdf.plain import compressed_pages, pages
from tests.eseal.sealed_data import Data

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conformance.interop.dss.library import Dss
    from kokuin.trust.anchors import TrustStore
    from kokuin.trust.report import Report

JSON = '{"name":"試験株式会社","total":1200.5}'.encode()
LATER_US = 3_600 * 1_000_000
"""After the run: the stamps of EU DSS are of the clock."""
GENERAL, FLATTENED, DETACHED = "JSON_SERIALIZATION", "FLATTENED_JSON_SERIALIZATION", "detached"
OPTIONS = {
    pki.P256: (),
    pki.P384: ("SHA384",),
    pki.RSA: (),
    pki.PSS: ("pss",),
    pki.ED25519: ("SHA512",),
}
"""What `Makes` is told by the suite of a key."""
KINDS = {
    "PAdES": ("PAdES", "plain.pdf", ()),
    "PAdES over object streams": ("PAdES", "packed.pdf", ()),
    "certifying PAdES": ("PAdES", "plain.pdf", ("certify",)),
    "CAdES": ("CAdES", "data.json", ()),
    "detached CAdES": ("CAdES", "data.json", (DETACHED,)),
    "flattened JAdES": ("JAdES", "data.json", (FLATTENED,)),
    "general JAdES": ("JAdES", "data.json", (GENERAL,)),
    "JAdES with its payload as it is": ("JAdES", "data.json", (FLATTENED, "bare")),
    "JAdES beside data by its name": ("JAdES", "data.json", (FLATTENED, DETACHED, "OBJECT_ID_BY_URI")),
    "JAdES beside data by its digest": ("JAdES", "data.json", (FLATTENED, DETACHED, "OBJECT_ID_BY_URI_HASH")),
    "JAdES beside data": ("JAdES", "data.json", (FLATTENED, DETACHED, "NO_SIG_D")),
}
"""Form, document and options of what it makes."""


@dataclass(frozen=True)
class Maker:
    """EU DSS with keys and certificates.

    Attributes:
        dss: its programs.
        folder: with all that they need.
        trust: the root of the certificates.
    """

    dss: Dss
    folder: Path
    trust: TrustStore

    def make(self, *orders: tuple[str, str, str, tuple[str, ...]]) -> list[bytes]:
        """Let it seal.

        Args:
            orders: each the name of a file, or the number of an earlier order whose result is sealed again or
                raised; the suite of the key, or "none"; format and level; options.

        Raises:
            subprocess.CalledProcessError: it refused.
        """
        words = []
        for number, (document, key, level, options) in enumerate(orders):
            paths = (str(self.folder / f"{number}"), str(self.folder / document))
            words.append(",".join((*paths, key, level, *options)))
        self.dss.make(self.folder, *words)
        return [(self.folder / str(number)).read_bytes() for number in range(len(orders))]

    def judge(self, sealed: bytes, beside: bytes | None = None) -> Report:
        """Say what we find."""
        content = None if beside is None else Data(beside)
        return verify_bytes(sealed, Context(pki.NOW_US + LATER_US, self.trust, content=content))

    def passes(self, sealed: bytes, *levels: Level, beside: bytes | None = None) -> None:
        """Raises AssertionError: it does not pass, or its seals are of other levels."""
        report = self.judge(sealed, beside)
        assert report.indication is Indication.PASSED, report
        assert [part.subject["level"] for part in report.parts] == list(levels), report


def checks(judge: Dss, folder: Path) -> Iterator[Check]:
    """Yield what is held.

    Args:
        judge: EU DSS.
        folder: a new one.
    """
    maker = Maker(judge, folder, write_pki(folder))
    (folder / "plain.pdf").write_bytes(pages(2))
    (folder / "packed.pdf").write_bytes(compressed_pages())
    (folder / "data.json").write_bytes(JSON)
    for name in KINDS:
        yield Check(f"we pass its {name} at every level, none damaged", partial(_levels, maker, name))
    for suite_id in OPTIONS:
        yield Check(f"{suite_id}: we pass its seals", partial(_suite, maker, suite_id))
    yield Check("we pass its compact JAdES, and a clear etsiU", partial(_json, maker))
    for name in ("PAdES", "CAdES", "general JAdES"):
        yield Check(f"we pass its {name} raised, sealed again, and renewed", partial(_raised, maker, name))


def _level(form: str, level: Level) -> str:
    return f"{form}-BASELINE-{level.removeprefix('B-')}"


def _levels(maker: Maker, name: str) -> None:
    form, document, options = KINDS[name]
    sealed = maker.make(*((document, pki.P256, _level(form, level), options) for level in Level))
    beside = JSON if DETACHED in options else None
    for level, each in zip(Level, sealed, strict=True):
        maker.passes(each, level, beside=beside)
        _fails_damaged(maker, name, each)


def _fails_damaged(maker: Maker, name: str, sealed: bytes) -> None:
    """One octet of what is sealed differs."""
    form, document, options = KINDS[name]
    if DETACHED in options:
        report = maker.judge(sealed, JSON + b" ")
    elif form == "PAdES":
        report = maker.judge(_flipped(sealed, len((maker.folder / document).read_bytes()) // 2))
    elif form == "CAdES":
        report = maker.judge(_flipped(sealed, sealed.index(JSON)))
    else:
        report = maker.judge(_with_other_payload(sealed))
    assert report.indication is Indication.FAILED, report


def _flipped(octets: bytes, at: int) -> bytes:
    changed = bytearray(octets)
    changed[at] ^= 1
    return bytes(changed)


def _with_other_payload(sealed: bytes) -> bytes:
    document = json.loads(sealed)
    document["payload"] = document["payload"][::-1]
    return json.dumps(document).encode()


def _suite(maker: Maker, suite_id: str) -> None:
    orders = []
    for name in ("PAdES", "CAdES", "flattened JAdES"):
        form, document, options = KINDS[name]
        orders.append((document, suite_id, _level(form, Level.B_LTA), (*options, *OPTIONS[suite_id])))
    for each in maker.make(*orders):
        maker.passes(each, Level.B_LTA)


def _json(maker: Maker) -> None:
    """In clear form it goes no higher than B-LT."""
    levels = (Level.B_B, Level.B_T, Level.B_LT)
    clear = [("data.json", pki.P256, _level("JAdES", level), (GENERAL, "clear")) for level in levels]
    compact = ("data.json", pki.P256, _level("JAdES", Level.B_B), ("COMPACT_SERIALIZATION",))
    for level, each in zip((Level.B_B, *levels), maker.make(compact, *clear), strict=True):
        maker.passes(each, level)


def _raised(maker: Maker, name: str) -> None:
    form, document, options = KINDS[name]
    lta = _level(form, Level.B_LTA)
    orders = [(document, pki.P256, _level(form, Level.B_B), options)]
    raises = (Level.B_T, Level.B_LT, Level.B_LTA, Level.B_LTA)
    orders += [(str(at), "none", _level(form, level), options) for at, level in enumerate(raises)]
    again = (*options, *OPTIONS[pki.P384], *(("parallel",) if form == "CAdES" else ()))
    orders.append((str(len(raises)), pki.P384, lta, again))
    orders.append((str(len(raises) + 1), "none", lta, options))
    *single, both, renewed = maker.make(*orders)
    for level, each in zip((Level.B_B, *raises), single, strict=True):
        maker.passes(each, level)
    for each in (both, renewed):
        maker.passes(each, Level.B_LTA, Level.B_LTA)
