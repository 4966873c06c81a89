"""Secrets stand in no log, leaf, error, metric, answer or process list: a search in all a story wrote."""

from __future__ import annotations

import base64
import json
import os
import secrets as randomness
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from subprocess import PIPE
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kokuin.ledger.reader import LedgerReader
from kokuin.wire.algorithms import DIGESTS
from tests.requests import make_request
from tests.service.access.hiding import ProcessWatch, Written, disguises, found
from tests.service.access.issuers import AUDIENCE, ISSUER, claims, key_of, public, signed
from tests.service.running import PLAIN, QUERY, TSA, prepare, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.running import Prepared, Service

pytestmark = pytest.mark.timeout(400)
TENANT, PERSON = "Aoyama Shoji Kaisha", "Sato Hanako desu"
SUBJECT = "hanako-of-aoyama@id.example"
REQUEST = make_request(next(digest for digest in DIGESTS if digest.name == "sha256"))
BASIC_USER = "archive"
TWO_PEOPLE = {"TSA_ACCESS__APPROVALS": "2", "TSA_SERVER__ADMIN_PORT": "0"}
ROUTES = ("/tsa", "/api/v1/ledger/records", "/nowhere")


@dataclass
class Story:
    """What happened: every secret by name, where each was shown, and all that was written."""

    root: Path
    secrets: dict[str, str] = field(default_factory=dict)
    shown: dict[str, set[str]] = field(default_factory=dict)
    written: Written = field(default_factory=Written)
    watch: ProcessWatch = field(default_factory=ProcessWatch)
    commands: int = 0

    def secret(self, name: str, text: str, *places: str) -> str:
        """Remember a secret and where it may stand."""
        self.secrets[name] = text
        self.shown.setdefault(name, set()).update(places)
        return text

    def tsa(self, *words: str, code: int | None = 0) -> tuple[str, str]:
        """Run a command as a process; return standard output and the place where it is kept."""
        self.commands += 1
        place = f"command {self.commands}: {' '.join(words[:2])}"
        environment = {**os.environ, "TSA_LANG": "en"}
        with subprocess.Popen(
            [TSA, *words], cwd=self.root, env=environment, stdout=PIPE, stderr=PIPE, text=True
        ) as process:
            # It is held until it was looked at: who looks now and then would miss one on a busy machine.
            process.send_signal(signal.SIGSTOP)
            self.watch.look()
            process.send_signal(signal.SIGCONT)
            output, errors = process.communicate()
        self.written.add(f"{place}, output", output)
        self.written.add(f"{place}, errors", errors)
        assert code is None or process.returncode == code, errors
        return output.strip(), f"{place}, output"

    def key(self, name: str, client: str) -> str:
        """Have a key made that is shown once, on standard output."""
        text, place = self.tsa("key", "create", client)
        return self.secret(name, text, place)


def forms(credential: str) -> dict[str, dict[str, str]]:
    """Return the ways in which a client may show a credential, right and wrong: fields of a request."""
    pair = base64.b64encode(f"{BASIC_USER}:{credential}".encode()).decode()
    return {
        "bearer": {"authorization": f"Bearer {credential}"},
        "basic": {"authorization": f"Basic {pair}"},
        "unknown scheme": {"authorization": f"Token {credential}"},
        "no scheme": {"authorization": credential},
        "cookie": {"cookie": f"session={credential}"},
        "field of others": {"x-api-key": credential},
        "referer": {"referer": f"https://client.example/?key={credential}"},
        "agent": {"user-agent": credential},
        "certificate": {"client-cert": credential},
        "request id": {"x-request-id": credential},
    }


def show(story: Story, service: Service, name: str) -> None:
    """Show one secret on every kind of route, in every form, and in places where it does not belong."""
    credential = story.secrets[name]
    for path in ROUTES:
        method = "POST" if path == "/tsa" else "GET"
        for fields in forms(credential).values():
            body = REQUEST if method == "POST" else b""
            service.client.request(method, path, content=body, headers={"content-type": QUERY, **fields})
    twice = [("authorization", f"Bearer {credential}"), ("authorization", f"Bearer {credential}")]
    service.client.post("/tsa", content=REQUEST, headers=[("content-type", QUERY), *twice])
    for target in (
        f"/tsa?api_key={credential}",
        f"/tsa/{credential}",
        f"/api/v1/ledger/records?serial={credential}",
        f"/api/v1/timestamps/{credential}",
        f"/{credential}",
        f"/docs?access_token={credential}",
    ):
        service.client.get(target)
        service.client.post(target, content=REQUEST, headers={"content-type": QUERY})
    operator = {"authorization": f"Bearer {service.operator_key}"}
    port = service.event(event="serving")["admin_port"]
    for path in (
        "dry-runs",
        "tenants",
        "keys",
        "bindings",
        "approvals/x/approve",
        "profiles/x/use",
        "verify",
    ):
        for content in (
            {"profile": [credential], "name": {"a": credential}, "client": credential},
            credential,
        ):
            for there in (service.port, port):
                url = f"http://127.0.0.1:{there}/api/v1/{path}"
                service.client.post(url, json=content, headers=operator)
    service.client.post("/tsa", content=credential.encode(), headers={"content-type": QUERY, **operator})


def mumble(story: Story, service: Service, credential: str) -> None:
    """Send what is no HTTP, with a credential in it."""
    for octets in (
        f"GET /tsa?key={credential} HTTP/9.9\r\n\r\n",
        f"{credential}\r\n\r\n",
        f"POST /tsa HTTP/1.1\r\nAuthorization: Bearer {credential}\r\nContent-Length: many\r\n\r\n",
        f"GET /tsa HTTP/1.1\r\nHost: h\r\nAuthorization: {credential * 400}\r\n\r\n",
        f"POST /tsa HTTP/1.1\r\nHost: h\r\nAuthorization Bearer {credential}\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", service.port), 30) as connection:
            connection.settimeout(30)
            try:
                connection.sendall(octets.encode())
                connection.shutdown(socket.SHUT_WR)
                while answer := connection.recv(65_536):
                    story.written.add("answers to what is no HTTP", answer)
            except ConnectionError:
                continue


def wrong_ones(story: Story, right: str) -> None:
    """Make up credentials that nobody was given; they may be a right one somewhere else."""
    key_id = right.split("_")[1]
    story.secret("wrong secret of a known key", f"kokuin_{key_id}_{randomness.token_urlsafe(32)}")
    story.secret("key of nobody", f"kokuin_{'a' * 16}_{randomness.token_urlsafe(32)}")
    story.secret("wrong operator key", randomness.token_urlsafe(32))
    mine = key_of("ES256")
    for name, changed in (
        ("token", {}),
        ("token of a stranger", {"iss": "https://elsewhere.example"}),
        ("token that is over", {"exp": 1_000_000_000, "iat": 999_999_000}),
        ("token for somebody else", {"aud": "another"}),
        ("token of nobody here", {"sub": "stranger"}),
    ):
        payload = claims(**{"sub": SUBJECT, **changed})
        story.secret(name, signed(mine, "ES256", payload).decode())
    forged = signed(key_of("ES256", kid="ES256", x_mark="forged"), "ES256", claims(sub=SUBJECT))
    story.secret("token with another's signature", forged.decode())


def configure(prepared: Prepared) -> None:
    """Let JWTs of an issuer be taken, and nobody stamp without a credential."""
    root = prepared.folder.root
    (root / "issuer.json").write_text(json.dumps({"keys": [public(key_of("ES256"))]}))
    path = root / "config.toml"
    text = path.read_text().replace(
        'timestamps = "open"', 'timestamps = "keyed"\nfailures_per_minute = 10000'
    )
    corp = {"issuer": ISSUER, "audience": AUDIENCE, "keys": "issuer.json"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in corp.items()]
    path.write_text("\n".join([text, "[access.issuers.corp]", *lines, ""]))


def tell(story: Story, prepared: Prepared) -> None:
    """Let clients come and go, with a service and without."""
    folder = ("--dir", str(prepared.folder.root))
    tenant = story.tsa("tenant", "add", TENANT, *folder)[0]
    client = story.tsa(
        "client", "add", tenant, PERSON, "--role", "stamp", "--role", "audit", "--person", *folder
    )[0]
    text, place = story.tsa("key", "create", client, *folder)
    first = story.secret("key", text, place)
    story.tsa("key", "bind", client, "--issuer", ISSUER, "--subject", SUBJECT, *folder)
    wrong_ones(story, first)
    with serving(prepared, TWO_PEOPLE, workers=2, afresh=True) as service:
        keep_answers(story, service.client)
        stamp = {"content-type": QUERY, "authorization": f"Bearer {first}"}
        assert service.client.post("/tsa", content=REQUEST, headers=stamp).status_code == 200
        assert service.client.post("/tsa", content=REQUEST, auth=(BASIC_USER, first)).status_code != 401
        bearer = {"content-type": QUERY, "authorization": f"Bearer {story.secrets['token']}"}
        assert service.client.post("/tsa", content=REQUEST, headers=bearer).status_code == 200
        serve(story, service, first, client, folder)
        story.written.add("log while serving", service.log.read_bytes())
        story.written.add_folder("data while serving", prepared.folder.root, "keys")
        assert service.stop() == 0
        story.written.add("log", service.log.read_bytes())
    afterwards(story, prepared, client, folder)


def serve(story: Story, service: Service, first: str, client: str, folder: tuple[str, str]) -> None:
    """Rotate, revoke, stamp and fetch by commands; then show every secret everywhere."""
    administration = administer(story, service)
    for name in ("rotated", "spare"):
        words = ("rotate", first.split("_")[1]) if name == "rotated" else ("create", client)
        proposed = json.loads(story.tsa("key", *words, "-o", name, "--json", *folder)[0])["approval"]
        story.secret(name, (story.root / name).read_text().strip(), f"files/{name}")
        administration("GET", "approvals")
        assert administration("POST", f"approvals/{proposed}/approve").status_code == 200
    made = administration("POST", "keys", client=client).json()
    story.secret("key over HTTP", made["text"], "answers/administration")
    story.tsa("approval", "list", *folder)
    story.tsa("approval", "approve", made["approval"], *folder)
    for path in ("tenants", "clients", "keys", "bindings", f"clients/{client}", "status", "profiles"):
        administration("GET", path)
    (story.root / "operator").write_text(service.operator_key)
    story.shown["operator key"].add("files/operator")
    (story.root / "document").write_text("a document")
    story.tsa("stamp", "document", "--url", service.url, "--key-file", "rotated", "--proof")
    (story.root / "wrong").write_text(story.secrets["key of nobody"])
    story.shown["key of nobody"].add("files/wrong")
    story.tsa("stamp", "document", "--url", service.url, "--key-file", "wrong", code=3)
    base = service.url.removesuffix("/tsa")
    story.tsa("ledger", "fetch", base, "-o", "fetched", "--key-file", "operator")
    story.tsa("ledger", "fetch", base, "-o", "not-fetched", "--key-file", "wrong", code=None)
    story.tsa("key", "revoke", story.secrets["spare"].split("_")[1], *folder)
    for name in tuple(story.secrets):
        if name != "unit key":
            show(story, service, name)
    mumble(story, service, first)
    mumble(story, service, service.operator_key)
    for path in ("/metrics", "/readyz", "/openapi.json", "/docs"):
        service.client.get(path)
    operator = {"authorization": f"Bearer {service.operator_key}"}
    for path in ("status", "inventory", "clients", "approvals", "ledger/records", "ledger/export"):
        service.client.get(f"/api/v1/{path}", headers=operator)


def afterwards(story: Story, prepared: Prepared, client: str, folder: tuple[str, str]) -> None:
    """Look at everything that there is to be looked at."""
    for words in (
        ("tenant", "list", "--json"),
        ("client", "show", client, "--json"),
        ("key", "list"),
        ("ledger", "search", "--limit", "100", "--json"),
        ("ledger", "export", "-o", "exported"),
        ("ledger", "export", "-o", "exported.jsonl", "--format", "jsonl"),
        ("keys", "recipient", "-o", "safe"),
        ("ledger", "backup", "-o", "copy"),
    ):
        story.tsa(*words, *(() if words[:2] == ("keys", "recipient") else folder))
    with LedgerReader(prepared.folder.ledger) as reader:
        for stored in reader.walk():
            story.written.add("leaves", stored.leaf or b"")
    story.written.add_folder("data", prepared.folder.root, "keys")
    for path in sorted(story.root.iterdir()):
        if path.is_file() and not path.name.endswith(".log"):
            story.written.add(f"files/{path.name}", path.read_bytes())


def administer(story: Story, service: Service) -> Callable[..., httpx.Response]:
    """Return what asks the port of administration with the operator key; what it answers is kept apart."""
    port = service.event(event="serving")["admin_port"]

    def ask(method: str, path: str, **content: str) -> httpx.Response:
        url = f"http://127.0.0.1:{port}/api/v1/{path}"
        headers = {"authorization": f"Bearer {service.operator_key}"}
        with httpx.Client(timeout=60, trust_env=False, verify=PLAIN) as client:
            answer = client.request(method, url, headers=headers, json=content or None)
        story.written.add("answers/administration", answer.content)
        return answer

    return ask


def keep_answers(story: Story, client: httpx.Client) -> None:
    """Keep every answer, fields and content."""

    def keep(response: httpx.Response) -> None:
        response.read()
        fields = b"\n".join(b": ".join(field) for field in response.headers.raw)
        story.written.add(f"answers of {response.status_code}", fields + b"\n\n" + response.content)

    client.event_hooks = {"response": [keep]}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    root = tmp_path_factory.mktemp("story")
    prepared = prepare(root / "data", "classical")
    configure(prepared)
    told = Story(root)
    told.secret("operator key", prepared.operator_key)
    pem = (prepared.folder.root / "keys" / "unit-classical.pem").read_bytes()
    unit = load_pem_private_key(pem, None)
    assert isinstance(unit, ec.EllipticCurvePrivateKey)
    told.secret("unit key", f"{unit.private_numbers().private_value:064x}")
    with told.watch:
        tell(told, prepared)
    return told


def test_each_secret_stands_where_it_was_shown_and_nowhere_else(story: Story) -> None:
    assert len(story.secrets) > 12
    assert found(story.written, story.secrets) == story.shown


def test_everything_was_looked_at(story: Story) -> None:
    places = story.written.places
    for place in ("leaves", "log", "answers of 200", "answers of 401", "answers of 400", "answers of 404"):
        assert len(places[place]) > 100, place
    for name in ("state.db", "ledger/ledger.db", "config.toml", "operator.sha256"):
        assert f"data/{name}" in places, name
    assert {"files/fetched", "files/exported", "files/exported.jsonl", "files/copy"} <= places.keys()
    assert b"access.denied" in places["leaves"]
    assert b"access.changed" in places["leaves"]
    assert b"kokuin_" in places["answers of 200"]


def test_no_command_line_holds_a_secret(story: Story) -> None:
    lines = b"\n".join(story.watch.seen)
    for words in (b"key\0create\0", b"stamp\0document\0", b"--key-file\0operator", b"serve\0--dir\0"):
        assert words in lines, words
    for name, secret in story.secrets.items():
        assert not [each for each in disguises(secret) if each in lines], name


def test_names_of_people_stay_in_their_table(story: Story) -> None:
    for name in (TENANT, PERSON, SUBJECT):
        places = story.written.holding(name.encode())
        kept = {place for place in places if not place.startswith("command ")}
        files = {place.rpartition("/")[2].removesuffix("-wal") for place in kept}
        assert files <= {"state.db", "copy.state", "administration"}, kept
        assert "data/state.db" in kept


@pytest.mark.parametrize(
    "spelt",
    [
        str.encode,
        lambda text: text[:20].encode(),
        lambda text: text[-20:].encode(),
        lambda text: text.encode().hex().encode(),
        lambda text: text.encode().hex().upper().encode(),
        lambda text: base64.b64encode(f"me:{text}".encode()),
        lambda text: base64.b64encode(f"you:{text}".encode()),
        lambda text: base64.urlsafe_b64encode(f"them:{text}".encode()),
        lambda text: text.encode("utf-16-le"),
        lambda text: repr(text.encode()).encode(),
        lambda text: "".join(f"%{ord(each):02X}" for each in text).encode(),
    ],
)
def test_the_search_would_find_a_secret_however_it_is_spelt(spelt: Callable[[str], bytes]) -> None:
    secret = randomness.token_urlsafe(32)
    written = Written()
    written.add("somewhere", b"before " + spelt(secret) + b" after")
    assert found(written, {"it": secret}) == {"it": {"somewhere"}}
    assert found(written, {"another": randomness.token_urlsafe(32)}) == {"another": set()}
