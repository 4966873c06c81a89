"""The kept connection over which a node looks for stops of others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from kokuin.service.access.stop_views import StopReader
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from kokuin.ledger.reader import StoreReader


class Connection:
    """A reader that answers when it is let, and notes in which order it is asked and closed."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.asked, self.answering = threading.Event(), threading.Event()

    def newest_of_all(self, *_kinds: str) -> Any:
        self.asked.set()
        assert self.answering.wait(PATIENCE_S)
        self.seen.append("answered")

    def close(self) -> None:
        self.seen.append("closed")


def test_a_connection_in_use_is_closed_after_its_answer_and_never_opened_again() -> None:
    connections = [Connection(), Connection()]
    opening = iter(connections)
    reader = StopReader(lambda: cast("StoreReader", next(opening)))
    first = connections[0]
    asking = threading.Thread(target=reader.newest)
    closing = threading.Thread(target=reader.close)
    asking.start()
    assert first.asked.wait(PATIENCE_S)
    closing.start()
    closing.join(0.2)
    first.answering.set()
    asking.join(PATIENCE_S)
    closing.join(PATIENCE_S)
    assert first.seen == ["answered", "closed"]
    assert reader.newest() is None
    assert next(opening) is connections[1]
