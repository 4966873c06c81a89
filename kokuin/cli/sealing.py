"""What `tsa seal` and `tsa extend` share: a document goes to a service or a folder and comes back."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.cli.files import write_whole
from kokuin.cli.http_exchange import Bounds, exchange
from kokuin.cli.messages import sentence_or, text
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.stamp_evidence import EvidenceMissingError, fetch_record, sidecar_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

LEVELS = ("B-B", "B-T", "B-LT", "B-LTA")
BOUNDS = Bounds(octets=160 << 20, pause_s=180.0, whole_s=3_600.0)
"""Of a sealed document."""
_BLOCK = 1 << 20
_RECORD = re.compile(r"/api/v1/evidence/[0-9a-f]{1,64}")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the options of both commands."""
    parser.add_argument("--level", choices=LEVELS, help=text(lang, "sealing.level_help"))
    parser.add_argument("--min-level", choices=LEVELS, help=text(lang, "sealing.min_level_help"))
    parser.add_argument(
        "--class", dest="document_class", metavar="NAME", help=text(lang, "sealing.class_help")
    )
    parser.add_argument("-o", "--out", type=Path, help=text(lang, "sealing.out_help"))
    parser.add_argument("--url", default="http://127.0.0.1:3161", help=text(lang, "sealing.url_help"))
    parser.add_argument("--key-file", type=Path, metavar="FILE", help=text(lang, "sealing.key_file_help"))
    parser.add_argument("--dir", type=Path, help=text(lang, "sealing.dir_help"))
    parser.add_argument("--tenant", help=text(lang, "sealing.tenant_help"))


def make(  # noqa: PLR0913  # what is asked for, and where it goes
    arguments: argparse.Namespace,
    act: str,
    path: str,
    out: Path,
    *,
    options: dict[str, str | None],
    data: Path | None = None,
    form: str = "",
) -> int:
    """Have a document sealed or extended, and write what comes back; exit 1 when it was refused.

    Args:
        arguments: of the command.
        act: `seal` or `extend`.
        path: of the service's route.
        out: what is written.
        options: of the request; None: not said.
        data: what a detached seal is about.
        form: the format, of `seal`.

    Raises:
        CommandError: a file or the service cannot be reached, or the file to write is there already.
    """
    from kokuin.cli.keys_files import refuse_existing

    refuse_existing(out, devices=True)
    # A record of another document beside this one would be held against it.
    refuse_existing(sidecar_of(out))
    common = {
        "level": arguments.level,
        "min_level": arguments.min_level,
        "class": arguments.document_class,
    }
    said = {name: value for name, value in (common | options).items() if value is not None}
    if arguments.dir is None:
        answer, octets = _over_http(arguments, path, said, data)
    else:
        answer, octets = _in_folder(arguments, {"act": act, "format": form, "options": said}, data, out)
    if octets is None:
        code = str(answer.get("code", ""))
        words = sentence_or(arguments.lang, f"sealing.code.{code}", "") or sentence_or(
            arguments.lang, f"access.code.{code}", code
        )
        more = ", ".join(str(answer[name]) for name in ("field", "reason") if answer.get(name))
        print(text(arguments.lang, "sealing.refused", sentence=words, code=code, more=more or "-"))
        return Exit.FAILED
    write_whole(out, octets, "sealing.cannot_write")
    print(text(arguments.lang, "sealing.done", path=out, level=answer["level"], record=answer["record"]))
    if answer.get("lowered"):
        print(text(arguments.lang, "sealing.lowered", code=answer["lowered"]))
    return _tell_evidence(arguments, answer, out, octets) if answer.get("evidence") else Exit.PASSED


def _tell_evidence(arguments: argparse.Namespace, answer: dict[str, Any], out: Path, octets: bytes) -> int:
    """Have the evidence record beside a document that has none within; 2 when it is not there."""
    beside, reason = sidecar_of(out), str(answer.get("missing", ""))
    if arguments.dir is None:
        reason = _fetch(arguments, str(answer["evidence"]), out, octets)
    if reason:
        serial = str(answer["evidence"]).rpartition("/")[2]
        print(text(arguments.lang, "sealing.evidence_missing", beside=beside, reason=reason, serial=serial))
        return Exit.INDETERMINATE
    print(text(arguments.lang, "sealing.evidence_done", path=beside))
    return Exit.PASSED


def _fetch(arguments: argparse.Namespace, path: str, out: Path, octets: bytes) -> str:
    """Fetch the record of a sealed document from the service that sealed it; return why it is not there."""
    import hashlib

    from kokuin.cli.ledger_remote import open_remote

    if not _RECORD.fullmatch(path):
        return text(arguments.lang, "sealing.no_service", url=arguments.url)
    try:
        service = open_remote(arguments.url, arguments.key_file)
        write_whole(
            sidecar_of(out),
            fetch_record(service, path, (hashlib.sha512(octets).digest(),)),
            "sealing.cannot_write",
        )
    except EvidenceMissingError as error:
        return str(error)
    except CommandError as error:
        return text(arguments.lang, error.key, **error.params)
    return ""


def _over_http(
    arguments: argparse.Namespace, path: str, said: dict[str, str], data: Path | None
) -> tuple[dict[str, Any], bytes | None]:
    """Ask a service; no redirect is followed."""
    from kokuin.cli.ledger_remote import read_key

    if arguments.tenant is not None:
        raise CommandError("sealing.tenant_of_key")
    url = arguments.url.rstrip("/")
    headers = (
        {} if arguments.key_file is None else {"authorization": f"Bearer {read_key(arguments.key_file)}"}
    )
    with contextlib.ExitStack() as files:
        sent: dict[str, Any] = {"document": files.enter_context(_open(arguments.file))}
        if data is not None:
            sent["data"] = files.enter_context(_open(data))
        answer = exchange("POST", url, path, BOUNDS, "sealing", headers=headers, params=said, files=sent)
    if answer.status != 200:
        return _problem(url, answer.status, answer.content), None
    fields = answer.fields
    facts = {name: fields.get(f"x-seal-{name}", "") for name in ("level", "record", "lowered", "evidence")}
    return facts, answer.content


def _problem(url: str, status: int, body: bytes) -> dict[str, Any]:
    import json

    try:
        problem = json.loads(body)
        if isinstance(problem["code"], str):
            return dict(problem)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise CommandError("sealing.http_status", url=url, status=status)


def _in_folder(
    arguments: argparse.Namespace, question: dict[str, Any], data: Path | None, out: Path
) -> tuple[dict[str, Any], bytes | None]:
    """Ask the folder's owner: the documents lie in the folder meanwhile. Its evidence record is written."""
    from kokuin.cli.owner import ask
    from kokuin.service.datafolder import DataFolder

    with _place(DataFolder(arguments.dir).jobs) as place:
        _copy(arguments.file, place / "document")
        if data is not None:
            _copy(data, place / "data")
        answer = ask(arguments, "seal.make", {**question, "place": place.name, "tenant": arguments.tenant})
        if not answer["ok"]:
            return answer, None
        if answer["evidence"] and "missing" not in answer:
            write_whole(sidecar_of(out), (place / "evidence").read_bytes(), "sealing.cannot_write")
        return answer, (place / "sealed").read_bytes()


@contextlib.contextmanager
def _place(jobs: Path) -> Iterator[Path]:
    place = jobs / f".owner-{secrets.token_hex(16)}"
    try:
        jobs.mkdir(mode=0o700, exist_ok=True)
        place.mkdir(mode=0o700)
    except OSError as error:
        raise CommandError("sealing.cannot_write", path=place, reason=error.strerror) from None
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    with _open(source) as file:
        try:
            with target.open("xb") as copy:
                shutil.copyfileobj(file, copy, _BLOCK)
        except OSError as error:
            raise CommandError("sealing.cannot_write", path=target, reason=error.strerror) from None


def _open(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise CommandError("sealing.cannot_read", path=path, reason=error.strerror) from None
