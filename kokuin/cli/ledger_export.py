"""`tsa ledger export`: records of the ledger in a bundle for strangers to check, as a table, or as lines."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.cli.messages import text, write, write_aside, write_json
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.progress import bar
from kokuin.cli.values import check_period, microseconds, moment, serial_number

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from kokuin.ledger.bundle_part import Begun
    from kokuin.ledger.bundle_sealed import Seal
    from kokuin.ledger.bundle_write import BundleWriter
    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.exporting import Asked

EXPORT_EMPTY = "EXPORT_EMPTY"
"""No record is in the scope; no file is made."""
FORMATS = ("bundle", "csv", "jsonl")
DEFAULT_SUITE = "ml-kem-768-cms"
"""How a bundle is sealed unless another suite is named."""
_MAX_FILE = 512 * 1024


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    names = ("out", "format", "from", "to", "serial", "tenant", "since", "recipient", "suite")
    about = {name: text(lang, f"ledger.export.{name}_help") for name in names}
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help=about["out"])
    parser.add_argument("--format", choices=FORMATS, default="bundle", help=about["format"])
    parser.add_argument("--from", dest="begins", type=moment(lang), metavar="TIME", help=about["from"])
    parser.add_argument("--to", dest="ends", type=moment(lang), metavar="TIME", help=about["to"])
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--serial", type=serial_number(lang), metavar="HEX", help=about["serial"])
    chosen.add_argument("--tenant", metavar="NAME", help=about["tenant"])
    parser.add_argument("--since", type=Path, metavar="CHECKPOINT", help=about["since"])
    parser.add_argument("--recipient", type=Path, metavar="CERT", help=about["recipient"])
    parser.add_argument("--suite", metavar="ID", help=about["suite"])
    parser.add_argument("--dir", type=Path, default=Path("tsa-data"), help=text(lang, "cli.dir"))
    parser.add_argument("--json", action="store_true", help=text(lang, "cli.json"))


def run(arguments: argparse.Namespace) -> int:
    """Export; exit 0 when the file is whole, 1 when the ledger refuses or nothing is in the scope.

    Raises:
        CommandError: options, the folder or a file cannot be used.
    """
    from kokuin.ledger.bundle_plan import ExportError
    from kokuin.ledger.proving import ProofRefusedError
    from kokuin.service.config import load_config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS
    from pqc.envelope_errors import EnvelopeError

    _check_options(arguments)
    folder = DataFolder(arguments.dir)
    try:
        folder.check_format()
        config = load_config(folder.root)
        answer = _export(arguments, folder, config)
    except (ExportError, ProofRefusedError) as error:
        answer = {"ok": False, "code": error.fault.value, "detail": getattr(error, "detail", "")}
    except EnvelopeError as error:
        answer = {"ok": False, "code": error.problem.value, "detail": ""}
    except FileExistsError:
        raise CommandError("ledger.export.exists", path=arguments.out) from None
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None
    except OSError as error:
        path = error.filename or arguments.out
        raise CommandError("ledger.export.file", path=path, reason=error.strerror) from None
    if arguments.json:
        write_json(answer)
    elif answer["ok"]:
        write(_sentences(answer, arguments.lang))
    else:
        write_aside(_refusal(answer, arguments.lang))
    return Exit.PASSED if answer["ok"] else Exit.FAILED


def _check_options(arguments: argparse.Namespace) -> None:
    check_period(arguments.begins, arguments.ends)
    period = arguments.begins is not None or arguments.ends is not None
    if period and (arguments.serial is not None or arguments.tenant is not None):
        raise CommandError("ledger.export.period_and_selection")
    if arguments.format != "bundle" and (arguments.since is not None or arguments.recipient is not None):
        raise CommandError("ledger.export.bundle_only", format=arguments.format)
    if arguments.suite is not None and arguments.recipient is None:
        raise CommandError("ledger.export.suite_alone")
    if arguments.out.exists():
        raise CommandError("ledger.export.exists", path=arguments.out)


def _export(arguments: argparse.Namespace, folder: DataFolder, config: Config) -> dict[str, Any]:
    from kokuin.ledger.bundle_file import find_begun, goes_on
    from kokuin.ledger.proving import ProofRefusedError
    from kokuin.service.exporting import open_export

    seal, since = _seal(arguments, config), _since(arguments.since)
    begun = find_begun(arguments.out) if seal is None and arguments.format == "bundle" else None
    # Nobody else's unfinished file: of a checkpoint that this ledger does not keep it can be none of ours.
    with suppress(ProofRefusedError):
        if begun is not None:
            with open_export(folder, config, _asked(arguments, begun.size), since) as writer:
                if goes_on(begun, writer):
                    _write(arguments, writer, seal, begun)
                    return _answer(arguments, writer, resumed=True)
    with open_export(folder, config, _asked(arguments), since) as writer:
        # Without records a bundle may still show that the log goes on from a saved checkpoint.
        if writer.manifest.records == 0 and since is None:
            return {"ok": False, "code": EXPORT_EMPTY, "detail": ""}
        _write(arguments, writer, seal)
        return _answer(arguments, writer, resumed=False)


def _write(
    arguments: argparse.Namespace, writer: BundleWriter, seal: Seal | None, begun: Begun | None = None
) -> None:
    from kokuin.ledger.bundle_file import write_bundle, write_file
    from kokuin.ledger.bundle_sealed import SealingSink
    from kokuin.ledger.bundle_views import VIEWS

    show = bar(text(arguments.lang, "ledger.export.phase"))
    if arguments.format != "bundle":
        with write_file(arguments.out) as file:
            file.writelines(VIEWS[arguments.format](writer.records(show)))
    elif seal is None:
        write_bundle(arguments.out, writer, begun, show)
    else:
        with write_file(arguments.out) as file:
            sink = SealingSink(file, seal)
            writer.write(sink, on_progress=show)
            sink.finish()


def _asked(arguments: argparse.Namespace, size: int | None = None) -> Asked:
    from kokuin.service.exporting import Asked

    begins, ends = microseconds(arguments.begins), microseconds(arguments.ends)
    judging = arguments.format == "bundle"  # rows are for people, who asked for that period
    return Asked(size, begins, ends, arguments.serial, arguments.tenant, judging)


def _seal(arguments: argparse.Namespace, config: Config) -> Seal | None:
    from kokuin.ledger.bundle_sealed import Seal
    from pqc.envelope_errors import EnvelopeError, EnvelopeProblem
    from pqc.envelope_suites import envelope_suite
    from pqc.kem_files import read_recipient
    from pqc.suites import UnknownSuiteError

    if arguments.recipient is None:
        return None
    try:
        suite = envelope_suite(arguments.suite or DEFAULT_SUITE)
    except UnknownSuiteError:
        raise CommandError("ledger.export.suite_unknown", suite=arguments.suite) from None
    recipient = read_recipient(_read(arguments.recipient))
    if recipient.kind is not suite.kem:
        raise EnvelopeError(EnvelopeProblem.WRONG_KEY)
    return Seal(suite, recipient, config.arc)


def _since(path: Path | None) -> SignedCheckpoint | None:
    from kokuin.ledger.checkpoint import read_checkpoint
    from kokuin.ledger.note_faults import NoteError

    if path is None:
        return None
    try:
        return read_checkpoint(_read(path))
    except NoteError as error:
        raise CommandError("ledger.export.file", path=path, reason=error) from None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_FILE)


def _answer(arguments: argparse.Namespace, writer: BundleWriter, *, resumed: bool) -> dict[str, Any]:
    manifest = writer.manifest
    return {
        "ok": True,
        "file": str(arguments.out),
        "format": arguments.format,
        "sealed": arguments.recipient is not None,
        "resumed": resumed,
        "origin": manifest.origin,
        "size": manifest.size,
        "root": manifest.root,
        "scope": manifest.scope.document(),
        "records": manifest.records,
        "octets": arguments.out.stat().st_size,
    }


def _refusal(answer: dict[str, Any], lang: str) -> Iterator[str]:
    yield text(lang, "ledger.export.refused", code=answer["code"], detail=answer["detail"]).rstrip()
    yield text(lang, f"ledger.export.{answer['code']}")


def _sentences(answer: dict[str, Any], lang: str) -> Iterator[str]:
    yield text(lang, "ledger.export.done", **answer)
    if answer["resumed"]:
        yield text(lang, "ledger.export.resumed")
    if answer["format"] != "bundle":
        yield text(lang, "ledger.export.proves_nothing")
