"""`tsa clock`: what the clock guard of the running service says; `--resume` after a fault."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.cli.messages import text, write_json
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's options."""
    parser.add_argument("--dir", type=Path, default=Path("tsa-data"), help=text(lang, "cli.dir"))
    parser.add_argument("--resume", action="store_true", help=text(lang, "clock.resume_help"))
    parser.add_argument("--json", action="store_true", help=text(lang, "cli.json"))


def run(arguments: argparse.Namespace) -> int:
    """Print the verdict; exit 0 when time-stamps may be issued, 1 when not."""
    from kokuin.service.datafolder import DataFolder, FolderError
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.owner import OwnerUnavailableError, ask_owner

    folder = DataFolder(arguments.dir)
    try:
        folder.check_format()
        if arguments.resume:
            answer = ask_owner(folder.owner_socket, "clock.resume")
            if not answer["ok"]:
                raise CommandError("clock.not_held")
        state = ask_owner(folder.owner_socket, "status")["clock"]
    except FolderError as error:
        raise CommandError("cli.folder", reason=error) from None
    except OwnerUnavailableError:
        try:
            state = _ask_source(folder)
        except START_ERRORS as error:
            raise CommandError("cli.folder", reason=error) from None
        if arguments.resume:
            raise CommandError("clock.not_running") from None
    return _show(state, arguments)


def _ask_source(folder: Any) -> dict[str, Any]:
    """Nobody serves: ask the configured source once."""
    from kokuin.service.config import load_config
    from kokuin.service.health import clock_state
    from pqc.profiles import load_shipped
    from tsa.clock.guard import ClockMonitor
    from tsa.clock.sources import make_source

    config = load_config(folder.root)
    settings = config.clock_settings(load_shipped(config.profile).accuracy_us)
    monitor = ClockMonitor(make_source(settings), settings, on_verdict=lambda _verdict, _changed: None)
    return clock_state(monitor.poll())


def _show(state: dict[str, Any], arguments: argparse.Namespace) -> int:
    if arguments.json:
        write_json(state)
    else:
        key = "clock.unfit" if state["fault"] else "clock.fit"
        print(text(arguments.lang, key, fault=state["fault"]))
        print(text(arguments.lang, "clock.source", source=state["source"]))
        offset, uncertainty = state["offset_us"] / 1e3, state["uncertainty_us"] / 1e3
        print(text(arguments.lang, "clock.offset", offset=f"{offset:+.3f}", uncertainty=f"{uncertainty:.3f}"))
    return 1 if state["fault"] else 0
