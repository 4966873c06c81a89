"""The whole API as schemathesis asks it, with and without keys: nothing breaks, and a no is a no."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.service.running import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.running import Prepared

SEED = 3161
EXAMPLES = 2
"""Of each operation, caller and port; `make fuzz` asks more."""


@pytest.mark.timeout(400)  # hundreds of requests, some of which start children
def test_no_request_breaks_the_service_or_reaches_what_the_table_denies(
    folder_of: Callable[[str], Prepared], at_once: str
) -> None:
    # Seconds to load, which each process of a test run would pay.
    from tests.service.fuzz_api import SETTINGS, run_api  # noqa: PLC0415

    with serving(folder_of("hybrid"), {**SETTINGS, "PYTHONPATH": at_once}) as service:
        run = run_api(service, EXAMPLES, SEED)
        assert run.violations == []
        assert run.operations >= {
            "POST /api/v1/batches",
            "POST /tsa",
            "GET /api/v1/evidence/{serial}",
            "GET /api/v1/ledger/export",
            "POST /api/v1/profiles/{name}/use",
        }
        # Who may does get through, else nothing was tried.
        assert {
            ("operator", "GET /api/v1/status"),
            ("a tenant's auditor", "GET /api/v1/ledger/records"),
        } <= run.reached
        assert ("nobody", "GET /api/v1/ledger/records") not in run.reached
        assert service.process.poll() is None
        assert not [event for event in service.events() if event["level"] == "error"]
