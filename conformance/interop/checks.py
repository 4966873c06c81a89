"""One exchange with a foreign program, and how it is told that it went wrong."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

SECONDS = 300
"""What one foreign program may take: some are slow, and machines are busy."""


class AbsentError(RuntimeError):
    """This peer cannot be had here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Check:
    """One exchange.

    Attributes:
        label: who does what with what, in one line.
        run: raises AssertionError, ValueError or CalledProcessError when the two sides disagree, and
            `AbsentError` when this peer cannot take part.
    """

    label: str
    run: Callable[[], None]


def execute(
    words: Sequence[str | Path],
    *,
    given: str | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program and return what it prints.

    Args:
        words: the program and its arguments.
        given: its standard input.
        folder: where it runs.
        environment: instead of ours.

    Raises:
        subprocess.CalledProcessError: it refused; its reason is in `stderr`.
    """
    return subprocess.run(
        [str(word) for word in words],
        check=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        input=given,
        cwd=folder,
        env=environment,
    ).stdout
