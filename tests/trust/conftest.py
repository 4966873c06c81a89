"""What holds for every test of judging."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.offline import offline

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def network_attempts() -> Iterator[list[str]]:
    """Forbid every network; give what was tried all the same."""
    with offline() as attempts:
        yield attempts
