"""Sealing over real HTTP by a tenant's client: recorded, judged offline, once for each idempotency key."""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.cli.main import main
from kokuin.service.owner import ask_owner
from tests.eseal.pdf.plain import compressed_pages, pages
from tests.service.eseals.benches import PROFILE
from tests.service.running import PATIENCE_S, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from tests.service.running import Prepared, Service

DATA = b"a letter\n"
DOCUMENT = {"invoice": "2026-001", "total": 1200}


def code_of(answer: httpx.Response, status: int) -> str:
    """Return the code of a problem with this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["code"])


class Sealing:
    """A service, and a tenant's client who may seal."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.tenant = self.done("access.tenant.add", name="Murasaki")["tenant"]
        self.key = self.client()
        text = PROFILE.format(suites='"ecdsa-p256-sha256"')
        self.done("seal-profile.add", tenant=self.tenant, name="invoices", text=text)

    def done(self, operation: str, **arguments: Any) -> dict[str, Any]:
        answer = ask_owner(self.service.folder.owner_socket, operation, arguments, 60.0)
        assert answer["ok"], answer
        return answer

    def client(self, tenant: str = "", **rights: Any) -> str:
        """Return the key of a new client."""
        wanted = {"tenant": tenant or self.tenant, "name": secrets.token_hex(4), "roles": ["seal"], **rights}
        made = self.done("access.client.add", **wanted)
        return str(self.done("access.key.create", client=made["client"])["text"])

    def post(self, path: str, content: bytes, *, key: str = "", **headers: str) -> httpx.Response:
        fields = {
            "authorization": f"Bearer {key or self.key}",
            "content-type": "application/octet-stream",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.service.client.post(f"/api/v1{path}", content=content, headers=fields)

    def get(self, path: str, *, key: str = "", method: str = "GET") -> httpx.Response:
        fields = {"authorization": f"Bearer {key or self.key}"}
        return self.service.client.request(method, path, headers=fields)

    def ended(self, place: str) -> dict[str, Any]:
        """Return what is told of a job that has ended."""
        late = time.monotonic() + PATIENCE_S
        while (shown := self.get(place).json())["state"] == "running":
            assert time.monotonic() < late, shown
            time.sleep(0.02)
        return dict(shown)

    def issued(self) -> list[dict[str, Any]]:
        return [dict(leaf) for leaf in self.service.leaves() if leaf["kind"] == "seal.issued"]


@pytest.fixture(scope="module")
def sealing(folder_of: Callable[[str], Prepared], at_once: str) -> Iterator[Sealing]:
    with serving(folder_of("classical"), {"PYTHONPATH": at_once}) as service:
        yield Sealing(service)


def test_a_client_of_a_tenant_gets_a_file_sealed_and_the_seal_is_judged_offline(
    sealing: Sealing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = sealing.post("/seals/cades?level=B-T", DATA)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pkcs7-signature"
    assert answer.headers["x-seal-level"] == "B-T"
    leaf = sealing.issued()[-1]
    assert leaf["id"] == answer.headers["x-seal-record"]
    assert leaf["doc"] == hashlib.sha256(DATA).hexdigest()
    assert leaf["out"] == hashlib.sha256(answer.content).hexdigest()
    (token,) = leaf["toks"]
    assert token in {each.get("tok") for each in sealing.service.leaves()}
    (tmp_path / "seal").write_bytes(answer.content)
    (tmp_path / "data").write_bytes(DATA)
    trust = sealing.service.folder.root / "trust"
    words = ["verify", str(tmp_path / "seal"), "--data", str(tmp_path / "data"), "--trust", str(trust)]
    assert main([*words, "--json"]) == 0, capsys.readouterr()
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-binary", "-in", str(tmp_path / "seal")]
    command += ["-content", str(tmp_path / "data"), "-CAfile", str(sealing.service.folder.seal_anchors)]
    command += ["-purpose", "any"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("level", ["B-B", "B-T", "B-LT", "B-LTA"])
def test_json_is_sealed_at_each_level(sealing: Sealing, level: str) -> None:
    content = json.dumps(DOCUMENT).encode()
    answer = sealing.post(f"/seals/json?level={level}", content, content_type="application/json")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-seal-level"] == level


@pytest.mark.parametrize("level", ["B-B", "B-T", "B-LT", "B-LTA"])
def test_a_pdf_is_sealed_at_each_level_and_judged_offline(
    sealing: Sealing, level: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = sealing.post(f"/seals/pdf?level={level}&reason=issued", pages(), content_type="application/pdf")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-seal-level"] == level
    (tmp_path / "sealed.pdf").write_bytes(answer.content)
    trust = sealing.service.folder.root / "trust"
    assert main(["verify", str(tmp_path / "sealed.pdf"), "--trust", str(trust), "--json"]) == 0, (
        capsys.readouterr()
    )


def test_a_pdf_is_sealed_whose_packing_is_unpacked_by_what_is_loaded_late(sealing: Sealing) -> None:
    answer = sealing.post("/seals/pdf?level=B-B", compressed_pages(), content_type="application/pdf")
    assert answer.status_code == 200, answer.text


def test_a_seal_is_extended(sealing: Sealing) -> None:
    low = sealing.post("/seals/cades?level=B-B", DATA)
    assert low.headers["x-seal-level"] == "B-B"
    answer = sealing.service.client.post(
        "/api/v1/extend",
        files={"document": low.content, "data": DATA},
        data={"level": "B-LTA"},
        headers={"authorization": f"Bearer {sealing.key}"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-seal-level"] == "B-LTA"
    assert sealing.issued()[-1]["act"] == "extend"


def test_an_idempotency_key_gives_the_same_octets_once_and_no_other(sealing: Sealing) -> None:
    before = len(sealing.issued())
    first = sealing.post("/seals/cades", DATA, idempotency_key="one")
    again = sealing.post("/seals/cades", DATA, idempotency_key="one")
    assert (first.status_code, first.content) == (200, again.content)
    assert first.headers["x-seal-record"] == again.headers["x-seal-record"]
    assert len(sealing.issued()) == before + 1
    for other in (
        sealing.post("/seals/cades", b"another letter", idempotency_key="one"),
        sealing.post("/seals/cades?level=B-B", DATA, idempotency_key="one"),
    ):
        assert code_of(other, 422) == "IDEMPOTENCY_KEY_REUSED"
    stranger = sealing.client(sealing.done("access.tenant.add", name="Genji")["tenant"])
    answer = sealing.post("/seals/cades", DATA, key=stranger, idempotency_key="one")
    assert code_of(answer, 404) == "SEAL_PROFILE_UNKNOWN"


def test_the_key_of_another_client_gives_nothing_that_its_own_rights_would_not(sealing: Sealing) -> None:
    """Attack: a client without rights asks with the key and the document of one that has them."""
    first = sealing.post("/seals/cades", DATA, idempotency_key="shared")
    assert first.status_code == 200
    held = sealing.client(profiles=["letters"])
    answer = sealing.post("/seals/cades?profile=invoices", DATA, key=held, idempotency_key="shared")
    assert code_of(answer, 403) == "SEAL_PROFILE_NOT_ALLOWED"
    answer = sealing.post("/seals/cades", DATA, key=held, idempotency_key="shared")
    assert code_of(answer, 404) == "SEAL_PROFILE_UNKNOWN"
    bound = sealing.client(activated=True)
    answer = sealing.post("/seals/cades", DATA, key=bound, idempotency_key="shared")
    assert code_of(answer, 403) == "ACTIVATION_WANTED"
    other = sealing.post("/seals/cades", DATA, key=sealing.client(), idempotency_key="shared")
    assert (other.status_code, other.headers["x-seal-record"] == first.headers["x-seal-record"]) == (
        200,
        False,
    )


def test_a_job_is_asked_for_fetched_and_forgotten_by_its_client_alone(sealing: Sealing) -> None:
    begun = sealing.post("/seals/cades", DATA, prefer="respond-async")
    assert begun.status_code == 202, begun.text
    place = begun.headers["location"]
    stranger = sealing.client(sealing.done("access.tenant.add", name="Kaoru")["tenant"])
    for key in (stranger, sealing.client()):
        assert code_of(sealing.get(place, key=key), 404) == "JOB_UNKNOWN"
    shown = sealing.ended(place)
    assert (shown["state"], shown["level"]) == ("done", "B-T")
    result = sealing.get(f"{place}/result")
    assert hashlib.sha256(result.content).hexdigest() == sealing.issued()[-1]["out"]
    assert sealing.get(place, method="DELETE").status_code == 204
    assert code_of(sealing.get(place), 404) == "JOB_UNKNOWN"


def test_who_may_not_seal_is_refused_before_anything_is_read(sealing: Sealing) -> None:
    stamper = sealing.client(roles=["stamp"])
    assert code_of(sealing.post("/seals/cades", DATA, key=stamper), 403) == "ROLE_WANTED"
    held = sealing.client(profiles=["letters"])
    assert code_of(sealing.post("/seals/cades?profile=invoices", DATA, key=held), 403) == (
        "SEAL_PROFILE_NOT_ALLOWED"
    )
    classed = sealing.client(classes=["letter"])
    assert code_of(sealing.post("/seals/cades", DATA, key=classed), 403) == "CLASS_NOT_ALLOWED"
    assert sealing.post("/seals/cades?class=letter", DATA, key=classed).status_code == 200
    bound = sealing.client(activated=True)
    assert code_of(sealing.post("/seals/cades", DATA, key=bound), 403) == "ACTIVATION_WANTED"
    few = sealing.client(rate=0.001, burst=1)
    assert sealing.post("/seals/cades", DATA, key=few).status_code == 200
    assert code_of(sealing.post("/seals/cades", DATA, key=few), 429) == "RATE_EXCEEDED"


@pytest.mark.parametrize(
    ("path", "content", "status", "code"),
    [
        ("/seals/cades?level=B-X", DATA, 422, "REQUEST_INVALID"),
        ("/seals/cades?colour=red", DATA, 422, "REQUEST_INVALID"),
        ("/seals/cades?profile=letters", DATA, 404, "SEAL_PROFILE_UNKNOWN"),
        ("/seals/cades?level=B-B&min_level=B-T", DATA, 422, "SEAL_LEVEL_NOT_ALLOWED"),
        ("/seals/json", b"{", 422, "SEAL_DOCUMENT_UNFIT"),
        ("/seals/json", b"[" * 100 + b"]" * 100, 422, "SEAL_DOCUMENT_UNFIT"),
        ("/seals/json", b" " * (8 << 20) + b"{}", 413, "HTTP_BODY_TOO_LARGE"),
        ("/extend", b"no seal", 422, "SEAL_DOCUMENT_UNFIT"),
    ],
)
def test_what_cannot_be_sealed_is_a_problem_with_a_code(
    sealing: Sealing, path: str, content: bytes, status: int, code: str
) -> None:
    before = len(sealing.issued())
    assert code_of(sealing.post(path, content), status) == code
    assert len(sealing.issued()) == before


def test_the_emergency_stop_stops_sealing_too(
    folder_of: Callable[[str], Prepared], at_once: str, tmp_path: Path
) -> None:
    with serving(folder_of("classical"), {"PYTHONPATH": at_once}) as service:
        sealing = Sealing(service)
        sealing.done("stop.set", reason="a drill")
        answer = sealing.post("/seals/cades?level=B-B", DATA)
        assert code_of(answer, 503) == "EMERGENCY_STOP"
        (tmp_path / "letter").write_bytes(DATA)
        words = ["seal", str(tmp_path / "letter"), "--level", "B-B", "--tenant", sealing.tenant]
        assert main([*words, "--dir", str(service.folder.root)]) == 1
        assert sealing.issued() == []
        assert not (tmp_path / "letter.p7s").exists()


def test_the_command_seals_and_extends_over_http_and_in_the_folder(
    sealing: Sealing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letter").write_bytes(DATA)
    (tmp_path / "key").write_text(sealing.key)
    url = str(sealing.service.client.base_url).rstrip("/")
    ways = {
        "http": ["--url", url, "--key-file", str(tmp_path / "key")],
        "folder": ["--dir", str(sealing.service.folder.root), "--tenant", sealing.tenant],
    }
    for name, way in ways.items():
        seal, extended = tmp_path / f"{name}.p7s", tmp_path / f"{name}.lta"
        assert main(["seal", str(tmp_path / "letter"), "-o", str(seal), *way]) == 0, capsys.readouterr()
        words = ["extend", str(seal), "--data", str(tmp_path / "letter"), "--level", "B-LTA"]
        assert main([*words, "-o", str(extended), *way]) == 0, capsys.readouterr()
        assert "B-LTA" in capsys.readouterr().out
        assert sealing.issued()[-1]["out"] == hashlib.sha256(extended.read_bytes()).hexdigest()
        assert (
            main(["seal", str(tmp_path / "letter"), "-o", str(tmp_path / "x"), "--profile", "no", *way]) == 1
        )
    assert not any((sealing.service.folder.jobs).glob(".owner-*"))
