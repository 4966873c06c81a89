"""A ledger of real tokens for rehearsals, and the look at a folder that must not change."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from kokuin.service.access.principal import Principal
from kokuin.service.config import load_config
from kokuin.service.installer import Installer
from kokuin.service.keeper_link import LocalPort
from kokuin.service.keeper_process import make_keeper
from kokuin.service.responder import Responder
from kokuin.wire.algorithms import DIGEST_BY_NAME
from tsa.client import make_query

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.installation import Installation

HASHES = ("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512")
TOKENS = 240
_ANYBODY = Principal("public", "anonymous", frozenset())


def issue_tokens(folder: DataFolder, tokens: int = TOKENS) -> None:
    """Have a folder issue by its default profile: all hashes alike, half of the tokens with certificates."""
    asyncio.run(_issue(folder, tokens))


async def _issue(folder: DataFolder, tokens: int) -> None:
    keeper = make_keeper(folder, load_config(folder.root, {}))
    await keeper.start()
    installed: asyncio.Future[Installation] = asyncio.get_running_loop().create_future()
    installer = Installer(folder, load_config(folder.root, {}), installed.set_result)
    keeper.subscribe(installer.on_push)
    units = await installed
    responder = Responder(units.issuers, units.default, LocalPort(keeper, "test"), units.slow)
    for start in range(0, tokens, 1000):
        answers = await asyncio.gather(
            *(responder.answer(_body(number), _ANYBODY) for number in range(start, min(start + 1000, tokens)))
        )
        assert all(answer.refusal is None for answer in answers)
    responder.close()
    await keeper.stop()


def _body(number: int) -> bytes:
    name = HASHES[number % len(HASHES)]
    imprint = DIGEST_BY_NAME[name].of(b"document %d" % number)
    return make_query(name, imprint, certificates=number % (2 * len(HASHES)) < len(HASHES)).der


def tree(root: Path) -> dict[str, str]:
    """Return SHA-256 (hex) of every file of a folder by its name.

    Apart are what SQLite puts beside a database for readers: its index, and an empty write-ahead log.
    """
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and path.suffix != ".db-shm"
        and not (path.suffix == ".db-wal" and not path.stat().st_size)
    }
