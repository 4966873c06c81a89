"""What the store of a stopped folder says of its ledger; a folder that is served has its owner say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.ledger.published import newest_checkpoint
from kokuin.service.log_signing import origin_of
from kokuin.service.published_log import reading

if TYPE_CHECKING:
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

STATUS = "ledger.status"
"""The operation that changes nothing."""


def read_status(folder: DataFolder, config: Config) -> dict[str, Any]:
    """Answer `ledger.status` where nobody serves: of witnesses, stamps and problems nothing is known.

    Raises:
        OpenRefusedError: the ledger cannot be read.
    """
    with reading(folder, config) as reader:
        head, kept = reader.head(), newest_checkpoint(reader)
    return {
        "ok": True,
        "served": False,
        "origin": origin_of(config, head.epoch),
        "epoch": head.epoch,
        "size": head.size,
        "root": head.root.hex(),
        "published": None if kept is None else {"size": kept.size, "at": kept.at},
    }
