"""A Python program that waits where it opens one file: a test meets it there, however busy the machine is.

A program that is to be killed in its middle could else be through before the test sees that it has begun.
"""

from __future__ import annotations

import os
from pathlib import Path

_TOP = Path(__file__).parents[1]
# Python runs `sitecustomize` before the program, and in every process that the program starts.
_HOOK = """
import os, sys, time

def wait(event, details):
    if event == "open" and not isinstance(details[0], int):
        if os.path.basename(os.fsdecode(details[0])).startswith({begins!r}):
            while os.path.exists({shut!r}):
                time.sleep(0.005)

sys.addaudithook(wait)
"""


class Gate:
    """Shut until it is opened: then whoever waits at it goes on, and nobody waits any more.

    Attributes:
        environment: variables of the program that is to wait.
    """

    def __init__(self, folder: Path, begins: str) -> None:
        """Shut it.

        Args:
            folder: to be made for it.
            begins: how the names of the files begin that wait to be opened.
        """
        folder.mkdir()
        self._shut = folder / "shut"
        self._shut.touch()
        hook = _HOOK.format(begins=begins, shut=str(self._shut))
        (folder / "sitecustomize.py").write_text(hook, encoding="utf-8")
        self.environment = {"PYTHONPATH": os.pathsep.join((str(folder), str(_TOP)))}

    def open(self) -> None:
        """Open it; a second time does nothing."""
        self._shut.unlink(missing_ok=True)
