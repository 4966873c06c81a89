"""From when until when a client, a key or a binding counts."""

from __future__ import annotations


def is_valid(begins_us: int | None, ends_us: int | None, now_us: int) -> bool:
    """Say whether a moment lies within a period.

    Args:
        begins_us: its first moment, microseconds since 1970 UTC; None: it has no beginning.
        ends_us: the first moment after it, likewise.
        now_us: the moment.
    """
    return (begins_us is None or begins_us <= now_us) and (ends_us is None or now_us < ends_us)
