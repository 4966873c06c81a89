"""Who stamps over real sockets: keys on both ways, proxies, quotas, and what RFC 3161 itself says."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service.access.credentials import make_key
from kokuin.service.access.peers import Proxies
from kokuin.service.access.principal import Role
from kokuin.service.access.table import AccessTable, Client, Key
from kokuin.service.config_access import Proxy
from tests.service.access.callers import ACME
from tests.service.access.doors import CLIENT, basic_of
from tests.service.access.test_peers import DER, ESCAPED, SEQUENCE
from tests.service.asking import granted, query, refusal
from tests.service.direct_server import Serving, serving
from tests.service.slow_clients import request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.service.running import Prepared
    from tests.service.slow_clients import Answer

MADE = make_key()
PATHS = {"direct": "/tsa", "asgi": "/tsa?", "profile": "/tsa/classical"}


@pytest.fixture(scope="module")
def served(folder_of: Callable[[str], Prepared]) -> Iterator[Serving]:
    """Serve keyed; the test's own address is no proxy's."""
    settings = {"TSA_ACCESS__TIMESTAMPS": '"keyed"', "TSA_ACCESS__FAILURES_PER_MINUTE": "1000"}
    with serving(folder_of("classical").folder, settings=settings) as server:
        yield server


def install(server: Serving, *, certificate: str = "", exhausted: bool = False, **client: Any) -> None:
    """Let the worker know one client, its key and perhaps its certificate."""
    known = Client(CLIENT, ACME, client.pop("roles", frozenset({Role.STAMP})), **client)
    table = AccessTable(
        clients={CLIENT: known},
        keys={MADE.id: Key(MADE.id, CLIENT, MADE.digest)},
        certificates={certificate: CLIENT} if certificate else {},
        exhausted=frozenset({CLIENT} if exhausted else ()),
    )
    stamp = server.rig.app.stamp
    server.within(lambda: stamp._doorkeeper.install(table))
    server.journal.records.clear()


def ask(server: Serving, path: str, *fields: str, body: bytes | None = None) -> Answer:
    """Send one request for a time-stamp."""
    content = query() if body is None else body
    (answer,) = server.ask(request(path, content, *(field.encode() for field in fields)))
    return answer


BEARER = f"Authorization: Bearer {MADE.text}"
each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


@each_path
@pytest.mark.parametrize(
    "field", [BEARER, f"authorization: {basic_of(MADE.id, MADE.text)}"], ids=["bearer", "basic"]
)
def test_a_key_stamps_and_its_record_says_whose_it_was(served: Serving, path: str, field: str) -> None:
    install(served)
    before = served.direct.answered
    answer = ask(served, path, field)
    granted(answer.content)
    (record,) = served.journal.records
    assert (record.fields["tenant"], record.fields["actor"]) == (ACME, CLIENT)
    assert served.direct.answered - before == (path != PATHS["asgi"])
    assert MADE.text not in repr(served.logs)


@each_path
def test_without_a_key_nothing_is_signed(served: Serving, path: str) -> None:
    install(served)
    for fields, code in (
        ([], "CREDENTIAL_WANTED"),
        (["Authorization: Bearer x"], "CREDENTIAL_WRONG"),
        ([BEARER, BEARER], "CREDENTIAL_TWICE"),
        ([BEARER, f"Client-Cert: {SEQUENCE.decode()}"], "PROXY_FORGED"),
    ):
        assert ask(served, path, *fields).problem()["code"] == code
    assert served.journal.records == []


@each_path
def test_the_answers_of_both_ways_carry_an_id_of_ours(served: Serving, path: str) -> None:
    install(served)
    good = ask(served, path, BEARER, "X-Request-Id: mine")
    bad = ask(served, path, "X-Request-Id: mine")
    assert len({good.fields["x-request-id"], bad.fields["x-request-id"], "mine"}) == 3
    assert bad.problem()["request"] == bad.fields["x-request-id"]


@each_path
def test_a_profile_that_the_client_may_not_use_is_an_unaccepted_policy(served: Serving, path: str) -> None:
    install(served, profiles=frozenset({"pq"}))
    answer = ask(served, path, BEARER)
    status, bits, text = refusal(answer.content)
    assert (answer.status, status, bits) == (200, "rejection", {"unaccepted_policy"})
    assert text == "the policy is not one that this client may use"
    assert served.journal.records == []
    assert served.rig.app.stamp.refusals[("PROFILE_NOT_ALLOWED", "none")] > 0
    install(served, profiles=frozenset({"classical"}))
    granted(ask(served, path, BEARER).content)


def test_a_profile_asked_for_by_its_policy_is_refused_alike(served: Serving) -> None:
    install(served, profiles=frozenset({"pq"}))
    policy = served.rig.issuer.rules.policy
    _, bits, text = refusal(ask(served, "/tsa", BEARER, body=query(policy=policy)).content)
    assert (bits, text.split()[0:2]) == ({"unaccepted_policy"}, ["the", "policy"])


@each_path
def test_a_stopped_service_says_system_failure_and_signs_nothing(served: Serving, path: str) -> None:
    install(served)
    responder = served.rig.app.stamp._responder
    responder.stopped = True
    try:
        status, bits, text = refusal(ask(served, path, BEARER).content)
    finally:
        responder.stopped = False
    assert (status, bits) == ("rejection", {"system_failure"})
    assert "stopped" in text
    assert served.journal.records == []


@each_path
def test_who_is_over_quota_is_told_when_to_come_again(served: Serving, path: str) -> None:
    install(served, rate=0.001, burst=1)
    granted(ask(served, path, BEARER).content)
    answer = ask(served, path, BEARER)
    assert (answer.status, answer.problem()["code"]) == (429, "RATE_EXCEEDED")
    assert int(answer.fields["retry-after"]) > 900
    install(served, exhausted=True)
    answer = ask(served, path, BEARER)
    assert (answer.status, answer.problem()["code"]) == (429, "QUOTA_EXCEEDED")
    assert 0 < int(answer.fields["retry-after"]) <= 86_400
    assert served.journal.records == []


@each_path
def test_a_client_comes_from_its_networks_only(served: Serving, path: str) -> None:
    install(served, networks=("127.0.0.0/8",))
    granted(ask(served, path, BEARER).content)
    install(served, networks=("10.0.0.0/8",))
    answer = ask(served, path, BEARER, "X-Forwarded-For: 10.0.0.1")
    assert (answer.status, answer.problem()["code"]) == (403, "NETWORK_NOT_ALLOWED")


@each_path
@pytest.mark.parametrize("value", [SEQUENCE, ESCAPED], ids=["rfc9440", "nginx"])
def test_a_trusted_proxys_word_is_taken_and_its_clients_word_is_not(
    served: Serving, path: str, value: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    doorkeeper: Any = served.rig.app.stamp._doorkeeper
    monkeypatch.setattr(doorkeeper, "_proxies", Proxies(Proxy(networks=("127.0.0.1/32",))))
    monkeypatch.setattr("kokuin.service.access.doorkeeper.is_valid", lambda *_: True)
    install(served, certificate=hashlib.sha256(DER).hexdigest(), networks=("192.0.2.0/24",))
    shown = f"Client-Cert: {value.decode()}"
    granted(ask(served, path, shown, "X-Forwarded-For: 198.51.100.1, 192.0.2.9").content)
    for fields, code in (
        ([shown, "X-Forwarded-For: 192.0.2.9, 198.51.100.1"], "NETWORK_NOT_ALLOWED"),
        ([shown], "NETWORK_NOT_ALLOWED"),
        ([shown, shown], "CREDENTIAL_TWICE"),
        ([shown, BEARER], "CREDENTIAL_TWICE"),
        ([f"Client-Cert: :{base64.b64encode(DER[:-1]).decode()}:"], "CERTIFICATE_UNKNOWN"),
        (["Client-Cert: nonsense"], "CREDENTIAL_WRONG"),
        ([], "CREDENTIAL_WANTED"),
    ):
        assert ask(served, path, *fields).problem()["code"] == code
    assert len(served.journal.records) == 1
