"""What the keeper reads of the ledger before it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.reader import LedgerReader, Stored
from kokuin.service.activation import activations, stopped_by_clock
from kokuin.service.activation_error import ActivationError

if TYPE_CHECKING:
    from collections.abc import Iterator


class ChangedLedger(LedgerReader):
    """A ledger whose newest leaf of any kind is no leaf."""

    def __init__(self) -> None:
        pass

    def newest(self, *kinds: str) -> Stored | None:
        return Stored(len(kinds), b'{"v":1,"kind":"cfg.activated"', bytes(32), None)

    def backwards(self, kind: str) -> Iterator[Stored]:
        yield Stored(len(kind), b'{"v":1,"kind":"cfg.activated"', bytes(32), None)


def last_activation(reader: LedgerReader) -> object:
    return next(activations(reader))


@pytest.mark.parametrize("read", [last_activation, stopped_by_clock])
def test_a_leaf_that_somebody_changed_keeps_the_service_from_starting(read: object) -> None:
    assert callable(read)
    with pytest.raises(ActivationError, match="cannot be read"):
        read(ChangedLedger())
