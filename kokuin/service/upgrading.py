"""Bringing a data folder of the former format to this one: the tree, its checkpoints' name and keys.

Every step leaves what the next attempt takes up, and the format number is
written last: a folder is served before or after, never between.
"""

from __future__ import annotations

import os
import re
import tomllib
from typing import TYPE_CHECKING

from sqlalchemy.exc import DatabaseError

from kokuin.ledger import schema
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.leaf import leaf_hash
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.service.config import ConfigError, load_config
from kokuin.service.datafolder import FORMAT, FolderLock
from kokuin.service.initialising import new_origin
from kokuin.service.log_signing import make_log_keys
from kokuin.service.units import read_passphrase
from pqc.newfile import write_durably

if TYPE_CHECKING:
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

FORMER = 1
"""The format that can be brought here: a ledger of leaves without a tree."""

_TABLE = re.compile(r"^[ \t]*\[[ \t]*ledger[ \t]*\][^\n]*\n", re.MULTILINE)


def upgrade(folder: DataFolder) -> bool:
    """Bring a folder that nobody serves to `FORMAT`; may be done again after a crash at any moment.

    Returns:
        False when it has this format already; then nothing was touched.

    Raises:
        FolderError: no data folder, one that cannot be brought here, or one that is in use.
        OpenRefusedError: the ledger cannot be read, or a leaf is not the one that was hashed.
        ConfigError, UnitError: the configuration, or a key of the log, cannot be used.
        OSError: a file cannot be written.
    """
    if not _is_former(folder):
        folder.check_format()
        return False
    with FolderLock(folder):
        epoch = _grow(folder)
        config = _named(folder)
        config.keys.mkdir(parents=True, exist_ok=True)
        make_log_keys(folder, config, epoch, read_passphrase(config, dict(os.environ)))
        # A crash before this line leaves a folder of the former format, which this release does not serve.
        write_durably(folder.format, f"{FORMAT}\n".encode(), 0o644)
    return True


def _is_former(folder: DataFolder) -> bool:
    try:
        return folder.format.read_text(encoding="ascii", errors="replace").strip() == str(FORMER)
    except OSError:
        return False


def _grow(folder: DataFolder) -> int:
    """Grow the tree over the leaves, which must be those that were hashed; return the ledger's epoch."""
    if not folder.ledger.exists():  # migrations would make an empty one
        raise OpenRefusedError(OpenFault.UNREADABLE, f"{folder.ledger} is not there")
    try:
        schema.upgrade(folder.ledger)
    except DatabaseError as error:
        raise OpenRefusedError(OpenFault.UNREADABLE, f"{folder.ledger}: {error.orig}") from error
    with LedgerReader(folder.ledger) as reader:
        # Attack: a leaf that was changed in the file would be vouched for by checkpoints from now on.
        for stored in reader.walk(tokens=False):
            if leaf_hash(stored.leaf) != stored.leaf_hash:
                raise OpenRefusedError(OpenFault.INCONSISTENT, f"leaf {stored.index} is not the one hashed")
    store = SqliteStore(folder.ledger)
    store.close()
    return store.head.epoch


def _named(folder: DataFolder) -> Config:
    """Return the settings, in which the log has a name of its own from now on."""
    config = load_config(folder.root)
    if "origin" in config.ledger.model_fields_set:
        return config
    text = folder.config.read_text(encoding="utf-8")
    line = f'origin = "{new_origin()}"\n'
    named = _TABLE.sub(lambda table: table[0] + line, text, count=1)
    if named == text:
        named = f"{text.rstrip()}\n\n[ledger]\n{line}"
    _require_only_named(folder, text, named)
    write_durably(folder.config, named.encode(), folder.config.stat().st_mode & 0o777)
    return load_config(folder.root)


def _require_only_named(folder: DataFolder, before: str, after: str) -> None:
    """Refuse an edit that did more than name the log: TOML has several ways to write a table."""
    try:
        table = tomllib.loads(after)
        del table["ledger"]["origin"]
        if {"ledger": {}} | tomllib.loads(before) == table:
            return
    except (tomllib.TOMLDecodeError, KeyError):
        pass
    raise ConfigError(f"{folder.config}: write ledger.origin, the name of the log, into it by hand")
