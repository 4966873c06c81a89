"""Structured logs on standard error: one JSON object a line, or coloured text on a terminal.

Nothing that a client sent is logged but sizes and codes, and never a secret.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson
import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

GATHER_SECONDS = 0.05
"""How long a line below warning may wait for others to be written with it."""
GATHER_LINES = 4096
"""How many lines may wait; whoever logs one more writes them all, however slow the log's reader is."""
WHOLE_OCTETS = 4096
"""What one write(2) puts into a pipe in one piece (PIPE_BUF, pipe(7))."""
_Filter: Any = structlog.make_filtering_bound_logger(20)
"""structlog's logger of INFO and above."""


def configure_logs(role: str) -> None:
    """Send every log line of this process to standard error with its role and pid."""
    structlog.contextvars.clear_contextvars()
    bound: dict[str, str | int] = {"role": role, "pid": os.getpid()}
    if sys.stderr.isatty():
        logger, processors = _Filter, _terminal(bound)
        output: Any = structlog.PrintLogger(sys.stderr)
    else:
        logger, processors = _Logger, [_Renderer(bound)]
        output = LineWriter(open(sys.stderr.fileno(), "wb", buffering=0, closefd=False))  # noqa: SIM115  # kept
        atexit.register(flush_logs)
    structlog.configure(
        processors=processors,
        wrapper_class=logger,
        logger_factory=lambda *_: output,
        cache_logger_on_first_use=True,
    )


def flush_logs() -> None:
    """Write every line that waits; `os._exit` does not do that."""
    output = structlog.get_config()["logger_factory"]()
    if isinstance(output, LineWriter):
        output.flush()


def _terminal(bound: dict[str, str | int]) -> list[Any]:
    def add_process(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.update(bound)
        return event

    return [
        add_process,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.dev.ConsoleRenderer(),
    ]


class _Logger(_Filter):  # type: ignore[misc]  # structlog makes its logger's class at run time
    """structlog's own logger but for `info`, which needs no chain: half of what a token's line costs."""

    def info(self, event: str, **fields: Any) -> None:
        (render,) = self._processors
        self._logger.info(render(self._logger, "info", {**self._context, **fields, "event": event}))


class _Renderer:
    """All that is done to a line in one processor: a line is written for every token."""

    def __init__(self, bound: dict[str, str | int]) -> None:
        self._bound = bound

    def __call__(self, logger: Any, level: str, event: MutableMapping[str, Any]) -> bytes:
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(logger, level, event)
        seconds, microseconds = divmod(time.time_ns() // 1_000, 1_000_000)
        event["timestamp"] = f"{_second(seconds)}.{microseconds:06d}Z"
        event["level"] = level
        event.update(self._bound)
        return orjson.dumps(event, default=repr, option=orjson.OPT_APPEND_NEWLINE)


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class LineWriter:
    """A structlog logger whose lines are written together by a thread of its own.

    A system call for every token's line would hand the interpreter to another thread every time. A
    warning, and all before it, is written at once. A process that is killed takes `GATHER_SECONDS` of
    lines with it: what must survive that is in the ledger.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines: deque[bytes] = deque()
        self._waiting = threading.Event()
        self._writing = threading.Lock()
        threading.Thread(target=self._run, name="log-writer", daemon=True).start()

    def info(self, line: bytes) -> None:
        """Take a line that may wait."""
        self._lines.append(line)
        if not self._waiting.is_set():
            self._waiting.set()
        elif len(self._lines) > GATHER_LINES:
            self.flush()

    def warning(self, line: bytes) -> None:
        """Write a line now."""
        self._lines.append(line)
        self.flush()

    error = critical = warning

    def flush(self) -> None:
        """Write what waits, in the order in which it was logged, and no line in two pieces.

        All processes of a service share one log: what is longer than `WHOLE_OCTETS` may be cut by another's.
        """
        with self._writing:
            piece = b""
            while self._lines:
                line = self._lines.popleft()
                if piece and len(piece) + len(line) > WHOLE_OCTETS:
                    self._write(piece)
                    piece = b""
                piece += line
            if piece:
                self._write(piece)

    def _write(self, piece: bytes) -> None:
        # A full disk under the log costs lines, never an answer.
        with contextlib.suppress(OSError):
            self._file.write(piece)
            self._file.flush()

    def _run(self) -> None:
        while self._waiting.wait():
            time.sleep(GATHER_SECONDS)
            # Lowered before the queue is emptied: a line that comes meanwhile is seen in the next turn.
            self._waiting.clear()
            self.flush()
