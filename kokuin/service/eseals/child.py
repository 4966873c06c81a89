"""The child that reads a stranger's document and seals it: it has no key, and asks for each signature.

Nothing imports it. It loads the libraries once, which takes a second, and reads nothing: for each tenant it
forks a reader, which inherits its pipes. A reader shuts its doors first: then it can open no file and no
socket, start no program and hold no more than `MEMORY_OCTETS`. Whatever a document makes of its reader, no
other tenant's document comes near it. A reader that breaks takes the child along, in the same way.
"""

from __future__ import annotations

import gc
import importlib
import os
import resource
import select
import sys
from typing import TYPE_CHECKING

from eseal.profile import Format, parse_seal_profile
from eseal.values import Level, Material, SealKey, StampUnavailableError
from kokuin.service import child_frames
from kokuin.service.eseals import frames, work
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.tasks import Act
from kokuin.service.lifeline import watch
from kokuin.service.shut_doors import allow_seconds, place_of, resident_octets, shut_doors
from kokuin.trust.context import RevocationData
from pqc.scheme import Provider
from pqc.suites import suite

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from pqc.suites import Suite

MEMORY_OCTETS = 1536 << 20
"""Of address space: the largest document is held a few times over."""
RETIRED_OCTETS = 256 << 20
"""Resident: one that remembers so much from earlier documents ends."""
CPU_SECONDS = 30
"""For one document."""
NICENESS = 10


class GoneError(Exception):
    """Whoever holds the keys closed the pipe."""


class RefusedHereError(Exception):
    """Whoever holds the keys refused a signature: they know why."""


_CODES: Mapping[type[Exception], SealCode] = {
    StampUnavailableError: SealCode.STAMP_UNAVAILABLE,
    work.MaterialMissingError: SealCode.MATERIAL_MISSING,
    RefusedHereError: SealCode.KEY_UNFIT,
}


class RemoteSigner:
    """A `Signer` whose key lies at the other end of the pipe."""

    def __init__(self, number: int, named: Suite, public_key: bytes) -> None:
        self.suite, self.public_key = named, public_key
        self.provider, self.experimental = Provider.SOFTWARE, False
        self._number = number

    def sign(self, message: bytes) -> bytes:
        """See `Signer.sign`."""
        answer = _ask({"op": "sign", "key": self._number}, message)
        if answer.op != "signed":
            raise RefusedHereError
        return answer.octets


def main() -> None:
    """Serve one worker until it closes the pipe, or a document breaks a reader."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Loaded by cryptography itself when it first reads a key, which would be too late.
    importlib.import_module("cryptography.hazmat.backends.openssl.backend")
    works = {form: found for form in work.WORKS if (found := _load(form)) is not None}
    gc.freeze()
    _say({"op": "ready"})
    while _is_asked():
        reader = os.fork()
        if reader == 0:
            _read_for_one_tenant(works)
        _end_like(reader)


def _is_asked() -> bool:
    """Wait for a frame, and leave it where it is; False when whoever asks has gone, whatever is left."""
    poller = select.poll()
    poller.register(sys.stdin.fileno(), select.POLLIN | select.POLLRDHUP)
    # The end of a socket can be read too, for ever: to fork for that would never end.
    return all(event == select.POLLIN for _, event in poller.poll())


def _read_for_one_tenant(works: Mapping[Format, work.SealWork]) -> NoReturn:
    status = 1
    try:
        watch(sys.stdin.fileno())
        shut_doors(MEMORY_OCTETS)
        last = False
        while not last and (frame := child_frames.read(sys.stdin.buffer)) is not None:
            if frame.op == "leave":
                _say({"op": "left"})
                break
            last = _serve(frame, works)
        status = 0
    finally:
        os._exit(status)


def _end_like(reader: int) -> None:
    """Wait for a reader; what is left in the pipes of one that broke is nobody's, so this ends too."""
    code = os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1])
    if code < 0:
        os.kill(os.getpid(), -code)
    if code:
        # Also where the signal is one that Python ignores.
        os._exit(1)


def _load(form: Format) -> work.SealWork | None:
    """Load a format while files can still be opened; None: its libraries are not installed."""
    try:
        return work.work_of(form)
    except ImportError:
        return None


def _serve(frame: child_frames.Frame, works: Mapping[Format, work.SealWork]) -> bool:
    """Work on one document; True when this reader had better not see another."""
    allow_seconds(CPU_SECONDS)
    try:
        sealed, level = _make(frame, works)
    except GoneError:
        return True
    except MemoryError:
        return _fail(SealCode.TOO_COSTLY, last=True)
    except Exception as error:  # noqa: BLE001  # whatever it is, the worker is told, and the log tells a person
        return _refuse(error)
    last = _remembers_much()
    _say({"op": "done", "level": level, "last": last}, sealed)
    return last


def _refuse(error: Exception) -> bool:
    """Say why nothing was made; True when this reader ends with it."""
    if isinstance(error, SealRefusedError):
        return _fail(error.code, error.field, error.reason)
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return _fail(code)
    return _fail(SealCode.FAILED, reason=place_of(error), last=True)


def _make(frame: child_frames.Frame, works: Mapping[Format, work.SealWork]) -> tuple[bytes, Level]:
    said = frame.header
    doing = works.get(Format(said["format"]))
    if doing is None:
        raise SealRefusedError(SealCode.FORMAT_UNSUPPORTED)
    parts = frames.split(said["parts"], frame.octets)
    levels = Level(said["level"]), Level(said["least"])
    stamper = work.Counting(_stamp, said["digest"], int(said["token"]))
    order = work.Order(
        document=parts["document"],
        data=parts.get("data"),
        keys=tuple(_key(number, each, parts) for number, each in enumerate(said["keys"])),
        options=said["options"],
        profile=parse_seal_profile(said["profile"], said["toml"]) if said["profile"] else None,
        image=parts.get("image"),
        font=parts.get("font"),
    )
    return work.make(doing, Act(said["act"]), order, levels, stamper, _material)


def _material(certificates: tuple[bytes, ...]) -> Material:
    lengths, joined = frames.join({str(number): each for number, each in enumerate(certificates)})
    answer = _ask({"op": "material", "parts": lengths}, joined)
    if answer.op != "material":
        raise work.MaterialMissingError
    parts = frames.split(answer.header["parts"], answer.octets)

    def named(kind: str) -> tuple[bytes, ...]:
        return tuple(each for name, each in parts.items() if name.startswith(f"{kind}-"))

    return Material(named("certificate"), RevocationData(named("crl"), named("ocsp")))


def _key(number: int, said: Mapping[str, Any], parts: Mapping[str, bytes]) -> SealKey:
    signer = RemoteSigner(number, suite(said["suite"]), parts[f"public-{number}"])
    chain = tuple(parts[f"chain-{number}-{each}"] for each in range(said["chain"]))
    return SealKey(signer, parts[f"signer-{number}"], chain)


def _stamp(imprint: bytes) -> bytes:
    answer = _ask({"op": "stamp"}, imprint)
    if answer.op != "stamped":
        raise StampUnavailableError
    return answer.octets


def _ask(header: Mapping[str, Any], octets: bytes) -> child_frames.Frame:
    _say(header, octets)
    answer = child_frames.read(sys.stdin.buffer)
    if answer is None:
        raise GoneError
    return answer


def _fail(code: SealCode, field: str = "", reason: str = "", *, last: bool = False) -> bool:
    last = last or _remembers_much()
    _say({"op": "failed", "code": code, "field": field, "reason": reason, "last": last})
    return last


def _remembers_much() -> bool:
    return resident_octets() >= RETIRED_OCTETS


def _say(header: Mapping[str, Any], octets: bytes = b"") -> None:
    sys.stdout.buffer.write(child_frames.head(header, len(octets)))
    sys.stdout.buffer.write(octets)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
