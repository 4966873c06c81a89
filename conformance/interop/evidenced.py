"""A token of a real `tsa serve` and the evidence record that it gives out, for foreign programs to judge."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.interop.checks import execute
from tests.service.asking import granted, imprint, query, serial_of
from tests.service.running import TSA, prepare, serving

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Service

DATA = b"a letter"
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Evidenced:
    """A token over `DATA` and its record, whose group has the document; and the folder of the service."""

    token: bytes
    record: bytes
    folder: DataFolder


def stamp_with_evidence(
    folder: Path, profiles: Mapping[str, tuple[str, int, str]] | None = None
) -> Evidenced:
    """Serve the profile `hybrid`, or the last of an operator's own, and have something stamped.

    Args:
        folder: a new one.
        profiles: by their names suite, days of the certificate, and what else stands there.
    """
    prepared = prepare(folder / "service", "hybrid")
    _add_profiles(prepared.folder, profiles or {})
    with serving(prepared) as service:
        for name in list(profiles or ())[-1:]:
            execute([TSA, "profile", "use", name, "--dir", prepared.folder.root])
        return Evidenced(*_stamp(service), prepared.folder)


def _add_profiles(data: DataFolder, profiles: Mapping[str, tuple[str, int, str]]) -> None:
    data.profiles.mkdir(exist_ok=True)
    for arc, (name, (suite_id, days, more)) in enumerate(profiles.items(), 1000):
        text = f"""
            arc = {arc}
            tst = "{suite_id}"
            certificate = "{suite_id}"
            envelope = "ml-kem-768-cms"
            imprints = ["sha256", "sha512"]
            accuracy_ms = 1000
            key_days = 365
            certificate_days = {days}
            {more}
        """
        (data.profiles / f"{name}.toml").write_text(text)


def _stamp(service: Service) -> tuple[bytes, bytes]:
    """Return a token over the data, and its record as soon as it is there."""
    digest = base64.b64encode(hashlib.sha512(DATA).digest()).decode()
    body = query(message_imprint=imprint("sha256", hashlib.sha256(DATA).digest()))
    answer = service.post(body, document_digest=f"sha-512=:{digest}:")
    deadline = time.monotonic() + PATIENCE_S
    path = f"/api/v1/evidence/{serial_of(answer.content)}"
    while (found := service.client.get(path)).status_code == 409:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert found.status_code == 200, found.text
    return granted(answer.content).dump(), found.content
