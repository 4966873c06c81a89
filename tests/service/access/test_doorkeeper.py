"""Who is let in, and each way in which one is not: keys, certificates, tokens, proxies, networks, quotas."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service.access import doorkeeper as doorkeeper_module
from kokuin.service.access.bearer_tokens import read_issuers
from kokuin.service.access.credentials import make_key
from kokuin.service.access.denials import Denial, DenialCode
from kokuin.service.access.peers import Peer
from kokuin.service.access.principal import NOBODY, Principal, Role
from kokuin.service.access.table import AccessTable
from kokuin.service.config import Config
from tests.service.access.callers import ACME, code
from tests.service.access.doors import (
    CLIENT,
    FINGERPRINT,
    HERE,
    OPERATOR_KEY,
    Door,
    basic_of,
    bearer,
    raw,
    stamp,
)
from tests.service.access.issuers import Issued, claims, key_of, signed

if TYPE_CHECKING:
    from pathlib import Path

WRONG = DenialCode.CREDENTIAL_WRONG
HOUR_US = 3_600_000_000
OPEN = Config.model_validate({"access": {"timestamps": "open"}})
PROXIED = Config.model_validate({"access": {"proxy": {"networks": ["10.0.0.0/8"]}}})


def now_us() -> int:
    return time.time_ns() // 1000


def is_client(found: Principal | DenialCode) -> bool:
    return isinstance(found, Principal) and found.actor == CLIENT and found.tenant == ACME


# --- API keys


def test_a_key_opens_and_says_whose_it_is() -> None:
    door = Door()
    door.install(profiles=frozenset({"pq"}), classes=frozenset({"invoice"}), person=True, activated=True)
    assert door.bearing(door.made.text) == Principal(
        ACME,
        CLIENT,
        frozenset({Role.STAMP}),
        profiles=frozenset({"pq"}),
        classes=frozenset({"invoice"}),
        person=True,
        activated=True,
    )
    assert is_client(door.admit(("authorization", f"bearer   {door.made.text} ")))


def test_no_key_is_nobody_and_may_stamp_where_anybody_may() -> None:
    assert Door().admit() is NOBODY
    found = Door(OPEN).admit()
    assert isinstance(found, Principal)
    assert (found.tenant, found.roles) == ("public", frozenset({Role.STAMP}))


def test_a_wrong_key_is_nobody_also_where_anybody_may_stamp() -> None:
    door = Door(OPEN)
    text = door.made.text
    for secret in (
        make_key().text,
        text[:-1] + ("A" if text[-1] != "A" else "B"),
        text.upper(),
        text + "A",
        text[:-1],
        text.replace("_", "-"),
        "kokuin_",
        "x",
        "",
        "\xff",
        "ü",
        "0" * 64,
        door.made.digest,
        f"{text} {text}",
    ):
        assert door.bearing(secret) is WRONG, secret


def test_the_secret_of_one_key_does_not_open_with_the_id_of_another() -> None:
    door = Door()
    other = make_key()
    mixed = f"kokuin_{door.made.id}_{other.text.rpartition('_')[2]}"
    assert door.bearing(f"kokuin_{other.id}_{door.made.text[24:]}") is WRONG
    assert door.bearing(mixed) is WRONG


@pytest.mark.parametrize("scheme", ["Digest", "Negotiate", "kokuin", "", "Bearer\t"])
def test_another_scheme_is_wrong(scheme: str) -> None:
    door = Door(OPEN)
    assert door.admit(("authorization", f"{scheme} {door.made.text}")) is WRONG


def test_a_revoked_key_is_told_so() -> None:
    door = Door()
    door.install(key={"revoked": True})
    assert door.bearing(door.made.text) is DenialCode.KEY_REVOKED
    assert door.bearing(f"kokuin_{door.made.id}_{'A' * 43}") is WRONG, "only its holder learns it"


def test_a_replaced_key_ends_with_its_time_of_grace() -> None:
    door = Door()
    door.install(key={"replaced": True, "ends_us": now_us() + HOUR_US})
    assert is_client(door.bearing(door.made.text))
    door.install(key={"ends_us": now_us() - 1})
    assert door.bearing(door.made.text) is DenialCode.KEY_REVOKED


def test_a_key_outside_its_validity_is_expired() -> None:
    door = Door()
    door.install(key={"ends_us": now_us() - 1})
    assert door.bearing(door.made.text) is DenialCode.KEY_EXPIRED
    door.install(key={"begins_us": now_us() + HOUR_US, "ends_us": None})
    assert door.bearing(door.made.text) is DenialCode.KEY_EXPIRED


def test_a_key_without_its_client_is_wrong() -> None:
    door = Door()
    assert door.key is not None
    door.doorkeeper.install(AccessTable(keys={door.key.id: door.key}))
    assert door.bearing(door.made.text) is WRONG


def test_the_operator_key_opens_and_nothing_like_it() -> None:
    door = Door()
    found = door.bearing(OPERATOR_KEY)
    assert found == Principal(
        "operator", "operator-key", frozenset({Role.OPERATE, Role.AUDIT, Role.APPROVE}), person=True
    )
    assert door.bearing(OPERATOR_KEY + "x") is WRONG
    assert door.admit(("authorization", basic_of("operator", OPERATOR_KEY)), basic=True) is WRONG
    door.doorkeeper._operator_digest = doorkeeper_module._NOBODYS_DIGEST
    assert door.bearing(OPERATOR_KEY) is WRONG


def test_a_key_that_nobody_has_costs_the_same_steps_as_one_with_a_wrong_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What takes as long tells as little: the hashes and comparisons of both are counted (OWASP API2)."""
    done: list[tuple[str, int]] = []
    sha256, compare = hashlib.sha256, hmac.compare_digest

    def counted_hash(octets: bytes) -> Any:
        done.append(("hash", len(octets)))
        return sha256(octets)

    def counted_compare(left: str, right: str) -> bool:
        done.append(("compare", len(left) + len(right)))
        return compare(left, right)

    door = Door()
    monkeypatch.setattr("kokuin.service.access.credentials.hashlib.sha256", counted_hash)
    monkeypatch.setattr("kokuin.service.access.doorkeeper.hmac.compare_digest", counted_compare)
    steps = []
    length = len(door.made.text)
    for secret in (
        f"kokuin_{'a' * 16}_{'A' * 43}",
        f"kokuin_{door.made.id}_{'A' * 43}",
        door.made.text,
        "x" * length,
    ):
        door.bearing(secret)
        steps.append(tuple(done))
        done.clear()
    assert steps == [(("hash", length), ("compare", 128))] * 4
    without = Door()
    without.doorkeeper.install(AccessTable())
    done.clear()
    without.bearing(door.made.text)
    assert tuple(done) == steps[0]


# --- how many, and where


def test_two_credentials_are_none() -> None:
    door = Door(OPEN)
    field = ("authorization", bearer(door.made.text))
    certified = replace(HERE, certificate=FINGERPRINT)
    assert door.admit(field, field) is DenialCode.CREDENTIAL_TWICE
    assert door.admit(field, ("authorization", "")) is DenialCode.CREDENTIAL_TWICE
    assert door.admit(field, peer=certified) is DenialCode.CREDENTIAL_TWICE


def test_basic_is_taken_where_rfc_3161_is_spoken_and_nowhere_else() -> None:
    door = Door()
    for user in (door.made.id, "", "anything", "ü"):
        assert is_client(door.admit(("authorization", basic_of(user, door.made.text)), basic=True))
    field = ("authorization", basic_of(door.made.id, door.made.text))
    assert door.admit(field) is DenialCode.CREDENTIAL_NOT_HERE
    for value in (basic_of(door.made.text, ""), "Basic", "Basic !", "Basic " + "A" * 9000, "Basic Og=="):
        assert door.admit(("authorization", value), basic=True) is WRONG


# --- clients


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ({"enabled": False}, DenialCode.CLIENT_DISABLED),
        ({"ends_us": 1}, DenialCode.CLIENT_EXPIRED),
        ({"begins_us": 2**60}, DenialCode.CLIENT_EXPIRED),
        ({"networks": ("198.51.100.0/24", "2001:db8::/32")}, DenialCode.NETWORK_NOT_ALLOWED),
    ],
)
@pytest.mark.parametrize("shown", ["key", "basic", "certificate", "token"])
def test_a_client_that_may_not_come_may_not_by_any_credential(
    client: dict[str, Any], expected: DenialCode, shown: str, tmp_path: Path
) -> None:
    door = Door(issuers=read_issuers(Issued(tmp_path).access()))
    token = signed(key_of("ES256"), "ES256")

    def admit(peer: Peer = HERE) -> Principal | DenialCode:
        match shown:
            case "key":
                return door.bearing(door.made.text, peer)
            case "basic":
                field = ("authorization", basic_of("", door.made.text))
                return door.admit(field, peer=peer, basic=True)
            case "token":
                return door.bearing(token, peer)
            case _:
                return door.admit(peer=replace(peer, certificate=FINGERPRINT))

    assert is_client(admit())
    door.install(**client)
    assert admit() is expected
    if expected is DenialCode.NETWORK_NOT_ALLOWED:
        assert is_client(admit(Peer("198.51.100.9")))
        assert is_client(admit(Peer("::ffff:198.51.100.9")))
        assert is_client(admit(Peer("2001:db8::1")))
        assert admit(Peer("")) is expected


def test_a_denial_says_whose_credential_it_was_only_when_it_was_right() -> None:
    door = Door()
    door.install(key={"revoked": True})
    admit = door.doorkeeper.admit
    assert admit(raw([("authorization", bearer(door.made.text))]), HERE) == Denial(
        DenialCode.KEY_REVOKED, ACME
    )
    assert admit(raw([("authorization", bearer(make_key().text))]), HERE) == Denial(WRONG, "none")


# --- certificates and tokens


def test_a_certificate_is_bound_by_its_fingerprint() -> None:
    door = Door()
    assert is_client(door.admit(peer=replace(HERE, certificate=FINGERPRINT)))
    unknown = replace(HERE, certificate="cd" * 32)
    assert door.admit(peer=unknown) is DenialCode.CERTIFICATE_UNKNOWN
    assert Door(OPEN).admit(peer=unknown) is DenialCode.CERTIFICATE_UNKNOWN
    over = replace(HERE, certificate=FINGERPRINT, begins_us=0, ends_us=now_us() - 1)
    assert door.admit(peer=over) is DenialCode.CERTIFICATE_EXPIRED
    early = replace(over, begins_us=now_us() + HOUR_US, ends_us=now_us() + 2 * HOUR_US)
    assert door.admit(peer=early) is DenialCode.CERTIFICATE_EXPIRED


def test_a_token_names_a_client_and_grants_nothing_itself(tmp_path: Path) -> None:
    door = Door(issuers=read_issuers(Issued(tmp_path).access()))
    es256 = key_of("ES256")
    boasting = signed(es256, "ES256", claims(roles=["operate"], scope="operate", tenant="operator"))
    found = door.bearing(boasting)
    assert is_client(found)
    assert isinstance(found, Principal)
    assert found.roles == {Role.STAMP}
    assert door.bearing(signed(es256, "ES256", claims(sub="stranger"))) is DenialCode.TOKEN_SUBJECT
    assert door.bearing(signed(es256, "ES256", claims(iss="x"))) is DenialCode.TOKEN_ISSUER
    assert door.bearing(signed(es256, "ES256", claims(aud="x"))) is DenialCode.TOKEN_AUDIENCE
    assert Door().bearing(signed(es256, "ES256")) is DenialCode.TOKEN_ISSUER


# --- the throttle and the quotas


def test_guesses_are_bounded_by_address_and_lock_nobody_out() -> None:
    door = Door(Config.model_validate({"access": {"timestamps": "open", "failures_per_minute": 5}}))
    away = Peer("198.51.100.9")
    for _ in range(5):
        assert door.bearing(make_key().text, away) is WRONG
    found = door.doorkeeper.admit(raw([("authorization", bearer(make_key().text))]), away)
    assert isinstance(found, Denial)
    assert (found.code, found.status, found.tenant) == (DenialCode.FAILURES_EXCEEDED, 429, "none")
    assert found.retry_s == 12
    assert door.bearing(door.made.text, away) is DenialCode.FAILURES_EXCEEDED, "nor is a good guess told"
    assert is_client(door.bearing(door.made.text)), "the client is not locked out elsewhere"
    assert isinstance(door.admit(peer=away), Principal), "nor is who shows nothing"


def test_a_throttled_address_costs_no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(Config.model_validate({"access": {"failures_per_minute": 1}}))
    assert door.bearing("x") is WRONG

    def hashed(_: bytes) -> str:
        raise AssertionError("something was hashed")

    monkeypatch.setattr(doorkeeper_module, "digest_of", hashed)
    assert door.bearing("x") is DenialCode.FAILURES_EXCEEDED


def test_a_right_key_that_is_over_counts_against_no_address() -> None:
    door = Door(Config.model_validate({"access": {"failures_per_minute": 1}}))
    door.install(key={"revoked": True})
    for _ in range(3):
        assert door.bearing(door.made.text) is DenialCode.KEY_REVOKED


def test_a_forged_field_counts_against_the_address_that_sent_it() -> None:
    door = Door(Config.model_validate({"access": {"failures_per_minute": 1}}))
    assert door.admit(("client-cert", ":AA==:")) is DenialCode.PROXY_FORGED
    assert door.admit(("client-cert", ":AA==:")) is DenialCode.FAILURES_EXCEEDED


def test_what_the_direct_path_looks_at_is_counted_once() -> None:
    door = Door(Config.model_validate({"access": {"failures_per_minute": 2}}))
    wrong = raw([("authorization", bearer("x"))])
    for _ in range(5):
        assert door.doorkeeper.recognise(wrong, HERE) is None
    assert door.bearing("x") is WRONG
    assert door.bearing("x") is WRONG
    assert door.bearing("x") is DenialCode.FAILURES_EXCEEDED


def test_what_was_counted_is_handed_over_once_and_kept_when_nobody_takes_it() -> None:
    door = Door()
    found = door.bearing(door.made.text)
    assert isinstance(found, Principal)
    assert door.doorkeeper.spend(found) is None
    assert door.doorkeeper.spend(found, 3) is None
    assert door.doorkeeper.spend(NOBODY) is None
    door.doorkeeper.note(Denial(WRONG))
    door.doorkeeper.note(Denial(WRONG))
    door.doorkeeper.note(Denial(DenialCode.ROLE_WANTED, ACME))
    denials, used = door.doorkeeper.drain_denials(), door.doorkeeper.drain_used()
    assert set(denials) == {(WRONG, "none", 2), (DenialCode.ROLE_WANTED, ACME, 1)}
    assert used == {CLIENT: 4}
    assert (door.doorkeeper.drain_denials(), door.doorkeeper.drain_used()) == ((), {})
    door.doorkeeper.put_back(denials, used)
    door.doorkeeper.note(Denial(WRONG))
    assert (WRONG, "none", 3) in door.doorkeeper.drain_denials()
    assert door.doorkeeper.drain_used() == {CLIENT: 4}


# --- the endpoint of time-stamps


def test_a_key_in_the_url_of_a_time_stamp_is_refused_even_when_it_is_right() -> None:
    door = Door(OPEN)
    endpoint, text = door.endpoint(), door.made.text
    for path in (
        f"/tsa?key={text}",
        f"/tsa/{text}",
        f"/tsa?x={text}",
        f"/tsa?access_token={OPERATOR_KEY}",
        "/tsa?API_KEY=x",
        f"/tsa?x={text.replace('_', '%5F')}",
        f"/tsa?a={signed(key_of('ES256'), 'ES256').decode()}",
    ):
        answer = stamp(endpoint, path, {"authorization": f"Bearer {text}"})
        assert code(answer) == (400, "CREDENTIAL_IN_URL"), path
        assert text not in answer.text
    assert set(door.doorkeeper.drain_denials()) == {("CREDENTIAL_IN_URL", "none", 7)}


def test_the_direct_path_takes_nobody_whom_the_other_refuses() -> None:
    door = Door()
    endpoint = door.endpoint()
    length = ("content-length", "59")

    def takes(*fields: tuple[str, str | bytes], url: bytes = b"/tsa", peer: Peer = HERE) -> Any:
        return endpoint.takes(url, raw([length, *fields]), peer)

    assert takes() is None
    assert is_client(takes(("authorization", bearer(door.made.text))))
    assert is_client(takes(("authorization", basic_of("", door.made.text))))
    assert is_client(takes(peer=replace(HERE, certificate=FINGERPRINT)))
    assert takes(("authorization", bearer("x"))) is None
    assert takes(("client-cert", ":AA==:")) is None
    assert takes(("authorization", bearer(OPERATOR_KEY))) is None, "the operator key stamps nothing"
    assert takes(url=b"/tsa?" + door.made.text.encode()) is None
    assert takes(url=b"/tsa/" + door.made.text.encode()) is None
    door.install(activated=True)
    assert takes(("authorization", bearer(door.made.text))) is None
    door.install(activated=False, roles=frozenset({Role.AUDIT}))
    assert takes(("authorization", bearer(door.made.text))) is None
    assert Door(OPEN).endpoint().takes(b"/tsa", raw([length]), HERE) is Door(OPEN).doorkeeper.anonymous


@pytest.mark.parametrize(
    ("table", "fields", "client", "expected"),
    [
        ({}, {}, {}, (401, "CREDENTIAL_WANTED")),
        ({}, {"authorization": "Bearer x"}, {}, (401, "CREDENTIAL_WRONG")),
        ({}, None, {"roles": frozenset({Role.AUDIT})}, (403, "ROLE_WANTED")),
        ({"timestamps": "closed"}, None, {}, (403, "TENANT_WRONG")),
        ({"timestamps": "closed"}, {}, {}, (401, "CREDENTIAL_WANTED")),
        ({}, None, {"networks": ("10.0.0.0/8",)}, (403, "NETWORK_NOT_ALLOWED")),
        ({}, None, {"exhausted": True}, (429, "QUOTA_EXCEEDED")),
        ({}, {"client-cert": ":AA==:"}, {}, (400, "PROXY_FORGED")),
    ],
)
def test_a_refusal_of_a_time_stamp_is_a_problem_with_its_code(
    table: dict[str, Any], fields: dict[str, str] | None, client: dict[str, Any], expected: tuple[int, str]
) -> None:
    door = Door(Config.model_validate({"access": table}))
    door.install(**client)
    shown = {"authorization": f"Bearer {door.made.text}"} if fields is None else fields
    answer = stamp(door.endpoint(), headers=shown)
    assert code(answer) == expected
    assert answer.json()["request"]
    challenges = answer.headers.get_list("www-authenticate")
    assert [each.partition(" ")[0] for each in challenges] == ["Bearer", "Basic"] * (expected[0] == 401)
    assert ("retry-after" in answer.headers) == (expected[0] == 429)
    assert len(door.doorkeeper.drain_denials()) == 1


def test_a_clients_rate_is_kept_over_both_paths_and_told_with_a_time_to_come_again() -> None:
    door = Door()
    door.install(rate=0.5, burst=2)
    endpoint = door.endpoint()
    headers = raw([("content-length", "59"), ("authorization", bearer(door.made.text))])
    assert endpoint.takes(b"/tsa", headers, HERE) is not None
    assert endpoint.takes(b"/tsa", headers, HERE) is not None
    assert endpoint.takes(b"/tsa", headers, HERE) is None
    answer = stamp(endpoint, headers={"authorization": f"Bearer {door.made.text}"})
    assert code(answer) == (429, "RATE_EXCEEDED")
    assert int(answer.headers["retry-after"]) == 2
    assert door.doorkeeper.drain_used() == {CLIENT: 2}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ACTIVATION_WANTED", (403, "ACTIVATION_WANTED")),
        ("KEEPER_UNAVAILABLE", (503, "KEEPER_UNAVAILABLE")),
    ],
)
def test_an_activation_that_the_keeper_does_not_grant_is_wanted(said: str, expected: tuple[int, str]) -> None:
    asked: list[tuple[str, Any]] = []

    class Keeper:
        def lag(self) -> float:
            return 0.0

        async def ask(self, operation: str, arguments: Any = None) -> dict[str, Any]:
            asked.append((operation, arguments))
            return {"ok": False, "code": said}

    door = Door()
    door.install(activated=True)
    answer = stamp(door.endpoint(Keeper()), headers={"authorization": f"Bearer {door.made.text}"})
    assert code(answer) == expected
    assert asked == [("activation.spend", {"client": CLIENT, "kind": "stamp"})]
