"""Standard output: the one place where it turns out that it cannot be written, whatever the command."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

from kokuin.cli.outcome import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NOBODY_READS = 141
"""As a shell says of a program that ended by SIGPIPE: whoever read our output has heard enough."""


class OutputError(Exception):
    """Standard output cannot be written; no OSError, which a command would take for one of its own files.

    Attributes:
        cause: what the system said.
    """

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Output:
    """A stream, of text or octets, whose failures are told from those of other files."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def buffer(self) -> _Output:
        return _Output(self._stream.buffer)

    def write(self, what: Any) -> Any:
        try:
            return self._stream.write(what)
        except OSError as error:
            raise OutputError(error) from error

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise OutputError(error) from error


def run_heard(command: Callable[[], int], words: Sequence[str]) -> int:
    """Run a command and see what it wrote out; return its exit code, or why nobody heard it.

    Args:
        command: writes to `sys.stdout`; may end by `SystemExit`, as `--help` does.
        words: of the command line, from which the complaint takes the command's name and language.
    """
    if sys.stdout is None:  # closed by whoever started us: the exit code says enough
        sys.stdout = io.TextIOWrapper(io.BytesIO())
    stream = sys.stdout
    sys.stdout = cast("TextIO", _Output(stream))
    try:
        try:
            return command()
        finally:
            # Now, and not when the interpreter ends, which would make an exit code of its own of a failure.
            sys.stdout.flush()
    except OutputError as error:
        # What is left can be written nowhere, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return _unheard(error.cause, words)
    finally:
        sys.stdout = stream


def _unheard(cause: OSError, words: Sequence[str]) -> int:
    if isinstance(cause, BrokenPipeError):
        return _NOBODY_READS
    from kokuin.cli.messages import language_of, text

    sentence = text(language_of(words), "cli.output", reason=cause.strerror)
    name = " ".join(("tsa", *(word for word in words[:1] if not word.startswith("-"))))
    with contextlib.suppress(OSError):  # standard error may be on the same disk
        print(f"{name}: {sentence}", file=sys.stderr)
    return Exit.USAGE
