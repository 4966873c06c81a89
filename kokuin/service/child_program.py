"""The program that a child of `tsa serve` is: the lifeline first, then what takes a second to load.

Nothing imports it. The parent alone starts it, with the words ROLE NAME DESCRIPTOR FOLDER.
"""

from __future__ import annotations

import os
import sys

from kokuin.service.lifeline import watch


def main() -> int:
    """Be the child that the words describe, from its first line under its parent's eye."""
    watch(int(sys.argv[3]))
    from kokuin.service.child import main as run_child  # noqa: PLC0415  # its libraries take a second to load

    return run_child(sys.argv[1:])


if __name__ == "__main__":
    code = main()
    from kokuin.service.logs import flush_logs  # loaded with the child

    flush_logs()
    sys.stderr.flush()
    os._exit(code)
