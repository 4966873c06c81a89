"""A tenant learns nothing of another: not by search, index, serial number, digest, cursor, bundle, error."""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.ledger.bundle_check import check_bundle
from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.log_keys import LogVerifier
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.tlog_proof import read_proof
from kokuin.service.access.principal import PUBLIC_TENANT, Principal, Role
from kokuin.service.config import load_config
from kokuin.trust.report import Indication
from tests.service.access.callers import ACME, BLUME, OPERATOR, Callers, application, ask, code
from tests.service.asking import granted, imprint, query, serial_of
from tests.service.epochs import Desked
from tests.service.rig import rigged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import httpx

    from kokuin.service.app import Application
    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared

EACH = 3
RECORDS = "/api/v1/ledger/records"
INCLUSION = "/api/v1/ledger/proofs/inclusion"
EXPORT = "/api/v1/ledger/export"
TOKEN = "/api/v1/timestamps/"  # a path
KEYED = {"TSA_ACCESS__TIMESTAMPS": "keyed"}
MOST = 1 << 40


@dataclass
class Stamped:
    """A time-stamp of a tenant and what would betray it."""

    index: int
    leaf: Mapping[str, Any]
    token: bytes
    digest: str
    value: bytes

    @property
    def serial(self) -> str:
        return str(self.leaf["serial"])

    def traces(self) -> set[bytes]:
        """Everything of it that another may not meet, in the forms in which it may be written."""
        texts = {
            str(self.leaf[name]) for name in ("tenant", "actor", "serial", "req", "tok", "imp", "id", "salt")
        }
        assert self.leaf["imp"] == self.value.hex()
        serial = bytes.fromhex(self.serial).lstrip(b"\0")
        found = {text.encode() for text in texts} | {self.value, self.token, serial}
        return {each for each in found if len(each) > 8}


@dataclass
class Scene:
    """A ledger of three tenants, and whoever asks it."""

    folder: DataFolder
    stamped: dict[str, list[Stamped]]
    app: Application
    keys: dict[tuple[str, Role], str]
    size: int

    def ask(self, path: str, tenant: str | None = ACME, role: Role = Role.AUDIT) -> httpx.Response:
        return ask(self.app, path, None if tenant is None else self.keys[tenant, role])

    def bundle(self, query_string: str = "", tenant: str = ACME) -> bytes:
        answer = self.ask(EXPORT + query_string, tenant)
        assert answer.status_code == 200, answer.text
        return answer.content


def actor(tenant: str) -> str:
    return f"c-{hashlib.sha256(tenant.encode()).hexdigest()[:16]}"


async def stamp_for_all(folder: DataFolder, desked: Desked) -> dict[str, list[tuple[bytes, bytes]]]:
    """Stamp for each tenant by turns; return the values and responses."""
    found: dict[str, list[tuple[bytes, bytes]]] = {ACME: [], BLUME: [], PUBLIC_TENANT: []}
    async with rigged(folder, desked.journal) as rig:
        for number, tenant in itertools.product(range(EACH), found):
            value = hashlib.sha256(f"{tenant} {number}".encode()).digest()
            principal = Principal(tenant, actor(tenant), frozenset({Role.STAMP}))
            body = query(message_imprint=imprint(value=value), nonce=None)
            answer = await rig.app.stamp._responder.answer(body, principal)
            assert answer.refusal is None
            found[tenant].append((value, answer.body))
    return found


@pytest.fixture(scope="module")
def scene(folder_of: Callable[[str], Prepared], at_once: str) -> Iterator[Scene]:
    folder = folder_of("classical").folder
    desked = Desked(folder)
    made = asyncio.run(stamp_for_all(folder, desked))
    desked.publish()
    stamped: dict[str, list[Stamped]] = {}
    with LedgerReader(folder.ledger) as reader:
        size = reader.size()
        for tenant, each in made.items():
            stamped[tenant] = []
            for value, body in each:
                stored = reader.by_serial(serial_of(body))
                assert stored is not None
                token = granted(body).dump()
                digest = hashlib.sha256(token).hexdigest()
                one = Stamped(stored.index, read_leaf(stored.leaf), token, digest, value)
                assert one.leaf["tenant"] == tenant
                assert one.leaf["tok"] == digest
                stamped[tenant].append(one)
    callers = Callers()
    keys = {(tenant, role): callers.add(tenant, role) for tenant in (ACME, BLUME, OPERATOR) for role in Role}
    app, _ = application(callers, load_config(folder.root, KEYED), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", at_once)
        yield Scene(folder, stamped, app, keys, size)
    desked.end()


def same(one: httpx.Response, other: httpx.Response) -> None:
    """Two answers differ in nothing but the id of their request."""
    forms = []
    for answer in (one, other):
        request = answer.headers["x-request-id"].encode()
        fields = [(name, value) for name, value in answer.headers.raw if name != b"x-request-id"]
        forms.append((answer.status_code, fields, answer.content.replace(request, b"REQUEST")))
    assert forms[0] == forms[1]


def free_of(octets: bytes, others: list[Stamped]) -> None:
    """Nothing of others' time-stamps stands anywhere in these octets."""
    for each in others:
        for trace in each.traces():
            assert trace not in octets, trace


def others(scene: Scene) -> list[Stamped]:
    return scene.stamped[BLUME] + scene.stamped[PUBLIC_TENANT]


def pages(scene: Scene, asked: str, tenant: str = ACME) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        answer = scene.ask(f"{RECORDS}?limit=2{asked}{f'&cursor={cursor}' if cursor else ''}", tenant)
        assert answer.status_code == 200, answer.text
        found += answer.json()["records"]
        assert answer.json()["stale"] == 0
        cursor = answer.json()["next"]
    return found


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_a_search_without_conditions_finds_the_own_records_and_all_of_them(scene: Scene, order: str) -> None:
    found = pages(scene, f"&order={order}")
    assert {record["index"] for record in found} == {each.index for each in scene.stamped[ACME]}
    assert all(record["leaf"]["tenant"] == ACME for record in found)
    free_of(repr(found).encode(), others(scene))
    assert len(pages(scene, "", OPERATOR)) == scene.size


@pytest.mark.parametrize("field", ["serial", "imp", "req", "tok", "tok512"])
def test_a_search_for_what_another_has_finds_what_a_search_for_nothing_finds(
    scene: Scene, field: str
) -> None:
    names = {"imp": "imprint", "req": "request", "tok": "token", "tok512": "token"}
    for each in others(scene):
        value = str(each.leaf[field])
        unknown = hashlib.sha512(value.encode()).hexdigest()[: len(value)]
        asked = f"{RECORDS}?{names.get(field, field)}="
        same(scene.ask(asked + value), scene.ask(asked + unknown))
        own = scene.ask(f"{asked}{value}&tenant={ACME}")
        assert own.json()["records"] == []


def test_naming_a_tenant_is_refused_alike_whether_or_not_there_is_one(scene: Scene) -> None:
    answers = [
        scene.ask(f"{RECORDS}?tenant={name}")
        for name in (BLUME, "t-zzzzzzzzzzzzzzzz", PUBLIC_TENANT, "service", OPERATOR, "x")
    ]
    for answer in answers:
        assert code(answer) == (403, "TENANT_WRONG")
        same(answer, answers[0])
    assert scene.ask(f"{RECORDS}?tenant={ACME}").json()["records"]
    assert scene.ask(f"{RECORDS}?tenant={BLUME}", OPERATOR).json()["records"]


def test_the_cursor_of_another_s_search_is_none(scene: Scene) -> None:
    for tenant in (BLUME, OPERATOR):
        cursor = scene.ask(f"{RECORDS}?limit=1", tenant).json()["next"]
        assert cursor
        same(
            scene.ask(f"{RECORDS}?limit=1&cursor={cursor}"),
            scene.ask(f"{RECORDS}?limit=1&cursor={'A' * 22}"),
        )


def test_of_a_record_of_another_there_is_the_hash_alone(scene: Scene) -> None:
    own = {each.index for each in scene.stamped[ACME]}
    with LedgerReader(scene.folder.ledger) as reader:
        hashes = [stored.leaf_hash.hex() for stored in reader.walk()]
    for index in range(scene.size):
        answer = scene.ask(f"{RECORDS}/{index}")
        if index in own:
            assert answer.json()["leaf"]["tenant"] == ACME
            assert answer.json()["token"] is True
        else:
            assert answer.json() == {
                "index": index,
                "leaf": None,
                "leaf_hash": hashes[index],
                "token": False,
            }
        assert scene.ask(f"{RECORDS}/{index}", OPERATOR).json()["leaf"] is not None


def test_a_proof_of_another_s_record_is_as_unknown_as_one_of_none(scene: Scene) -> None:
    for each in scene.stamped[BLUME]:
        unknown_serial = f"{int(each.serial, 16) ^ 1:0{len(each.serial)}x}"
        unknown_digest = hashlib.sha256(each.token + b"\0").hexdigest()
        for more in ("", "&wait=true", f"&size={scene.size}", "&size=1"):
            for asked, unknown in (
                (f"index={each.index}", f"index={MOST}"),
                (f"serial={each.serial}", f"serial={unknown_serial}"),
                (f"token={each.digest}", f"token={unknown_digest}"),
                (
                    f"token={each.digest}&serial={each.serial}",
                    f"token={unknown_digest}&serial={unknown_serial}",
                ),
                (f"token={each.digest}&index={each.index}", f"token={unknown_digest}&index={MOST}"),
            ):
                answer = scene.ask(f"{INCLUSION}?{asked}{more}")
                assert code(answer) == (404, "RECORD_UNKNOWN")
                same(answer, scene.ask(f"{INCLUSION}?{unknown}{more}"))
        # Whoever found the token's digest without its tenant's key.
        for tenant, role in ((None, Role.AUDIT), (ACME, Role.STAMP)):
            answer = scene.ask(f"{INCLUSION}?token={each.digest}", tenant, role)
            assert code(answer) == (404, "RECORD_UNKNOWN")
            same(answer, scene.ask(f"{INCLUSION}?token={unknown_digest}", tenant, role))


def test_a_tenant_proves_its_own_records_and_anybody_those_that_anybody_made(scene: Scene) -> None:
    own, public = scene.stamped[ACME][0], scene.stamped[PUBLIC_TENANT][0]
    for asked in (f"index={own.index}", f"serial={own.serial}", f"token={own.digest}"):
        proof = read_proof(scene.ask(f"{INCLUSION}?{asked}").content)
        assert (proof.index, read_leaf(proof.extra)["serial"]) == (own.index, own.serial)
    assert scene.ask(f"{INCLUSION}?token={own.digest}", ACME, Role.STAMP).status_code == 200
    for tenant in (None, ACME, OPERATOR):
        assert scene.ask(f"{INCLUSION}?token={public.digest}", tenant).status_code == 200
    assert scene.ask(f"{INCLUSION}?serial={public.serial}").status_code == 200
    assert code(scene.ask(f"{INCLUSION}?index={public.index}")) == (404, "RECORD_UNKNOWN")
    for each in itertools.chain(*scene.stamped.values()):
        assert scene.ask(f"{INCLUSION}?index={each.index}", OPERATOR).status_code == 200


@pytest.mark.parametrize("role", [Role.STAMP, Role.AUDIT])
def test_a_token_of_another_is_as_unknown_as_one_of_none(scene: Scene, role: Role) -> None:
    for each in scene.stamped[BLUME]:
        answer = scene.ask(TOKEN + each.serial, ACME, role)
        assert code(answer) == (404, "TOKEN_UNKNOWN")
        same(answer, scene.ask(TOKEN + f"{int(each.serial, 16) ^ 1:0{len(each.serial)}x}", ACME, role))
    for tenant in (ACME, PUBLIC_TENANT):
        for each in scene.stamped[tenant]:
            assert each.token in scene.ask(TOKEN + each.serial, ACME, role).content
    own = scene.stamped[ACME][0].serial
    assert code(scene.ask(TOKEN + own, None)) == (401, "CREDENTIAL_WANTED")
    assert code(scene.ask(TOKEN + own, BLUME, role)) == (404, "TOKEN_UNKNOWN")
    assert scene.ask(TOKEN + own, OPERATOR).status_code == 200


def unpacked(bundle: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(bundle)) as tar:
        files = [(member.name, tar.extractfile(member)) for member in tar.getmembers()]
        return {name: file.read() for name, file in files if file is not None}


def test_a_tenant_s_bundle_has_its_own_records_and_of_others_hashes_alone(scene: Scene) -> None:
    bundle = scene.bundle()
    members = unpacked(bundle)
    octets = b"".join([bundle, *members.values(), *(name.encode() for name in members)])
    free_of(octets, others(scene))
    for each in scene.stamped[ACME]:
        assert each.leaf["serial"].encode() in octets
        assert each.token in octets
    # What was looked for is what a whole bundle does hold.
    whole = scene.bundle(tenant=OPERATOR)
    for each in others(scene):
        assert each.serial.encode() in whole
        assert each.token in whole
    keys = LogVerifier.parse(scene.folder.log_keys.read_bytes().decode())
    verdict = check_bundle(io.BytesIO(bundle), keys)
    assert verdict.indication is Indication.PASSED, verdict
    assert verdict.records == EACH


def test_the_bundle_of_another_s_serial_number_is_that_of_none(scene: Scene) -> None:
    for each in (scene.stamped[BLUME][0], scene.stamped[PUBLIC_TENANT][0]):
        unknown = f"{int(each.serial, 16) ^ 1:0{len(each.serial)}x}"
        foreign, none = scene.bundle(f"?serial={each.serial}"), scene.bundle(f"?serial={unknown}")
        assert unpacked(foreign).keys() == unpacked(none).keys()
        for name, octets in unpacked(foreign).items():
            assert octets.replace(each.serial.encode(), unknown.encode()) == unpacked(none)[name], name
        assert each.token not in foreign
    own = scene.stamped[ACME][0]
    assert own.token in scene.bundle(f"?serial={own.serial}")


def test_a_bundle_that_another_began_does_not_go_on(scene: Scene) -> None:
    began = scene.ask(EXPORT, BLUME).headers["x-export-head"]
    same(scene.ask(f"{EXPORT}?chunk=1&head={began}"), scene.ask(f"{EXPORT}?chunk=1&head={'0' * 64}"))
    assert code(scene.ask(f"{EXPORT}?chunk=1&head={began}")) == (412, "EXPORT_CHANGED")


@pytest.mark.parametrize("period", ["since_us=0", "until_us=9"])
def test_no_bundle_says_of_itself_that_it_has_a_period_of_one_tenant(scene: Scene, period: str) -> None:
    assert code(scene.ask(f"{EXPORT}?{period}")) == (422, "REQUEST_INVALID")
    assert scene.ask(f"{EXPORT}?{period}", OPERATOR).status_code == 200


def test_the_entries_of_the_log_are_for_the_operators_auditors(scene: Scene) -> None:
    path = f"/log/tile/entries/000.p/{scene.size}"
    assert code(scene.ask(path)) == (403, "TENANT_WRONG")
    assert scene.stamped[BLUME][0].serial.encode() in scene.ask(path, OPERATOR).content


def test_what_everybody_may_read_betrays_no_tenant(scene: Scene) -> None:
    for path in (
        "/log/checkpoint",
        f"/log/tile/0/000.p/{scene.size}",
        "/openapi.json",
        "/docs",
        "/trust/units.pem",
    ):
        answer = scene.ask(path, None)
        assert answer.status_code == 200, path
        free_of(answer.content, [*others(scene), *scene.stamped[ACME]])
