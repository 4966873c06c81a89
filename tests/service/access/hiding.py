"""Looking for secrets in whatever was written, also cut short or spelt otherwise; and in the process list."""

from __future__ import annotations

import base64
import contextlib
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

WINDOW = 16
"""Characters of a secret that are too many, wherever they stand: 96 of its 256 bits."""
PAUSE_S = 0.1
"""Between two looks at all command lines that nobody asked for."""


def hidden_part(secret: str) -> str:
    """Return what of a credential nobody else may know: its id, header and claims may be seen."""
    if secret.startswith("kokuin_"):
        return secret.split("_", 2)[2]
    return secret.rpartition(".")[2]


def disguises(secret: str) -> Iterator[bytes]:
    """Yield what a search must look for: beginning, end and whole, in every spelling that programs write."""
    hidden = hidden_part(secret).encode()
    for piece in (hidden[:WINDOW], hidden[-WINDOW:]):
        yield piece
        yield piece.decode().encode("utf-16-le")
        yield piece.hex().encode()
        yield piece.hex().upper().encode()
        yield b"".join(b"%%%02X" % octet for octet in piece)
        for shift in range(3):
            # Inside of a longer text: the groups that hold nothing else.
            whole = base64.b64encode(b"\0" * shift + piece)[4 if shift else 0 : -4]
            yield whole
            yield whole.replace(b"+", b"-").replace(b"/", b"_")


@dataclass
class Written:
    """Everything that was written, by place."""

    places: dict[str, bytes] = field(default_factory=dict)

    def add(self, place: str, octets: bytes | str) -> None:
        """Keep what stands at a place; what stood there before stays."""
        more = octets.encode("utf-8", "surrogateescape") if isinstance(octets, str) else octets
        self.places[place] = self.places.get(place, b"") + b"\n" + more

    def add_folder(self, name: str, root: Path, *without: str) -> None:
        """Keep the octets of every file of a folder, but those below the folders that are named."""
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root)
            if path.is_file() and relative.parts[0] not in without:
                with contextlib.suppress(FileNotFoundError):  # written beside its name, and renamed since
                    self.add(f"{name}/{relative}", path.read_bytes())

    def holding(self, *needles: bytes) -> set[str]:
        """Return the places that hold one of some needles."""
        return {place for place, octets in self.places.items() if any(each in octets for each in needles)}


def found(written: Written, secrets: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the places that hold each secret."""
    return {name: written.holding(*disguises(secret)) for name, secret in secrets.items()}


class ProcessWatch:
    """Reads the command lines of all processes, over and over, as everybody on the machine could."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ending.wait(PAUSE_S):
            self.look()

    def look(self) -> None:
        """Read the command line of every process that there is now; any thread may."""
        for process in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208  # ten times a second
            line = f"/proc/{process}/cmdline"
            with (
                contextlib.suppress(OSError),  # it ended meanwhile
                open(line, "rb", buffering=0) as file,  # noqa: PTH123  # no path for each, likewise
            ):
                self.seen.add(file.read())
