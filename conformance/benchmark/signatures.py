"""Raw signatures a second: what the suite costs when nothing else is done."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Self

from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import suite

if TYPE_CHECKING:
    from types import TracebackType

CORES = len(os.sched_getaffinity(0))
MESSAGE = bytes(200)
"""About as long as the signed attributes of a token."""

_signer: SoftwareSigner


def _prepare(suite_id: str) -> None:
    global _signer  # noqa: PLW0603 - the one state of a pool's process, set when it starts
    chosen = suite(suite_id)
    _signer = SoftwareSigner(chosen, generate_key(chosen))


def _sign_until(end: float) -> int:
    count = 0
    while time.monotonic() < end:
        _signer.sign(MESSAGE)
        count += 1
    return count


class RawSignatures:
    """Processes that do nothing but sign, one a core at most."""

    def __init__(self, suite_id: str, processes: int) -> None:
        self._processes = processes
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(
            processes, mp_context=context, initializer=_prepare, initargs=(suite_id,)
        )
        self.rate(0.01)

    def rate(self, seconds: float) -> float:
        """Return signatures a second of all processes together."""
        end = time.monotonic() + seconds
        counts = self._pool.map(_sign_until, [end] * self._processes)
        return sum(counts) / seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
