"""The keys that sign checkpoints: a pair for each epoch, and `trust/log.vkey`, which names them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.ledger.log_keys import LogSigner, LogVerifier
from kokuin.ledger.note_faults import NoteError
from kokuin.service.unit_errors import UnitError
from pqc.keyfiles import KeyFileError, read_key, write_key
from pqc.newfile import write_durably, write_new
from pqc.signing import KeyMismatchError, SignerError, SoftwareSigner, generate_key
from pqc.suites import suite

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

SUITES = ("ed25519", "ml-dsa-44")
"""Of a log's two keys, in the order of its signature lines (C2SP tlog-checkpoint)."""


def origin_of(config: Config, epoch: int) -> str:
    """Return the origin of an epoch's checkpoints."""
    return f"{config.ledger.origin}/{epoch}"


def log_key_file(config: Config, epoch: int, suite_id: str) -> Path:
    """Where a checkpoint key of an epoch lies."""
    return config.keys / f"log-{epoch}-{suite_id}.pem"


def make_log_keys(folder: DataFolder, config: Config, epoch: int, passphrase: bytes | None) -> LogSigner:
    """Make what is missing of an epoch's keys, add them to `trust/log.vkey`, and open them.

    Raises:
        UnitError: a key that lies there cannot be used, or the origin can name no key.
        OSError: a file cannot be written.
    """
    for suite_id in SUITES:
        path = log_key_file(config, epoch, suite_id)
        if not path.exists():
            write_key(path, generate_key(suite(suite_id)), passphrase)
    signer = _open(config, epoch, passphrase)
    known = folder.log_keys.read_text(encoding="utf-8") if folder.log_keys.exists() else ""
    lines = [key.encode() for key in signer.verifier_keys()]
    # A crash before this line leaves keys that nobody trusts yet; the next attempt takes them up.
    added = "".join(f"{line}\n" for line in lines if line not in known.split("\n"))
    write_durably(folder.log_keys, (known + added).encode())
    return signer


def copy_log_keys(other: DataFolder, others: Config, folder: DataFolder, config: Config) -> None:
    """Give a new node the keys of the log that it shares with another, as they lie there.

    Args:
        other: the other node's folder.
        others: its settings.
        folder: the new node's.
        config: its settings.

    Raises:
        UnitError: the other folder has no keys of a log.
        OSError: a file cannot be read or written.
    """
    published_keys(other)
    for path in sorted(others.keys.glob("log-*.pem")):
        write_new(config.keys / path.name, path.read_bytes())
    write_durably(folder.log_keys, other.log_keys.read_bytes())


def take_log_keys(other: DataFolder, others: Config, folder: DataFolder, config: Config) -> int:
    """Give a node what it lacks of the keys of the log that it shares with another; return how many files.

    Args:
        other: the other node's folder; the keys that both `trust/log.vkey` name are the same.
        others: its settings.
        folder: the node's.
        config: its settings.

    Raises:
        UnitError: another key lies here under the name of one.
        OSError: a file cannot be read or written.
    """
    taken = 0
    for path in sorted(others.keys.glob("log-*.pem")):
        own, octets = config.keys / path.name, path.read_bytes()
        if not own.exists():
            write_new(own, octets)
            taken += 1
        elif own.read_bytes() != octets:
            raise UnitError(f"{own} is another key than {path}")
    known = folder.log_keys.read_text(encoding="utf-8")
    lines = other.log_keys.read_text(encoding="utf-8").splitlines()
    # A crash before this line leaves keys that nobody trusts yet; the next attempt finds them.
    added = "".join(f"{line}\n" for line in lines if line not in known.split("\n"))
    write_durably(folder.log_keys, (known + added).encode())
    return taken


def open_log_signer(folder: DataFolder, config: Config, epoch: int, passphrase: bytes | None) -> LogSigner:
    """Open an epoch's keys, which must be those that `trust/log.vkey` tells the world.

    Raises:
        UnitError: a key is missing or cannot be used, or is another than was published.
    """
    signer = _open(config, epoch, passphrase)
    if published_keys(folder).keys(signer.origin) != signer.verifier_keys():
        raise UnitError(f"{folder.log_keys} names other keys, or another ledger.origin, for epoch {epoch}")
    return signer


def published_keys(folder: DataFolder) -> LogVerifier:
    """Return the keys of all epochs that `trust/log.vkey` names.

    Raises:
        UnitError: the file cannot be read.
    """
    try:
        return LogVerifier.parse(folder.log_keys.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnitError(f"{folder.log_keys}: {error.strerror}") from None
    except (NoteError, UnicodeDecodeError) as error:
        raise UnitError(f"{folder.log_keys}: {error}") from None


def _open(config: Config, epoch: int, passphrase: bytes | None) -> LogSigner:
    signers = []
    for suite_id in SUITES:
        path = log_key_file(config, epoch, suite_id)
        try:
            signers.append(SoftwareSigner(suite(suite_id), read_key(path, passphrase)))
        except (KeyFileError, KeyMismatchError, SignerError) as error:
            raise UnitError(f"{path}: {error}") from None
    try:
        return LogSigner(origin_of(config, epoch), *signers)
    except NoteError as error:
        raise UnitError(f"ledger.origin: {error}") from None
