"""The grammar of `tsa`, and the one place where what went wrong becomes an exit code and a line."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from typing import NoReturn

from kokuin import __version__
from kokuin.cli.messages import choose_language, text
from kokuin.cli.outcome import CommandError, Exit

COMMANDS = (
    "init",
    "serve",
    "stamp",
    "verify",
    "inspect",
    "trust",
    "clock",
    "profile",
    "keys",
    "policy",
    "inventory",
    "ledger",
    "tenant",
    "client",
    "key",
    "approval",
    "activation",
    "stop",
    "upgrade",
)
"""Each is a module `kokuin.cli.NAME` with `add_arguments(parser, lang)` and `run(arguments) -> int`."""


_NOBODY_READS = 141
"""As a shell says of a program that ended by SIGPIPE: whoever read our output has heard enough."""


class _Parser(argparse.ArgumentParser):
    """argparse with our exit code for wrong usage."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(Exit.USAGE)


def run(words: list[str]) -> int:
    """Parse `words` and run the command that they name."""
    lang = choose_language(_option(words, "--lang"))
    parser = _Parser(prog="tsa", description=text(lang, "cli.about"))
    parser.add_argument("--version", action="version", version=f"kokuin {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for name in COMMANDS:
        command = commands.add_parser(
            name, help=text(lang, f"cli.{name}"), description=text(lang, f"cli.{name}")
        )
        command.add_argument("--lang", choices=("en", "ja"), help=text(lang, "cli.lang"))
        if name in words[:1]:
            importlib.import_module(f"kokuin.cli.{name}").add_arguments(command, lang)
    arguments = parser.parse_args(words)
    arguments.lang = lang
    return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    if sys.stdout is None:  # closed by whoever started us: the exit code says enough
        sys.stdout = io.TextIOWrapper(io.BytesIO())
    code = _outcome(arguments)
    try:
        # Now, and not when the interpreter ends, which would make an exit code of its own of a failure.
        sys.stdout.flush()
    except OSError as error:
        # What is left can be written nowhere, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _unheard(error, arguments)
    return code


def _outcome(arguments: argparse.Namespace) -> int:
    module = importlib.import_module(f"kokuin.cli.{arguments.command}")
    try:
        code: int = module.run(arguments)
    except CommandError as error:
        sentence = text(arguments.lang, error.key, **error.params)
        print(f"tsa {arguments.command}: {sentence}", file=sys.stderr)
        return Exit.USAGE
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _NOBODY_READS
    except Exception as error:  # noqa: BLE001  # the boundary: our own fault becomes its exit code
        fault = text(arguments.lang, "cli.our_fault", fault=f"{type(error).__name__}: {error}")
        print(f"tsa {arguments.command}: {fault}", file=sys.stderr)
        return Exit.OUR_FAULT
    return code


def _unheard(error: OSError, arguments: argparse.Namespace) -> int:
    if isinstance(error, BrokenPipeError):
        return _NOBODY_READS
    sentence = text(arguments.lang, "cli.output", reason=error.strerror)
    print(f"tsa {arguments.command}: {sentence}", file=sys.stderr)
    return Exit.USAGE


def _option(words: list[str], name: str) -> str | None:
    """Find an option before the grammar is built: help itself is in the language that it names."""
    for at, word in enumerate(words):
        if word == name and at + 1 < len(words):
            return words[at + 1]
        if word.startswith(name + "="):
            return word.partition("=")[2]
    return None
