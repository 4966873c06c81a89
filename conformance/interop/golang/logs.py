"""Logs by programs in Go: sumdb of golang.org/x/mod, transparency-dev's formats and tessera, torchwood.

They read our log and its proofs; their log asks our witness, and our log asks their witness.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, Any

from conformance.interop.checks import Check, execute
from conformance.interop.golang import witnesses
from conformance.interop.golang.building import build
from kokuin.ledger.reader import LedgerReader
from tests.ports import LOOPBACK
from tests.service import tlog_client
from tests.service.asking import query
from tests.service.running import PATIENCE_S, TSA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.interop.place import Place
    from tests.service.running import Service

MODULE = Path(__file__).parent / "tlog"
STAMPS = 300
"""More than a tile of leaves."""


def checks(place: Place) -> Iterator[Check]:
    """Raises `AbsentError`."""
    folder = place.own("go-tlog")
    log = Log(build(MODULE, folder / "program"), folder, place)
    yield Check("x/mod/sumdb reads our log over HTTP and proves every record and size", log.is_read)
    yield Check("tessera's fsck recomputes our log from its entries", log.is_checked)
    for member in ("checkpoint", "tile/0/000", "tile/entries/000"):
        yield Check(f"x/mod/sumdb refuses our log with a damaged {member}", partial(log.is_refused, member))
    yield Check("formats and torchwood verify our tlog-proofs", log.proofs_hold)
    yield from witnesses.checks(log.program, MODULE, place)


class Log:
    """The published log of a `tsa serve`, and the program that reads it."""

    def __init__(self, program: Path, folder: Path, place: Place) -> None:
        self.program, self._folder, self._place = program, folder, place
        self._keys = folder / "log.vkey"

    @property
    def _service(self) -> Service:
        """The service, with enough records that a checkpoint covers."""
        service = self._place.served.service
        if not self._keys.exists():
            for _ in range(STAMPS):
                service.post(query()).raise_for_status()
            deadline = time.monotonic() + PATIENCE_S
            while self._size(service) <= STAMPS:
                assert time.monotonic() < deadline, "no checkpoint"
                time.sleep(0.1)
            shutil.copy(service.folder.root / "trust" / "log.vkey", self._keys)
        return service

    @staticmethod
    def _size(service: Service) -> int:
        answer = service.client.get("/log/checkpoint")
        return int(answer.text.splitlines()[1]) if answer.status_code == 200 else 0

    def _run(self, act: str, url: str, key: str) -> Any:
        return json.loads(execute([self.program, act, url, self._keys, f"Bearer {key}"]))

    def is_read(self) -> None:
        """Every record and every earlier size, by proofs that it makes of our tiles."""
        service = self._service
        done = self._run("read", f"http://{LOOPBACK}:{service.port}/log/", service.operator_key)
        assert done["Size"] == done["Records"] == done["Sizes"] > STAMPS, done
        assert done["Tiles"] > 2, done

    def is_checked(self) -> None:
        """All leaves, and all tiles against what it makes of them."""
        service = self._service
        assert self._run("fsck", f"http://{LOOPBACK}:{service.port}/log/", service.operator_key)

    def is_refused(self, member: str) -> None:
        """A copy on a plain web server: sound it is read, with one octet changed it is not."""
        copy = self._folder / "copy"
        if not copy.exists():
            _mirror(self._service, copy)
        server = ThreadingHTTPServer((LOOPBACK, 0), partial(_Quiet, directory=str(copy)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with server:
            url = f"http://{LOOPBACK}:{server.server_port}/"
            self._run("read", url, "")
            path = copy / member
            sound = path.read_bytes()
            path.write_bytes(sound[:40] + bytes([sound[40] ^ 1]) + sound[41:])
            try:
                # Tessera 1.0.4 is not asked: its fsck waits for ever once a worker found something wrong.
                _refuses(partial(self._run, "read", url, ""))
            finally:
                path.write_bytes(sound)
                server.shutdown()

    def proofs_hold(self) -> None:
        """Of records all over the log; a proof is of no other record."""
        service = self._service
        size = self._size(service)
        with LedgerReader(service.folder.ledger) as reader:
            leaves = {stored.index: stored.leaf for stored in reader.walk(0, size)}
        for index in sorted({0, 1, 255, 256, size // 2, size - 1}):
            proof, leaf = self._folder / "a.tlog-proof", self._folder / "leaf"
            execute(
                [TSA, "ledger", "prove", "--dir", service.folder.root, "--index", str(index), "-o", proof]
            )
            leaf.write_bytes(leaves[index])
            verify = partial(execute, [self.program, "proof", proof, self._keys, leaf])
            assert json.loads(verify()) == index
            leaf.write_bytes(leaves[index] + b" ")
            _refuses(verify)
            proof.unlink()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Say nothing."""


def _mirror(service: Service, copy: Path) -> None:
    """Copy what the service publishes: its checkpoint, then what a client of that size may fetch."""
    key = {"authorization": f"Bearer {service.operator_key}"}
    note = tlog_client.fetched(service.client, "/log/checkpoint")
    size = int(note.splitlines()[1])
    paths = [f"tile/{level}/{path}" for level in range(2) for path in tlog_client.tile_paths(size, level)]
    paths += [f"tile/entries/{path}" for path in tlog_client.tile_paths(size)]
    copy.mkdir()
    (copy / "checkpoint").write_bytes(note)
    for path in paths:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(tlog_client.fetched(service.client, f"/log/{path}", **key))


def _refuses(act: partial[Any]) -> None:
    try:
        act()
    except CalledProcessError:
        return
    raise AssertionError("it was accepted")
