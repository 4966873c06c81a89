"""A real `tsa serve` that was moved to the profile `bundle`, for clients that ask over HTTP."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.interop.checks import execute
from tests.service.running import TSA, prepare, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.service.running import Service


@dataclass(frozen=True, slots=True)
class Served:
    """The service, and where its anchors are."""

    service: Service

    @property
    def anchors(self) -> Path:
        """Roots of every unit, classical and post-quantum (PEM)."""
        return self.service.folder.anchors

    @property
    def units(self) -> Path:
        """Certificates of the units and what stands above them (PEM)."""
        return self.anchors.with_name("units.pem")

    def stamp(self, request: bytes) -> tuple[bytes, bytes]:
        """Return the answer (DER) and its post-quantum twin's."""
        answer = self.service.post(request)
        answer.raise_for_status()
        (link,) = re.findall(r'<([^>]+)>; rel="related"', answer.headers["link"])
        twin = self.service.client.get(link)
        twin.raise_for_status()
        return answer.content, twin.content


@contextlib.contextmanager
def serve_bundle(folder: Path) -> Iterator[Served]:
    """Serve `classical`, then switch as an operator does."""
    prepared = prepare(folder / "data", "classical")
    with serving(prepared) as service:
        execute([TSA, "profile", "use", "bundle", "--dir", prepared.folder.root])
        yield Served(service)
