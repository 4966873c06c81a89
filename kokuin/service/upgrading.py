"""Bringing a data folder of a former format to this one.

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
from kokuin.service.access import state
from kokuin.service.config import ConfigError, load_config
from kokuin.service.datafolder import FORMAT, FolderLock
from kokuin.service.initialising import new_origin
from kokuin.service.log_signing import make_log_keys
from kokuin.service.units import read_passphrase
from pqc.newfile import write_durably

if TYPE_CHECKING:
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

WITHOUT_TREE = 1
"""The format of a ledger of leaves without a tree, its checkpoints' name and keys."""
WITHOUT_STATE = 2
"""The format of a folder that knows nobody but its operator."""


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
    former = _former(folder)
    if former is None:
        folder.check_format()
        return False
    with FolderLock(folder):
        if former == WITHOUT_TREE:
            epoch = _grow(folder)
            config = _with_line(folder, "ledger", "origin", new_origin())
            config.keys.mkdir(parents=True, exist_ok=True)
            make_log_keys(folder, config, epoch, read_passphrase(config, dict(os.environ)))
        # Whoever came was stamped for, and is: to shut a service that others count on is for its operator.
        _with_line(folder, "access", "timestamps", "open")
        if not folder.state.exists():
            state.create(folder.state)
        # A crash before this line leaves a folder of the former format, which this release does not serve.
        write_durably(folder.format, f"{FORMAT}\n".encode(), 0o644)
    return True


def _former(folder: DataFolder) -> int | None:
    """Return the folder's format when it is one that can be brought here."""
    try:
        text = folder.format.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return {str(former): former for former in (WITHOUT_TREE, WITHOUT_STATE)}.get(text)


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


def _with_line(folder: DataFolder, table: str, name: str, value: str) -> Config:
    """Return the settings, which say `name` in a table from now on; what they say already stays."""
    config = load_config(folder.root)
    if name in getattr(config, table).model_fields_set:
        return config
    text = folder.config.read_text(encoding="utf-8")
    line = f'{name} = "{value}"\n'
    head = re.compile(rf"^[ \t]*\[[ \t]*{table}[ \t]*\][^\n]*\n", re.MULTILINE)
    changed = head.sub(lambda found: found[0] + line, text, count=1)
    if changed == text:
        changed = f"{text.rstrip()}\n\n[{table}]\n{line}"
    _require_only_added(folder, text, changed, (table, name))
    write_durably(folder.config, changed.encode(), folder.config.stat().st_mode & 0o777)
    return load_config(folder.root)


def _require_only_added(folder: DataFolder, before: str, after: str, place: tuple[str, str]) -> None:
    """Refuse an edit that did more than add its line: TOML has several ways to write a table."""
    table, name = place
    try:
        settings = tomllib.loads(after)
        del settings[table][name]
        if {table: {}} | tomllib.loads(before) == settings:
            return
    except (tomllib.TOMLDecodeError, KeyError):
        pass
    raise ConfigError(f"{folder.config}: write {table}.{name} into it by hand")
