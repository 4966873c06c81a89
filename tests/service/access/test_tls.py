"""TLS of our own listener with curl and certificates by OpenSSL: `tsa serve` as a process of its own."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from kokuin.service import http_server
from kokuin.service.config_server import Server
from kokuin.service.errors import StartError
from kokuin.service.http_protocol import TransportLimits, make_protocol
from kokuin.service.owner import ask_owner
from kokuin.service.tls import server_context
from tests.peers import need
from tests.service import running
from tests.service.access.authority import Authority, Issued, authority, openssl
from tests.service.access.issuers import AUDIENCE, ISSUER, SUBJECT, key_of, public, signed
from tests.service.asking import granted, query, refusal, serial_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.service.running import Prepared, Service

SERVER = ("subjectAltName=DNS:localhost,IP:127.0.0.1", "extendedKeyUsage=serverAuth")
CLIENT = ("extendedKeyUsage=clientAuth",)


@dataclass
class Secured:
    """A service with TLS, and who may come to it."""

    service: Service
    authority: Authority
    client: str
    tenant: str
    key: str
    machine: Issued
    stranger: Issued

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Ask the owner."""
        answer = ask_owner(self.service.folder.owner_socket, operation, arguments, running.PATIENCE_S)
        assert answer["ok"], answer
        return answer

    def curl(self, path: str, *words: object, body: bytes | None = None) -> tuple[int, bytes]:
        """Return status and content; status 0 where there was no answer over HTTP."""
        url = f"https://127.0.0.1:{self.service.port}{path}"
        told = [need("curl"), "-sS", "--max-time", "30", "--cacert", str(self.authority.root)]
        sent = (
            () if body is None else ("--data-binary", "@-", "-H", "content-type: application/timestamp-query")
        )
        run = [*told, *sent, *map(str, words), "-w", "\n%{http_code}", url]
        done = subprocess.run(run, check=False, input=body, capture_output=True, timeout=60)
        content, _, status = done.stdout.rpartition(b"\n")
        return int(status), content

    def stamp(self, *words: object, path: str = "/tsa") -> tuple[int, bytes]:
        """Ask for a time-stamp."""
        return self.curl(path, *words, body=query())

    def code(self, *words: object, path: str = "/tsa") -> tuple[int, str]:
        """Return status and code of a refusal."""
        status, content = self.stamp(*words, path=path)
        return status, json.loads(content)["code"]


def shown(issued: Issued) -> tuple[object, ...]:
    return ("--cert", issued.certificate, "--key", issued.key)


@pytest.fixture(scope="module")
def secured(
    folder_of: Callable[[str], Prepared], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    issuing = authority(folder / "ca")
    server, prepared = issuing.issue("server", *SERVER), folder_of("classical")
    (folder / "keys.json").write_text(json.dumps({"keys": [public(key_of("ES256"))]}))
    text = prepared.folder.config.read_text().replace('timestamps = "open"', 'timestamps = "keyed"')
    text += f"""
[server]
tls_certificate = "{server.certificate}"
tls_key = "{server.key}"
tls_clients = "{issuing.root}"
[access.issuers.main]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
keys = "{folder / "keys.json"}"
"""
    prepared.folder.config.write_text(text)
    machine, stranger = issuing.issue("machine", *CLIENT), issuing.issue("stranger", *CLIENT)
    with running.serving(prepared, workers=2, ready=False) as service:
        made = Secured(service, issuing, "", "", "", machine, stranger)
        _await(lambda: made.curl("/readyz")[0] == 200)
        made.tenant = made.ask("access.tenant.add", name="Blume AG")["tenant"]
        added = made.ask("access.client.add", tenant=made.tenant, name="archive", roles=["stamp"])
        made.client = added["client"]
        made.key = made.ask("access.key.create", client=made.client)["text"]
        made.ask("access.binding.add", client=made.client, certificate=machine.certificate.read_text())
        made.ask("access.binding.add", client=made.client, issuer=ISSUER, subject=SUBJECT)
        # Each connection meets either of the workers; both know by now, or soon.
        for words in (("-u", f"x:{made.key}"), shown(machine)) * 6:
            _await(functools.partial(_stamps, made, words))
        yield made


def _stamps(secured: Secured, words: tuple[object, ...]) -> bool:
    return secured.stamp(*words)[0] == 200


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + running.PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_certificate_that_is_bound_stamps_and_its_leaf_has_the_pseudonyms(secured: Secured) -> None:
    status, content = secured.stamp(*shown(secured.machine))
    assert status == 200
    granted(content)
    serial = serial_of(content)
    leaves = {leaf.get("serial"): leaf for leaf in secured.service.leaves() if leaf["kind"] == "tst.issued"}
    assert (leaves[serial]["tenant"], leaves[serial]["actor"]) == (secured.tenant, secured.client)


def test_keys_and_tokens_stamp_over_tls(secured: Secured) -> None:
    token = signed(key_of("ES256"), "ES256").decode()
    for words in (
        ("-H", f"Authorization: Bearer {secured.key}"),
        ("-u", f"anything:{secured.key}"),
        ("-H", f"Authorization: Bearer {token}"),
    ):
        status, content = secured.stamp(*words)
        assert status == 200, content
        granted(content)


def test_without_a_certificate_the_public_is_served_and_nobody_stamps(secured: Secured) -> None:
    assert secured.curl("/healthz")[0] == 200
    assert secured.code() == (401, "CREDENTIAL_WANTED")


def test_a_browser_is_told_to_insist_on_tls_where_it_ends_here(secured: Secured) -> None:
    status, answer = secured.curl("/healthz", "--include")
    assert status == 200
    assert b"strict-transport-security: max-age=31536000\r\n" in answer.lower()


def test_a_sound_certificate_of_somebody_else_opens_nothing(secured: Secured) -> None:
    assert secured.code(*shown(secured.stranger)) == (401, "CERTIFICATE_UNKNOWN")
    status, content = secured.curl("/api/v1/status", *shown(secured.stranger))
    assert (status, json.loads(content)["code"]) == (401, "CERTIFICATE_UNKNOWN")
    status, content = secured.curl("/api/v1/status", *shown(secured.machine))
    assert (status, json.loads(content)["code"]) == (403, "ROLE_WANTED")


def test_a_certificate_and_a_key_are_two_credentials(secured: Secured) -> None:
    assert secured.code(*shown(secured.machine), "-u", f"x:{secured.key}") == (400, "CREDENTIAL_TWICE")


def test_a_certificate_in_a_field_is_forged_where_tls_is_ours(secured: Secured) -> None:
    der = ssl.PEM_cert_to_DER_cert(secured.machine.certificate.read_text())
    field = f"Client-Cert: :{base64.b64encode(der).decode()}:"
    assert secured.code("-H", field) == (400, "PROXY_FORGED")
    assert secured.code(*shown(secured.machine), "-H", field) == (400, "PROXY_FORGED")


@pytest.mark.parametrize("which", ["another authority", "its own", "expired", "for servers"])
def test_a_certificate_that_tls_does_not_accept_gets_no_answer(
    secured: Secured, which: str, tmp_path: Path
) -> None:
    made = {
        "another authority": lambda: authority(tmp_path / "ca").issue("machine", *CLIENT),
        "its own": lambda: Issued(tmp_path / "ca" / "root.pem", tmp_path / "ca" / "root.key"),
        "expired": lambda: secured.authority.issue("late", *CLIENT, start="20260101000000Z"),
        "for servers": lambda: secured.authority.issue("serving", *SERVER),
    }
    if which == "its own":
        authority(tmp_path / "ca")
    assert secured.stamp(*shown(made[which]()))[0] == 0
    assert secured.stamp(*shown(secured.machine))[0] == 200


def test_a_key_that_was_revoked_stamps_no_more(secured: Secured) -> None:
    made = secured.ask("access.key.create", client=secured.client)
    _await(lambda: secured.stamp("-u", f"x:{made['text']}")[0] == 200)
    secured.ask("access.key.revoke", key=made["key"])
    for _ in range(4):
        _await(lambda: secured.code("-u", f"x:{made['text']}") == (401, "KEY_REVOKED"))


def test_a_profile_outside_the_clients_is_refused_in_the_words_of_rfc_3161(secured: Secured) -> None:
    client = secured.ask(
        "access.client.add", tenant=secured.tenant, name="pq only", roles=["stamp"], profiles=["pq"]
    )["client"]
    key = secured.ask("access.key.create", client=client)["text"]
    _await(lambda: secured.stamp("-u", f"x:{key}")[0] == 200)
    status, bits, _ = refusal(secured.stamp("-u", f"x:{key}")[1])
    assert (status, bits) == ("rejection", {"unaccepted_policy"})


def test_what_is_no_tls_gets_no_http(secured: Secured) -> None:
    with socket.create_connection(("127.0.0.1", secured.service.port), timeout=30) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        try:
            while piece := client.recv(4096):
                received += piece
        except ConnectionError:
            pass
    assert b"HTTP" not in received


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken_and_nothing_before(secured: Secured, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(secured.authority.root))
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", secured.service.port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        assert (tls.version(), tls.selected_alpn_protocol()) == (version.name.replace("_", "."), "http/1.1")


def test_nothing_secret_is_in_the_log(secured: Secured) -> None:
    secured.code("-u", "x:kokuin_aaaaaaaaaaaaaaaa_" + "Z" * 43)
    text = secured.service.log.read_text()
    token = signed(key_of("ES256"), "ES256").decode()
    for secret in (secured.key, secured.key.split("_", 2)[2], "Z" * 43, token.split(".")[0]):
        assert secret not in text
    secured.service.events()  # each line is JSON: a failed handshake leaves no traceback


def test_a_handshake_that_does_not_come_is_not_waited_for(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the handshake no connection is counted: whoever only connects must be gone soon (CWE-400)."""
    monkeypatch.setattr(http_server, "HANDSHAKE_SECONDS", 0.3)
    files = secured.authority.folder
    context = server_context(Server(tls_certificate=files / "server.pem", tls_key=files / "server.key"))

    async def answer(scope: object, receive: object, send: object) -> None:
        raise AssertionError("somebody got through")

    async def wait() -> bytes:
        protocol = make_protocol(TransportLimits(), lambda _: None)
        server = http_server.make_server(answer, protocol, context)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.ensure_future(server.serve(sockets=[listener]))
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            try:
                return await asyncio.wait_for(reader.read(), 20)
            finally:
                writer.close()
                server.should_exit = True
                await serving

    assert uvloop.run(wait()) == b""


# --- what keeps it from starting


@pytest.fixture(scope="module")
def issuing(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("start") / "ca")


def test_files_of_tls_that_are_unfit_are_told_at_the_start(issuing: Authority, tmp_path: Path) -> None:
    good, other = issuing.issue("a", *SERVER), issuing.issue("b", *SERVER)
    locked = tmp_path / "locked.pem"
    openssl("pkcs8", "-topk8", "-in", good.key, "-out", locked, "-passout", "pass:secret")
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    missing = tmp_path / "missing.pem"
    assert server_context(Server()) is None
    assert server_context(Server(tls_certificate=good.certificate, tls_key=good.key)) is not None
    for certificate, key, clients, word in (
        (good.certificate, other.key, None, "KEY_VALUES_MISMATCH"),
        (good.certificate, locked, None, "passphrase"),
        (nonsense, good.key, None, "tls_certificate"),
        (missing, good.key, None, "No such file"),
        (good.certificate, good.key, missing, "tls_clients: No such file"),
        (good.certificate, good.key, nonsense, "tls_clients"),
    ):
        with pytest.raises(StartError, match=word):
            server_context(Server(tls_certificate=certificate, tls_key=key, tls_clients=clients))


@pytest.mark.parametrize(
    "table", [{"tls_certificate": "a"}, {"tls_key": "a"}, {"tls_clients": "a"}, {"tls_ciphers": "a"}]
)
def test_half_a_configuration_of_tls_is_none(table: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="tls"):
        Server.model_validate(table)
