"""What a trial measures of one profile, summed while it runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Sums:
    """What was measured of one profile.

    Attributes:
        asked: requests made.
        refused: by the code of the refusal.
        seconds: spent issuing.
        latencies: from each request to its durable token, seconds.
        token_octets: of all tokens as they leave. `kept_octets`: as the ledger keeps them.
        leaf_octets: of all leaves. `largest`: of the largest response.
        archives: archive time-stamps that were made before tokens left. `archive_octets`: of one that is made
            over tokens, before or after; 0: none is.
        verify_seconds: spent judging.
        verified: tokens judged. `passed`: of these, PASSED.
        faults: why tokens did not pass, or were not what was asked for, by code.
        shortened: time was up before the requests were.
    """

    asked: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    token_octets: int = 0
    kept_octets: int = 0
    leaf_octets: int = 0
    largest: int = 0
    archives: int = 0
    archive_octets: int = 0
    verify_seconds: float = 0.0
    verified: int = 0
    passed: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    shortened: bool = False
