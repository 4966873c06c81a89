"""What the keeper reads of the ledger before it goes on."""

from __future__ import annotations

import pytest

from kokuin.ledger.reader import LedgerReader, Stored
from kokuin.service.activation import ActivationError, last_configuration, stopped_by_clock


class ChangedLedger(LedgerReader):
    """A ledger whose newest leaf of any kind is no leaf."""

    def __init__(self) -> None:
        pass

    def newest(self, *kinds: str) -> Stored | None:
        return Stored(len(kinds), b'{"v":1,"kind":"cfg.activated"', bytes(32), None)


@pytest.mark.parametrize("read", [last_configuration, stopped_by_clock])
def test_a_leaf_that_somebody_changed_keeps_the_service_from_starting(read: object) -> None:
    assert callable(read)
    with pytest.raises(ActivationError, match="cannot be read"):
        read(ChangedLedger())
