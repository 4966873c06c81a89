"""The grammar of `tsa`, and the one place where what went wrong becomes an exit code and a line."""

from __future__ import annotations

import argparse
import errno
import importlib
import sys
from typing import NoReturn

from kokuin import __version__
from kokuin.cli.messages import language_of, plain, text
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.output import OutputError

COMMANDS = (
    "init",
    "serve",
    "stamp",
    "verify",
    "renew",
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
    "seal-profile",
    "seal",
    "extend",
    "upgrade",
)
"""Each is a module, see `module_of`, with `add_arguments(parser, lang)` and `run(arguments) -> int`."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Of a disk that is full the system names no file."""


def module_of(command: str) -> str:
    """Return the name of a command's module."""
    return f"kokuin.cli.{command.replace('-', '_')}"


class _Parser(argparse.ArgumentParser):
    """argparse with our exit code for wrong usage."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(Exit.USAGE)


def run(words: list[str]) -> int:
    """Parse `words` and run the command that they name."""
    lang = language_of(words)
    parser = _Parser(prog="tsa", description=text(lang, "cli.about"))
    parser.add_argument("--version", action="version", version=f"kokuin {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for name in COMMANDS:
        command = commands.add_parser(
            name, help=text(lang, f"cli.{name}"), description=text(lang, f"cli.{name}")
        )
        command.add_argument("--lang", choices=("en", "ja"), help=text(lang, "cli.lang"))
        if name in words[:1]:
            importlib.import_module(module_of(name)).add_arguments(command, lang)
    arguments = parser.parse_args(words)
    arguments.lang = lang
    return _outcome(arguments)


def _outcome(arguments: argparse.Namespace) -> int:
    module = importlib.import_module(module_of(arguments.command))
    try:
        code: int = module.run(arguments)
    except CommandError as error:
        sentence = text(arguments.lang, error.key, **error.params)
        print(f"tsa {arguments.command}: {sentence}", file=sys.stderr)
        return Exit.USAGE
    except KeyboardInterrupt:
        return 130
    except OutputError:
        raise  # no fault of ours: `run_heard` tells it
    except OSError as error:
        if error.filename is None and error.errno not in _FULL:
            return _our_fault(arguments, error)
        print(f"tsa {arguments.command}: {_unusable_file(error)}", file=sys.stderr)
        return Exit.USAGE
    except Exception as error:  # noqa: BLE001  # the boundary: our own fault becomes its exit code
        return _our_fault(arguments, error)
    return code


def _unusable_file(error: OSError) -> str:
    """Return which file the system did not let the command have, where it says so, and why not."""
    named = (error.filename, error.filename2)
    return ": ".join(
        (*(plain(str(name)) for name in named if name is not None), error.strerror or str(error))
    )


def _our_fault(arguments: argparse.Namespace, error: Exception) -> int:
    fault = text(arguments.lang, "cli.our_fault", fault=f"{type(error).__name__}: {error}")
    print(f"tsa {arguments.command}: {fault}", file=sys.stderr)
    return Exit.OUR_FAULT
