"""`tsa`: one entry point; each command's libraries are loaded only when it runs."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run `tsa` with `arguments` (default: the process's own) and return its exit code."""
    from kokuin.cli.output import run_heard

    words = sys.argv[1:] if arguments is None else arguments
    return run_heard(lambda: _run(words), words)


def _run(words: list[str]) -> int:
    if words == ["--version"]:
        # Before the grammar, which is only needed to describe this option: scripts ask it at every start.
        from kokuin import __version__

        print(f"kokuin {__version__}")
        return 0
    from kokuin.cli.parser import run

    return run(words)


if __name__ == "__main__":
    sys.exit(main())
