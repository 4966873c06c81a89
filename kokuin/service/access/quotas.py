"""How much a client may do, and how often an address may be wrong.

A client's rate is a token bucket in each worker; what it may do in a day is counted by the keeper, which says
when it is used up. Wrong credentials count against the address that they come from, never against a client:
nobody can lock a client out by guessing at its key.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from kokuin.service.access.denials import Denial, DenialCode
from kokuin.service.access.peers import read_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kokuin.service.access.table import Client

MAX_ADDRESSES = 4096
"""Addresses that a worker remembers as wrong; the one that was wrong longest ago is forgotten first."""
_DAY_S = 86_400
_IPV6_SITE_BITS = 64
"""One customer's, who has 2^64 addresses of it to be wrong from."""


class _Bucket:
    """Tokens that come at a rate and are saved up to a depth."""

    __slots__ = ("_depth", "_level", "_rate", "_since")

    def __init__(self, rate: float, depth: float, now: float) -> None:
        """Args: tokens a second, how many are saved up at most, and the moment, seconds; it begins full."""
        self._rate, self._depth = rate, depth
        self._level, self._since = depth, now

    def is_like(self, rate: float, depth: float) -> bool:
        """Say whether it has this rate and depth."""
        return (self._rate, self._depth) == (rate, depth)

    def missing_s(self, wanted: float, now: float) -> float:
        """Return the seconds until so many tokens are there, 0 when they are."""
        self._level = min(self._depth, self._level + max(0.0, now - self._since) * self._rate)
        self._since = now
        return max(0.0, wanted - self._level) / self._rate

    def take(self, wanted: float) -> None:
        """Take tokens, as many as there are; `missing_s` was asked before."""
        self._level = max(0.0, self._level - wanted)


class Quotas:
    """What every client of this worker has left."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._clients: dict[str, Client] = {}
        self._buckets: dict[str, _Bucket] = {}
        self._exhausted: frozenset[str] = frozenset()
        self._used: dict[str, int] = {}

    def install(self, clients: Iterable[Client], exhausted: frozenset[str]) -> None:
        """Count by these clients' quotas from now on; a bucket stays as it is while its rate does."""
        now = self._monotonic()
        self._clients = {client.id: client for client in clients}
        self._exhausted = exhausted
        former, self._buckets = self._buckets, {}
        for client in self._clients.values():
            if client.rate is not None:
                kept = former.get(client.id)
                if kept is None or not kept.is_like(client.rate, client.burst):
                    kept = _Bucket(client.rate, client.burst, now)
                self._buckets[client.id] = kept

    def spend(self, client_id: str, acts: int) -> Denial | None:
        """Take acts from a client's quotas, all or none; whoever is no client has none to keep."""
        client = self._clients.get(client_id)
        if client is None:
            return None
        if client_id in self._exhausted:
            return Denial(DenialCode.QUOTA_EXCEEDED, client.tenant, _until_midnight_s())
        bucket = self._buckets.get(client_id)
        if bucket is not None:
            missing_s = bucket.missing_s(acts, self._monotonic())
            if missing_s > 0:
                return Denial(DenialCode.RATE_EXCEEDED, client.tenant, max(1, math.ceil(missing_s)))
            bucket.take(acts)
        self.used(client_id, acts)
        return None

    def used(self, client_id: str, acts: int) -> None:
        """Count acts for the next report."""
        self._used[client_id] = self._used.get(client_id, 0) + acts

    def drain_used(self) -> dict[str, int]:
        """Return the acts by client since the last call."""
        used, self._used = self._used, {}
        return used


def _until_midnight_s() -> int:
    return _DAY_S - int(time.time()) % _DAY_S


class FailureThrottle:
    """Wrong credentials by the block of addresses they come from: IPv4 /32, IPv6 /64."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Args: how many are borne a minute, and at once; the clock, seconds."""
        self._per_minute, self._monotonic = per_minute, monotonic
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        """How many blocks of addresses are remembered."""
        return len(self._buckets)

    def wait_s(self, address: str) -> int | None:
        """Return for how many seconds nothing is believed from an address; None: it may try."""
        bucket = self._buckets.get(_block(address)) if self._buckets else None
        missing_s = 0.0 if bucket is None else bucket.missing_s(1, self._monotonic())
        return max(1, math.ceil(missing_s)) if missing_s > 0 else None

    def fail(self, address: str) -> None:
        """Note a wrong credential."""
        block, now = _block(address), self._monotonic()
        bucket = self._buckets.pop(block, None) or _Bucket(self._per_minute / 60, self._per_minute, now)
        bucket.missing_s(1, now)
        bucket.take(1)
        self._buckets[block] = bucket
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)


def _block(address: str) -> str:
    found = read_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(int(found) >> (128 - _IPV6_SITE_BITS))
    return "" if found is None else str(found)
