"""Hostile requests to seal to two workers of a real service: each is answered, and the next one is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.service.eseals.fuzz_http import run_seal_http
from tests.service.eseals.test_sealing_http import DATA, Sealing, code_of
from tests.service.eseals.work_bombs import WORK_BOMBS
from tests.service.running import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.service.running import Prepared

PART = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
FORMS = {
    "parts of one name without end": ((PART % b"document" + b"x\r\n") * 20_000, 422, "REQUEST_INVALID"),
    "a text without end": (PART % b"level" + b"B" * 1_000_000, 413, "HTTP_BODY_TOO_LARGE"),
    "headers without end": (b"--b\r\n" + b"X: y\r\n" * 100_000, 422, "REQUEST_INVALID"),
    "boundaries without end": (b"--b\r\n" * 100_000, 422, "REQUEST_INVALID"),
    "nothing": (b"", 422, "REQUEST_INVALID"),
}


@pytest.fixture(scope="module")
def double_sealing(folder_of: Callable[[str], Prepared], at_once: str) -> Iterator[Sealing]:
    with serving(folder_of("classical"), {"PYTHONPATH": at_once}, workers=2) as service:
        yield Sealing(service)


@pytest.mark.timeout(300)
def test_20_damaged_documents_get_a_seal_or_a_problem_from_two_workers(double_sealing: Sealing) -> None:
    run = run_seal_http(double_sealing, 20, 3161)
    assert run.violations == []
    assert run.made > 3


@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_never_ends_is_refused(double_sealing: Sealing, name: str) -> None:
    content, status, code = FORMS[name]
    answer = double_sealing.post("/seals/cades", content, content_type="multipart/form-data; boundary=b")
    assert code_of(answer, status) == code


@pytest.mark.parametrize(
    "name",
    [
        "pdf to seal: arrays_in_arrays",
        "pdf to seal: page_tree_of_depth",
        "pdf to seal: object_stream_packed_twice",
        "pdf to seal: object_stream_that_unpacks_to_much",
        "pdf to seal: xref_stream_that_unpacks_to_much",
        "pdf to seal: sections_in_a_circle",
        "json to seal: objects_in_objects",
        "json to seal: the_same_name_without_end",
        "json to extend: entry_of_depth",
        "cades to extend: elements_in_elements",
    ],
)
def test_a_bomb_is_refused_and_the_next_document_sealed(double_sealing: Sealing, name: str) -> None:
    bomb = WORK_BOMBS[name]
    path = "/extend" if bomb.act == "extend" else f"/seals/{bomb.form}"
    assert code_of(double_sealing.post(path, bomb.make()), 422) == "SEAL_DOCUMENT_UNFIT"
    assert double_sealing.post("/seals/cades?level=B-B", DATA).status_code == 200
