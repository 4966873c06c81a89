"""The files of a batch worked at in several processes, and what came of them in the order of the files."""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, TypeVar

from kokuin.verify.batch_judge import judge_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from kokuin.verify.batch_items import Item
    from kokuin.verify.batch_judge import Outcome, Terms

_Done = TypeVar("_Done")


class KilledError(RuntimeError):
    """A process that works was killed: by somebody, or by a system that is short of memory."""


CHUNK = 128
"""Files that a process is given at a time."""
AHEAD = 3
"""Chunks for each process that are under way or wait for an earlier one."""


def judge_all(items: Iterable[Item], terms: Terms, jobs: int) -> Iterator[list[Outcome]]:
    """Yield the outcomes of files, chunk by chunk, in their order; a single chunk is judged right here.

    Args:
        items: the files; they are asked for as they are needed.
        terms: by what they are judged.
        jobs: how many processes judge.

    Raises:
        FaultError: as `judge_item`.
        KilledError: as `work_all`.
        OSError: from `items`.
    """
    return work_all(items, functools.partial(judge_item, terms=terms), jobs)


def work_all(items: Iterable[Item], work: Callable[[Item], _Done], jobs: int) -> Iterator[list[_Done]]:
    """Yield what came of files, chunk by chunk, in their order; a single chunk is worked at right here.

    Args:
        items: as `judge_all`.
        work: for one file; it can be sent to another process, once.
        jobs: how many processes work.

    Raises:
        KilledError: a process was killed.
        OSError: from `items`; and what `work` raises.
    """
    rest = iter(items)
    chunks = iter(lambda: list(itertools.islice(rest, CHUNK)), [])
    first = list(itertools.islice(chunks, 2))
    chunks = itertools.chain(first, chunks)
    if jobs == 1 or len(first) < 2:
        for chunk in chunks:
            yield [work(item) for item in chunk]
        return
    yield from _in_processes(chunks, work, jobs)


def _in_processes(
    chunks: Iterator[list[Item]], work: Callable[[Item], _Done], jobs: int
) -> Iterator[list[_Done]]:
    # Started anew and not forked: whoever calls may have threads.
    pool = ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(pickle.dumps(work),),
    )
    # With its first process the library starts another one, and hears Ctrl-C again while it goes on.
    resource_tracker.ensure_running()
    try:
        waiting: deque[Future[list[_Done]]] = deque()
        for chunk in chunks:
            waiting.append(_submit(pool, chunk))
            if len(waiting) == jobs * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise KilledError from None
    finally:
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, chunk: list[Item]) -> Future[list[Any]]:
    """Give a chunk to the pool, which may start a process for it: one that never hears Ctrl-C.

    Crash point: until `_begin` a process would answer it with a traceback. What is blocked here, it inherits.
    """
    if os.name != "posix":
        return pool.submit(_work_at, chunk)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(_work_at, chunk)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_work: list[Callable[[Item], Any]] = []
"""In a process that works: what it does with a file."""


def _begin(work: bytes) -> None:
    """Prepare a process that works."""
    # The parent hears Ctrl-C as well, and stops its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _work.append(pickle.loads(work))  # noqa: S301  # by our parent, over its own pipe


def _end_with_parent() -> None:
    """Crash point: a parent killed with SIGKILL tells nobody, and its children would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work_at(chunk: list[Item]) -> list[Any]:
    return [_work[0](item) for item in chunk]
