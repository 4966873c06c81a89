from __future__ import annotations

from typing import TYPE_CHECKING

from tests.service.assaults import flood, floods, halves
from tests.service.fuzz_http import SETTINGS, complaints, run_http
from tests.service.running import NEVER_BEHIND, Prepared, serving

if TYPE_CHECKING:
    from collections.abc import Callable


def test_200_mutated_bodies_get_an_answer_and_leave_one_leaf_a_reason(
    folder_of: Callable[[str], Prepared],
) -> None:
    with serving(folder_of("classical"), settings=SETTINGS) as service:
        run = run_http(service, 200, seed=3161)
    assert run.violations == []
    assert run.statuses == {200: 200}
    assert run.granted > 5
    assert run.leaves["tst.refused"] < 30


def test_floods_and_halves_are_refused_while_another_client_is_served(
    folder_of: Callable[[str], Prepared],
) -> None:
    short = {**NEVER_BEHIND, "TSA_SERVER__HEADER_SECONDS": "1", "TSA_SERVER__BODY_SECONDS": "1"}
    with serving(folder_of("classical"), settings=short) as service:
        pieces = floods(30)
        found = [flood(service, name, pieces[name]) for name in ("body, chunked", "header line")]
        found.extend(halves(service, 50))
        assert complaints(service) == []
    for assault in found:
        assert assault.failed == 0, assault
        assert assault.served > 0, assault
        assert set(assault.statuses) <= {408, 413, 431}, assault
    assert [sum(assault.statuses.values()) for assault in found[-2:]] == [50, 50]
