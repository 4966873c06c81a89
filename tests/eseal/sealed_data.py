"""Data in memory as `eseal.values.Content`."""

from __future__ import annotations

from kokuin.wire.algorithms import DIGEST_BY_NAME


class Data:
    """Octets beside, or within, a seal."""

    def __init__(self, octets: bytes) -> None:
        self.held = octets

    def __call__(self, algorithm: str, /) -> bytes:
        return DIGEST_BY_NAME[algorithm].of(self.held)

    def octets(self, most: int) -> bytes | None:
        return self.held if len(self.held) <= most else None
