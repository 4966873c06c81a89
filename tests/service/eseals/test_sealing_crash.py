"""`kill -9` between a seal's record and its release: nothing is released twice, and nothing is lost."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.service.eseals.test_sealing_http import DATA, Sealing, code_of
from tests.service.running import Prepared, leaves, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KILLING = """\
import os, signal, sys
os.nice = lambda _: 0
class Finder:
    def find_spec(self, name, path, target=None):
        if name != "kokuin.service.eseals.jobs":
            return None
        sys.meta_path.remove(self)
        import importlib.util
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            entries = sys.modules["kokuin.service.eseals.entries"]
            def end(entry, outcome):
                os.kill(os.getpid(), signal.SIGKILL)
            entries.Entry.end = end
        spec.loader.exec_module = exec_module
        return spec
sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def killing(tmp_path: Path) -> str:
    """Give a PYTHONPATH with which a service dies where it would release a seal."""
    (tmp_path / "sitecustomize.py").write_text(KILLING)
    return os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.mark.timeout(300)
def test_a_seal_that_is_on_record_is_what_the_same_request_gets_after_a_crash(
    folder_of: Callable[[str], Prepared], killing: str, at_once: str
) -> None:
    prepared = folder_of("classical")
    with serving(prepared, {"PYTHONPATH": killing}, afresh=True) as service:
        sealing = Sealing(service)
        with pytest.raises(httpx.HTTPError):
            sealing.post("/seals/cades?level=B-B", DATA, idempotency_key="one")
        assert service.process.wait(60) < 0
    (leaf,) = [each for each in leaves(prepared.folder) if each["kind"] == "seal.issued"]
    with serving(prepared, {"PYTHONPATH": at_once}) as service:
        sealing.service = service
        answer = sealing.post("/seals/cades?level=B-B", DATA, idempotency_key="one")
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-seal-record"] == leaf["id"]
        assert hashlib.sha256(answer.content).hexdigest() == leaf["out"]
        assert len(sealing.issued()) == 1
        other = sealing.post("/seals/cades?level=B-B", b"another", idempotency_key="one")
        assert code_of(other, 422) == "IDEMPOTENCY_KEY_REUSED"
