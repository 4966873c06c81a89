"""Databases brought to a release's tables by packaged migrations; a file is made whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlalchemy import URL, create_engine

from pqc.newfile import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from alembic.config import Config


def create_file(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a database; `fill` is given an empty file, for its owner alone.

    Raises:
        FileExistsError: there is one already.
        OSError: the folder cannot be written.
    """
    if path.exists():
        raise FileExistsError(path)
    draft = path.with_name(path.name + ".new")
    for left in ("", "-wal", "-shm"):
        draft.with_name(draft.name + left).unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    fill(draft)
    # A crash before this line leaves a draft that the next attempt removes, never half a database.
    draft.rename(path)
    sync_folder(path.parent)


def migrate_file(path: Path, config: Config, revision: str) -> None:
    """Bring a database file that nobody writes to a revision in one transaction.

    Raises:
        sqlalchemy.exc.DatabaseError: the file is no database or cannot be written.
    """
    from alembic import command  # noqa: PLC0415 - 0.2 s that only making and migrating a database pays

    engine = create_engine(URL.create("sqlite", database=str(path)), isolation_level="AUTOCOMMIT")
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            connection.exec_driver_sql("PRAGMA synchronous=FULL")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        engine.dispose()


def migrations(location: str) -> Config:
    """Return Alembic's configuration for packaged migrations (`package:folder`); no file is needed."""
    from alembic.config import Config  # noqa: PLC0415 - see `migrate_file`

    config = Config()
    config.set_main_option("script_location", location)
    config.set_main_option("path_separator", "os")
    return config
