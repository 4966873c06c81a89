"""A small witness over HTTP (C2SP tlog-witness): it cosigns other organisations' logs, and asks nobody.

`WDIR/log/<origin hash>/checkpoint` is what it cosigned last, durable before
anybody learns of it: whoever kills it at any moment gets at the next start the
same memory, and no cosignature of a shorter or another tree.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
import uvloop
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from kokuin.ledger.note import VerifierKey
from kokuin.ledger.note_faults import NoteError
from kokuin.ledger.witness import Witness, WitnessReply, WitnessStateError
from kokuin.ledger.witness_exchange import MAX_REQUEST, read_request
from kokuin.service.body_limit import BodyLimitMiddleware
from kokuin.service.errors import StartError
from kokuin.service.http_protocol import TransportLimits, make_protocol
from kokuin.service.http_server import make_server
from kokuin.service.logs import configure_logs
from kokuin.service.serving import bind
from kokuin.service.witness_store import WitnessFolder
from pqc.keyfiles import KeyFileError, read_key, write_key
from pqc.newfile import write_durably
from pqc.signing import KeyMismatchError, SignerError, SoftwareSigner, generate_key
from pqc.suites import suite

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

    from starlette.requests import Request

VKEYS = "witness.vkey"
"""The file with the witness's public keys, ML-DSA-44 first, a line each."""

MAX_LOG_FILE = 1 << 20
"""Octets of the longest file of log keys that is read."""

FAILED = "WITNESS_FAILED"
"""Body of an answer 500: its own disk, state or key is at fault; the log asks again later."""

_SUITES = ("ml-dsa-44", "ed25519")
_LIMITS = TransportLimits(requests=64, connections=256)
_TEXT = "text/plain; charset=utf-8"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OpenedWitness:
    """A witness and what it is: its public keys, ML-DSA-44 first, and the origins that it watches."""

    witness: Witness
    vkeys: tuple[str, ...]
    origins: tuple[str, ...]


def open_witness(folder: Path, name: str, log_files: Sequence[Path]) -> OpenedWitness:
    """Open the witness of a folder; the first time its keys are made.

    Args:
        folder: of the witness alone; made when it is not there.
        name: of the witness in its signature lines, the same at every start.
        log_files: verifier keys of the logs, as `trust/log.vkey` of each has them.

    Raises:
        StartError: a file cannot be used, or the folder is another witness's.
    """
    logs = _read_logs(log_files)
    try:
        state = folder / "log"
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        signers = _open_keys(folder)
        witness = Witness(name, signers["ml-dsa-44"], signers["ed25519"], logs, WitnessFolder(state))
        vkeys = tuple(key.encode() for key in witness.verifier_keys())
        _tell_keys(folder / VKEYS, vkeys)
    except OSError as error:
        raise StartError(f"{folder}: {error.strerror}") from None
    except NoteError as error:
        raise StartError(str(error)) from None
    return OpenedWitness(witness, vkeys, tuple(logs))


def serve_witness(opened: OpenedWitness, host: str, port: int) -> int:
    """Answer until SIGTERM or SIGINT; return the exit code.

    Args:
        opened: what is served.
        host: where to listen.
        port: where to listen; 0 takes a free one, which the log tells.

    Raises:
        StartError: the address cannot be had.
    """
    configure_logs("witness")
    with bind(host, port) as sock:
        uvloop.run(_serve(opened, sock))
    return 0


def make_witness_app(witness: Witness) -> BodyLimitMiddleware:
    """Return the ASGI application of a witness: `/add-checkpoint` and `/<origin hash>/checkpoint`."""

    async def add_checkpoint(request: Request) -> Response:
        """Cosign what follows from the last (C2SP tlog-witness, add-checkpoint)."""
        body = await request.body()
        try:
            # In a thread: it signs, and returns when what it signed is on the disk.
            reply = await asyncio.to_thread(witness.add_checkpoint, body, int(time.time()))
        except (WitnessStateError, OSError, SignerError) as error:
            return _failed(error)
        _tell_finding(reply, body)
        # As a header, not as media_type: to that a charset is added, and then logs find no size in a 409.
        return Response(reply.body, reply.status, headers={"Content-Type": reply.content_type})

    async def checkpoint(request: Request) -> Response:
        """Show the last checkpoint of a log (C2SP tlog-witness, Monitor Retrieval Mechanism)."""
        try:
            octets = await asyncio.to_thread(witness.checkpoint, request.path_params["origin_hash"])
        except OSError as error:
            return _failed(error)
        return Response(octets or b"", 200 if octets else 404, media_type=_TEXT)

    routes = [
        Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
        Route("/{origin_hash}/checkpoint", checkpoint, methods=["GET"]),
    ]
    return BodyLimitMiddleware(Starlette(routes=routes), MAX_REQUEST)  # type: ignore[arg-type]  # ASGI


async def _serve(opened: OpenedWitness, sock: socket.socket) -> None:
    # Whoever floods it must not fill its log.
    protocol = make_protocol(_LIMITS, lambda _event: None)
    server = make_server(make_witness_app(opened.witness), protocol)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    host, port = sock.getsockname()[:2]
    _log.info("witnessing", host=host, port=port, logs=list(opened.origins))
    await server.serve(sockets=[sock])


def _tell_finding(reply: WitnessReply, body: bytes) -> None:
    """Name in the log what a request shows of a log that signed it."""
    if reply.finding is not None:
        checkpoint = read_request(body).signed.checkpoint
        _log.error(reply.finding.value, origin=checkpoint.origin, size=checkpoint.size)


def _failed(error: Exception) -> Response:
    _log.error(FAILED, reason=f"{type(error).__name__}: {error}")
    return Response(f"{FAILED}\n", 500, media_type=_TEXT)


def _read_logs(files: Sequence[Path]) -> dict[str, list[VerifierKey]]:
    logs: dict[str, list[VerifierKey]] = {}
    for file in files:
        try:
            with file.open("rb") as opened:
                octets = opened.read(MAX_LOG_FILE + 1)
            if len(octets) > MAX_LOG_FILE:
                raise StartError(f"{file}: too large")
            lines = [line.strip() for line in octets.decode().split("\n")]
            for line in lines:
                if line and not line.startswith("#"):
                    key = VerifierKey.parse(line)
                    logs.setdefault(key.name, []).append(key)
        except OSError as error:
            raise StartError(f"{file}: {error.strerror}") from None
        except (NoteError, UnicodeDecodeError) as error:
            raise StartError(f"{file}: {error}") from None
    if not logs:
        raise StartError("no file names a log's keys")
    return {origin: list(dict.fromkeys(keys)) for origin, keys in logs.items()}


def _open_keys(folder: Path) -> dict[str, SoftwareSigner]:
    passphrase = os.environ.get("TSA_PASSPHRASE", "").encode() or None
    known = (folder / VKEYS).exists()
    signers = {}
    for suite_id in _SUITES:
        path = folder / f"{suite_id}.pem"
        try:
            # Once the world knows its keys, one that is gone must not be replaced in silence.
            if not known and not path.exists():
                write_key(path, generate_key(suite(suite_id)), passphrase)
            signers[suite_id] = SoftwareSigner(suite(suite_id), read_key(path, passphrase))
        except (KeyFileError, KeyMismatchError, SignerError) as error:
            raise StartError(f"{path}: {error}") from None
    return signers


def _tell_keys(path: Path, vkeys: Sequence[str]) -> None:
    text = "".join(f"{vkey}\n" for vkey in vkeys)
    if not path.exists():
        # A crash before this line leaves keys that nobody knows; the next start takes them up.
        write_durably(path, text.encode(), 0o644)
    elif path.read_bytes() != text.encode():
        # Under another name or key it would take its own memory for somebody else's.
        raise StartError(f"{path} names another witness: give the name and the keys of the first start")
