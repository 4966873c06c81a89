"""The pool of random octets: nothing is given out twice."""

from __future__ import annotations

import os
import threading

import pytest

from pqc.randomness import PORTION, RandomPool


def test_octets_are_taken_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    portions = iter([bytes([number]) * PORTION for number in range(3)])
    monkeypatch.setattr(os, "urandom", lambda _: next(portions))
    pool = RandomPool()
    taken = [pool.take(PORTION // 2 + 1) for _ in range(3)]
    assert [set(piece) for piece in taken] == [{0}, {1}, {2}], "a piece never joins two portions"


def test_threads_share_a_pool_without_sharing_octets() -> None:
    pool = RandomPool()
    taken: list[bytes] = []

    def take() -> None:
        taken.extend(pool.take(16) for _ in range(5_000))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 20_000


@pytest.mark.filterwarnings("ignore:This process")  # Python 3.12 warns of forks beside threads
def test_a_forked_child_does_not_repeat_its_parents_octets() -> None:
    pool = RandomPool()
    pool.take(16)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, pool.take(16))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 16) != pool.take(16)
