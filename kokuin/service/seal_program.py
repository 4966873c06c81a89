"""The child that hashes an epoch's leaves for its seal, so that nobody who is served waits for it.

Nothing imports it. It reads one line of JSON from its standard input, which then is its lifeline, and prints
the roots.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from kokuin.service.lifeline import watch


def main() -> None:
    """Hash what the line says."""
    line = json.loads(sys.stdin.readline())
    watch(sys.stdin.fileno())
    os.nice(10)
    from kokuin.ledger.epoch_roots import epoch_roots  # noqa: PLC0415  # its libraries take a moment to load
    from kokuin.service.config import Config  # noqa: PLC0415  # likewise
    from kokuin.service.datafolder import DataFolder  # noqa: PLC0415  # likewise
    from kokuin.service.ledger_store import open_reader  # noqa: PLC0415  # likewise

    config = Config.model_validate_json(line["config"])
    with open_reader(DataFolder(Path(line["folder"])), config) as reader:
        leaves = (stored.leaf for stored in reader.walk(line["first"], line["size"], tokens=False))
        roots = epoch_roots(leaves)
    sys.stdout.write(json.dumps({name: root.hex() for name, root in roots.items()}))


if __name__ == "__main__":
    main()
