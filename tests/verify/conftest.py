"""What holds for every test of verifying."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.offline import offline
from tests.reportschema import all_valid

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _every_report_is_of_the_published_form() -> Iterator[None]:
    with all_valid():
        yield


@pytest.fixture(autouse=True)
def network_attempts() -> Iterator[list[str]]:
    """Forbid every network; give what was tried all the same."""
    with offline() as attempts:
        yield attempts
