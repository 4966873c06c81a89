"""`tsa ledger fetch`: a bundle or the checkpoint of a service's ledger, for an auditor to keep and check."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import text, write
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.values import check_period, microseconds, moment, serial_number

if TYPE_CHECKING:
    import argparse
    from typing import BinaryIO

    import httpx

    from kokuin.cli.ledger_remote import RemoteLedger

ATTEMPTS = 5
"""How often a download that breaks off is gone on with before the command gives up; a chunk counts anew."""

PAUSE_SECONDS = 1.0
BUSY_PAUSE_SECONDS = 10.0
BUSY_SECONDS = 600.0
"""How long is waited while the service makes another bundle: an auditor's, or the one that broke off."""
_EXPORT = "/api/v1/ledger/export"
_END = bytes(1024)


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    names = ("url", "out", "key_file", "checkpoint", "from", "to", "serial")
    about = {name: text(lang, f"ledger.fetch.{name}_help") for name in names}
    parser.add_argument("url", metavar="URL", help=about["url"])
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help=about["out"])
    parser.add_argument("--key-file", type=Path, metavar="FILE", help=about["key_file"])
    parser.add_argument("--checkpoint", action="store_true", help=about["checkpoint"])
    parser.add_argument("--from", dest="since", type=moment(lang), metavar="TIME", help=about["from"])
    parser.add_argument("--to", dest="until", type=moment(lang), metavar="TIME", help=about["to"])
    parser.add_argument("--serial", type=serial_number(lang), metavar="HEX", help=about["serial"])


def run(arguments: argparse.Namespace) -> int:
    """Fetch; what is fetched is checked by `tsa ledger check`, never here.

    Raises:
        CommandError: the service cannot be used, or the file not be written.
    """
    from kokuin.cli.ledger_proofs import write_proof
    from kokuin.cli.ledger_remote import open_remote

    check_period(arguments.since, arguments.until)
    out: Path = arguments.out
    ledger = open_remote(arguments.url, arguments.key_file)
    if arguments.checkpoint:
        answer = ledger.get("/log/checkpoint", {})
        if answer.code:
            raise CommandError("ledger.fetch.refused", code=answer.code)
        write_proof(out, answer.content)
    else:
        if out.exists():
            raise CommandError("ledger.fetch.exists", path=out)
        _fetch(ledger, _query(arguments), out, arguments.lang)
    write([text(arguments.lang, "ledger.fetch.done", path=out)])
    return Exit.PASSED


def _query(arguments: argparse.Namespace) -> dict[str, str]:
    since, until = microseconds(arguments.since), microseconds(arguments.until)
    wanted = {"since_us": since, "until_us": until, "serial": arguments.serial}
    return {name: str(value) for name, value in wanted.items() if value is not None}


def _fetch(ledger: RemoteLedger, query: dict[str, str], out: Path, lang: str) -> None:
    """Fetch a bundle, going on with what is there of it."""
    part = out.with_name(out.name + ".part")
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            _Download(ledger, query, file, lang).run()
            file.flush()
            os.fsync(file.fileno())
        part.rename(out)
    except OSError as error:
        raise CommandError("ledger.fetch.cannot_write", path=out, reason=error.strerror) from None
    finally:
        # Of a refusal nothing is left behind; of a download that broke off, what there is to go on with.
        with suppress(OSError):
            if part.stat().st_size == 0:
                part.unlink()


class _BrokenError(Exception):
    """The download broke off."""


@dataclass(slots=True)
class _Download:
    ledger: RemoteLedger
    query: dict[str, str]
    file: BinaryIO
    lang: str

    def run(self) -> None:
        """Fetch until it is whole.

        Raises:
            CommandError: the service refuses, or breaks off again and again.
            OSError: the file cannot be written.
        """
        from kokuin.ledger.bundle_part import survey

        left, farthest = ATTEMPTS, -1
        busy_until = None
        while True:
            begun = survey(self.file)
            octets = 0 if begun is None else begun.octets
            left, farthest = (ATTEMPTS, octets) if octets > farthest else (left - 1, farthest)
            going_on = (
                {}
                if begun is None
                else {"size": str(begun.size), "chunk": str(begun.chunk), "head": begun.head}
            )
            try:
                code = self._take(octets, going_on)
            except _BrokenError as error:
                if not left:
                    raise CommandError("ledger.fetch.broken", reason=error) from None
                print(text(self.lang, "ledger.fetch.again", octets=self.file.tell()), file=sys.stderr)
                time.sleep(PAUSE_SECONDS)
                continue
            if code == "EXPORT_BUSY":
                busy_until = self._come_back(busy_until)
                continue
            busy_until = None
            if code in {"EXPORT_CHANGED", "CHECKPOINT_UNKNOWN"} and begun is not None:
                # Another bundle lies there, or witnesses or a retention changed this one.
                self.file.truncate(0)
                continue
            if code:
                raise CommandError("ledger.fetch.refused", code=code)
            return

    def _come_back(self, until: float | None) -> float:
        """Wait while another bundle is made, until this moment; None: from now on."""
        if until is None:
            print(text(self.lang, "ledger.fetch.busy"), file=sys.stderr)
            until = time.monotonic() + BUSY_SECONDS
        elif time.monotonic() > until:
            raise CommandError("ledger.fetch.refused", code="EXPORT_BUSY")
        time.sleep(BUSY_PAUSE_SECONDS)
        return until

    def _take(self, octets: int, going_on: dict[str, str]) -> str:
        """Write what comes behind the first `octets`; return why nothing came, empty when all did."""
        import httpx

        ledger, query = self.ledger, {**self.query, **going_on}
        try:
            with httpx.stream(
                "GET", ledger.url + _EXPORT, params=query, headers=ledger.headers(), timeout=600.0
            ) as answer:
                if answer.status_code != 200:
                    return ledger.refusal(answer.status_code, _some(answer))
                self.file.seek(octets)
                self.file.truncate()
                for piece in answer.iter_bytes(65_536):
                    self.file.write(piece)
        except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise CommandError("ledger.remote.no_answer", url=ledger.url, reason=error) from None
        except httpx.HTTPError as error:
            raise _BrokenError(str(error) or type(error).__name__) from None
        self.file.seek(-min(len(_END), self.file.tell()), os.SEEK_END)
        if self.file.read() != _END:
            raise _BrokenError(text(self.lang, "ledger.fetch.no_end"))
        return ""


def _some(answer: httpx.Response) -> bytes:
    """Return the beginning of a refusal, which is short."""
    content = bytearray()
    for piece in answer.iter_bytes(4096):
        content += piece
        if len(content) > 65_536:
            break
    return bytes(content)
