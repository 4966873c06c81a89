"""What every peer gets: a folder of this run, our artefacts in it, and a served authority."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.interop import artefacts
from conformance.interop.served import serve_bundle

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from conformance.interop.artefacts import Artefacts
    from conformance.interop.served import Served


@dataclass(frozen=True)
class Place:
    """A folder that ends with the run; what is costly is made when somebody first asks for it."""

    folder: Path
    stack: ExitStack

    def artefacts(self, suite_id: str) -> Artefacts:
        """Return what we made with a suite."""
        base = self.folder / "artefacts"
        base.mkdir(exist_ok=True)
        return artefacts.make(base, suite_id)

    def own(self, peer: str) -> Path:
        """Return a folder for what a peer makes."""
        folder = self.folder / peer
        folder.mkdir(exist_ok=True)
        return folder

    @functools.cached_property
    def served(self) -> Served:
        """A real `tsa serve` whose default profile is `bundle`."""
        return self.stack.enter_context(serve_bundle(self.own("served")))
