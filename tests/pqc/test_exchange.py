"""Another implementation of ML-DSA makes the same keys, takes our signatures, and gives ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pqc.dilithium import Dilithium
from tests.pqc.exchange import ml_dsa

if TYPE_CHECKING:
    from collections.abc import Callable

EXCHANGES = dict(ml_dsa(Dilithium()))


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES)
def test_dilithium_py_agrees(exchange: Callable[[], None]) -> None:
    exchange()
