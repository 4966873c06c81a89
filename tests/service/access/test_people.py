"""Tenants, clients, keys and bindings: what each operation does, what it refuses, and what its leaf says."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session

from kokuin.service.access import people_changes
from kokuin.service.access.people import CHANGES, prepare
from kokuin.service.access.people_values import PeopleRefusedError
from kokuin.service.access.principal import Role
from kokuin.service.access.state_faults import StateFault, StateRefusedError
from kokuin.service.access.state_models import StateTable, Tenant
from kokuin.service.access.table import pack_table, subject_key, unpack_table
from kokuin.service.link import pack_access
from kokuin.trust.journal import AppendRefusal, Refused
from tests.service.access.people_rig import Desk, at_desk
from tests.service.operator_ca import OperatorCa
from tests.service.rig import ScriptedJournal
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from kokuin.service.access.table import AccessTable
    from kokuin.trust.journal import AppendOutcome
    from kokuin.trust.records import Record

SECOND_US = 1_000_000


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with at_desk(tmp_path / "state.db") as made:
        yield made


def now_us() -> int:
    return time.time_ns() // 1_000


def test_a_tenant_is_a_pseudonym_in_ledger_and_table_and_a_name_in_the_list(desk: Desk) -> None:
    tenant = desk.tenant("東京　電力")
    assert re.fullmatch("t-[a-z2-7]{16}", tenant)
    assert desk.leaf["act"] == "tenant.added"
    assert (desk.leaf["about"], desk.leaf["tenant"], desk.leaf["actor"]) == (tenant, tenant, "owner")
    listed = desk.done("tenant.list")["tenants"]
    assert [(each["tenant"], each["name"], each["enabled"]) for each in listed] == [
        ("operator", "operator", True),
        (tenant, "東京　電力", True),
    ]


def test_a_disabled_tenant_disables_its_clients_and_no_others(desk: Desk) -> None:
    one, other = desk.tenant("one"), desk.tenant("other")
    clients = [desk.client(one), desk.client(other)]
    desk.done("tenant.disable", tenant=one)
    assert [desk.people.table().clients[each].enabled for each in clients] == [False, True]
    desk.done("tenant.enable", tenant=one)
    assert [desk.people.table().clients[each].enabled for each in clients] == [True, True]
    assert [record.fields["act"] for record in desk.journal.records[-2:]] == [
        "tenant.disabled",
        "tenant.enabled",
    ]


def test_the_operators_tenant_is_always_there(desk: Desk) -> None:
    assert desk.refused("tenant.disable", tenant="operator") == ("VALUE_UNFIT", "tenant")


def test_a_client_has_what_was_said_and_nothing_else(desk: Desk) -> None:
    client = desk.client(
        desk.tenant(),
        roles=["audit", "stamp", "stamp"],
        person=True,
        profiles=["pq", "classical"],
        classes=[],
        networks=["2001:db8::/32", "192.0.2.0/24"],
        begins_us=5,
        ends_us=6,
        rate=2,
        burst=3,
        per_day=4,
        activated=True,
    )
    found = desk.people.table().clients[client]
    assert re.fullmatch("c-[a-z2-7]{16}", client)
    assert (found.roles, found.person, found.profiles, found.classes, found.networks) == (
        frozenset({Role.AUDIT, Role.STAMP}),
        True,
        frozenset({"pq", "classical"}),
        frozenset[str](),
        ("192.0.2.0/24", "2001:db8::/32"),
    )
    assert (found.begins_us, found.ends_us, found.rate, found.burst, found.per_day, found.activated) == (
        5,
        6,
        2.0,
        3,
        4,
        True,
    )
    plain = desk.client(name="bare", roles=[], rate=None, burst=None, person=None)
    bare = desk.people.table().clients[plain]
    assert (bare.roles, bare.profiles, bare.networks, bare.rate, bare.burst) == (
        frozenset(),
        None,
        (),
        None,
        1,
    )


def test_a_grant_is_on_record_without_addresses_and_names(desk: Desk) -> None:
    desk.client(networks=["192.0.2.7/32"], per_day=9, profiles=["pq"], person=True)
    assert desk.leaf["terms"] == ["networks=1", "per_day=9", "person=True", "profiles=pq", "roles=stamp"]
    assert "192.0.2.7" not in repr(desk.last)
    assert "Genji" not in repr(desk.last)


def test_a_change_is_of_what_is_said_and_leaves_the_rest(desk: Desk) -> None:
    client = desk.client(rate=5.0, profiles=["pq"])
    desk.done("client.change", client=client, profiles=None, roles=["audit"])
    found = desk.people.table().clients[client]
    assert (found.rate, found.profiles, found.roles) == (5.0, None, frozenset({Role.AUDIT}))
    assert desk.leaf["act"] == "client.changed"


def test_nobody_says_of_themselves_that_somebody_approved(desk: Desk) -> None:
    desk.done("tenant.add", name="Acme", approver="c-aaaaaaaaaaaaaaaa")
    assert (desk.leaf["actor"], desk.leaf["approver"]) == ("owner", "")


def test_what_is_so_already_is_done_without_a_leaf(desk: Desk) -> None:
    client = desk.client(desk.tenant("one"))
    key = desk.done("key.create", client=client)["key"]
    desk.done("key.revoke", key=key)
    before = len(desk.journal.records)
    desk.done("client.enable", client=client)
    desk.done("client.change", client=client, roles=["stamp"])
    desk.done("key.revoke", key=key)
    assert len(desk.journal.records) == before


def test_only_the_operators_own_operate(desk: Desk) -> None:
    tenant = desk.tenant()
    wanted = {"name": "x", "roles": ["operate"]}
    assert desk.refused("client.add", tenant=tenant, **wanted) == ("VALUE_UNFIT", "roles")
    client = desk.client(tenant)
    assert desk.refused("client.change", client=client, roles=["operate"]) == ("VALUE_UNFIT", "roles")
    desk.done("client.add", tenant="operator", **wanted)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", " x"),
        ("name", "a\nb"),
        ("name", "a\u202eb"),
        ("name", "\ud800"),
        ("name", "x" * 201),
        ("name", 7),
        ("name", "Genji"),
        ("roles", ["king"]),
        ("roles", "stamp"),
        ("roles", None),
        ("roles", [["stamp"]]),
        ("person", 1),
        ("profiles", ["Not A Name"]),
        ("profiles", ["x"] * 65),
        ("classes", ["a,b"]),
        ("networks", ["192.0.2.1/24"]),
        ("networks", ["all"]),
        ("networks", [7]),
        ("begins_us", -1),
        ("begins_us", 1.5),
        ("begins_us", True),
        ("ends_us", 1 << 60),
        ("rate", 0),
        ("rate", 5e-324),
        ("rate", float("nan")),
        ("rate", float("inf")),
        ("rate", 10**400),
        ("rate", True),
        ("rate", "2"),
        ("burst", 0),
        ("per_day", -1),
        ("per_day", 1 << 60),
        ("activated", "yes"),
    ],
)
def test_a_value_that_is_unfit_is_named(desk: Desk, field: str, value: object) -> None:
    client = desk.client(name="other")
    desk.client()
    said = {"name": "x", "roles": ["stamp"], field: value}
    assert desk.refused("client.add", tenant="operator", **said) == ("VALUE_UNFIT", field)
    assert desk.refused("client.change", client=client, **{field: value}) == ("VALUE_UNFIT", field)


def test_a_validity_of_no_time_is_refused_also_when_it_comes_about_by_a_change(desk: Desk) -> None:
    assert desk.refused("client.add", tenant="operator", name="x", roles=[], begins_us=5, ends_us=5) == (
        "VALUE_UNFIT",
        "ends_us",
    )
    client = desk.client(begins_us=5)
    assert desk.refused("client.change", client=client, ends_us=4) == ("VALUE_UNFIT", "ends_us")
    assert desk.refused("key.create", client=client, begins_us=2, ends_us=1) == ("VALUE_UNFIT", "ends_us")


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("tenant.enable", "TENANT_UNKNOWN"),
        ("tenant.disable", "TENANT_UNKNOWN"),
        ("client.add", "TENANT_UNKNOWN"),
        ("client.list", "TENANT_UNKNOWN"),
        ("client.change", "CLIENT_UNKNOWN"),
        ("client.enable", "CLIENT_UNKNOWN"),
        ("client.disable", "CLIENT_UNKNOWN"),
        ("client.show", "CLIENT_UNKNOWN"),
        ("key.create", "CLIENT_UNKNOWN"),
        ("key.list", "CLIENT_UNKNOWN"),
        ("key.rotate", "KEY_UNKNOWN"),
        ("key.revoke", "KEY_UNKNOWN"),
        ("binding.add", "CLIENT_UNKNOWN"),
        ("binding.list", "CLIENT_UNKNOWN"),
        ("binding.remove", "BINDING_UNKNOWN"),
        ("king.crown", "OPERATION_UNKNOWN"),
    ],
)
@pytest.mark.parametrize("named", ["t-aaaaaaaaaaaaaaaa", "x'; DROP TABLE client; --", "\ud800", 7, ["x"]])
def test_what_is_unknown_has_a_code(desk: Desk, operation: str, code: str, named: object) -> None:
    said = {"name": "x", "roles": [], "grace_seconds": 0, "issuer": "i", "subject": "s"}
    names = dict.fromkeys(("tenant", "client", "key", "binding"), named)
    if operation in {"client.add", "binding.add", "key.create"}:
        assert desk.refused(operation, **names, **said)[0] == code
    else:
        assert desk.refused(operation, **names, grace_seconds=0)[0] == code


def test_a_key_is_shown_once_and_only_its_hash_is_kept(desk: Desk) -> None:
    made = desk.done("key.create", client=desk.client())
    assert re.fullmatch(rf"kokuin_{made['key']}_[A-Za-z0-9_-]{{43}}", made["text"])
    assert re.fullmatch("[a-z2-7]{16}", made["key"])
    found = desk.people.table().keys[made["key"]]
    assert found.digest == hashlib.sha256(made["text"].encode()).hexdigest()
    secret = made["text"].rpartition("_")[2].encode()
    desk.store.close()
    for file in desk.path.parent.iterdir():
        assert secret not in file.read_bytes(), file
    assert made["text"] not in repr(desk.journal.records)
    again = Desk(desk.path, desk.journal)
    assert found.digest not in repr(again.done("key.list"))
    assert made["text"] not in repr(again.done("client.show", client=found.client))
    again.store.close()


def test_a_prepared_key_holds_its_text_nowhere_but_in_the_answer() -> None:
    prepared = prepare("access.key.create", {"client": "c-x"})
    text = prepared.answer["text"]
    assert text not in repr(prepared)
    assert text.rpartition("_")[2] not in repr(prepared.arguments)


def test_a_rotated_key_counts_for_its_grace_and_is_then_revoked(desk: Desk) -> None:
    client = desk.client()
    old = desk.done("key.create", client=client)["key"]
    began = now_us()
    new = desk.done("key.rotate", key=old, grace_seconds=60)["key"]
    keys = desk.people.table().keys
    end = keys[old].ends_us
    assert end is not None
    assert began + 60 * SECOND_US <= end <= now_us() + 60 * SECOND_US
    assert not keys[old].is_revoked(end - 1)
    assert keys[old].is_revoked(end)
    assert (keys[new].client, keys[new].ends_us, keys[new].replaced) == (client, None, False)
    assert f"replaces={old}" in desk.leaf["terms"]
    assert (desk.leaf["act"], desk.leaf["about"], desk.leaf["of"]) == ("key.rotated", new, client)


def test_a_key_without_grace_ends_at_once(desk: Desk) -> None:
    old = desk.done("key.create", client=desk.client())["key"]
    desk.done("key.rotate", key=old, grace_seconds=0)
    assert desk.people.table().keys[old].is_revoked(now_us())


def test_grace_does_not_lengthen_a_key_and_the_next_one_lasts_as_long(desk: Desk) -> None:
    begins = now_us() - 100 * SECOND_US
    ends = begins + 110 * SECOND_US
    old = desk.done("key.create", client=desk.client(), begins_us=begins, ends_us=ends)["key"]
    before = now_us()
    new = desk.done("key.rotate", key=old, grace_seconds=3600)["key"]
    keys = desk.people.table().keys
    assert keys[old].ends_us == ends
    found = keys[new].ends_us
    assert found is not None
    assert before + 110 * SECOND_US <= found <= now_us() + 110 * SECOND_US


@pytest.mark.parametrize("how", ["key.rotate", "key.revoke"])
def test_a_key_that_is_over_has_no_second_successor(desk: Desk, how: str) -> None:
    key = desk.done("key.create", client=desk.client())["key"]
    desk.done(how, key=key, grace_seconds=5)
    assert desk.refused("key.rotate", key=key, grace_seconds=5) == ("VALUE_UNFIT", "key")


@pytest.mark.parametrize("grace", [-1, 1.5, True, "5", None, 10**9])
def test_an_unfit_grace_is_refused(desk: Desk, grace: object) -> None:
    key = desk.done("key.create", client=desk.client())["key"]
    assert desk.refused("key.rotate", key=key, grace_seconds=grace) == ("VALUE_UNFIT", "grace_seconds")


def test_a_certificate_is_bound_by_the_hash_of_its_octets_and_to_one_client(desk: Desk) -> None:
    pem = OperatorCa().issuing_pem
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    client, other = desk.client(), desk.client(name="other")
    binding = desk.done("binding.add", client=client, certificate=pem)["binding"]
    digest = hashlib.sha256(der).hexdigest()
    assert desk.people.table().certificates == {digest: client}
    assert digest not in repr(desk.last)
    assert desk.refused("binding.add", client=other, certificate=pem) == ("VALUE_UNFIT", "certificate")
    desk.done("binding.remove", binding=binding)
    assert desk.people.table().certificates == {}
    desk.done("binding.add", client=other, certificate=pem)


def test_a_subject_is_bound_with_its_issuer_and_stands_in_no_leaf(desk: Desk) -> None:
    client = desk.client()
    desk.done("binding.add", client=client, issuer="https://issuer.example", subject="genji@example")
    assert desk.people.table().subjects == {subject_key("https://issuer.example", "genji@example"): client}
    assert desk.leaf["terms"] == ["kind=subject"]
    assert "example" not in repr(desk.last)
    again = {"client": client, "issuer": "https://issuer.example", "subject": "genji@example"}
    assert desk.refused("binding.add", **again) == ("VALUE_UNFIT", "subject")
    desk.done("binding.add", **{**again, "issuer": "https://other.example"})


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"issuer": "i"},
        {"certificate": "x", "issuer": "i", "subject": "s"},
        {"certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
        {"certificate": 7},
        {"certificate": "\ud800"},
        {"issuer": "i", "subject": "two\nlines"},
        {"issuer": "", "subject": "s"},
    ],
)
def test_an_unfit_binding_is_refused(desk: Desk, said: dict[str, object]) -> None:
    assert desk.refused("binding.add", client=desk.client(), **said)[0] == "VALUE_UNFIT"


def test_two_certificates_in_one_text_are_refused(desk: Desk) -> None:
    ca = OperatorCa()
    both = ca.issuing_pem + ca.root_pem
    assert desk.refused("binding.add", client=desk.client(), certificate=both) == (
        "VALUE_UNFIT",
        "certificate",
    )


def test_lists_are_of_one_tenant_or_client_where_one_is_named(desk: Desk) -> None:
    one, other = desk.tenant("one"), desk.tenant("other")
    clients = [desk.client(one), desk.client(one, name="second"), desk.client(other)]
    keys = [desk.done("key.create", client=each)["key"] for each in clients]
    found = {
        "all": [each["key"] for each in desk.done("key.list")["keys"]],
        "one": [each["key"] for each in desk.done("key.list", tenant=one)["keys"]],
        "client": [each["key"] for each in desk.done("key.list", client=clients[1])["keys"]],
    }
    assert found == {"all": keys, "one": keys[:2], "client": [keys[1]]}
    assert [each["client"] for each in desk.done("client.list", tenant=one)["clients"]] == clients[:2]
    shown = desk.done("client.show", client=clients[2])
    assert (shown["client"]["name"], [each["key"] for each in shown["keys"]]) == ("Genji", [keys[2]])


def test_there_is_a_most_of_everything(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.tenant("one")
    fewer: dict[type[StateTable], int] = {**people_changes.LIMITS, Tenant: 2}
    monkeypatch.setattr(people_changes, "LIMITS", fewer)
    assert desk.refused("tenant.add", name="two") == ("TOO_MANY", "")


def test_what_the_ledger_does_not_take_is_not_done(desk: Desk) -> None:
    client = desk.client()
    before = desk.people.table()
    for operation, arguments in (
        ("client.disable", {"client": client}),
        ("key.create", {"client": client}),
        ("tenant.add", {"name": "new"}),
    ):
        desk.journal.script.append(Refused(AppendRefusal.FULL))
        answer = desk.ask(operation, **arguments)
        assert (answer["ok"], answer["code"]) == (False, "LEDGER_REFUSED")
        assert "text" not in answer
    again = Desk(desk.path, desk.journal)
    assert again.people.table() == desk.people.table() == before
    again.store.close()


class Watching(ScriptedJournal):
    """Looks into `state.db` at the moment of each append."""

    path: Path
    seen: int = -1

    def append(self, *records: Record) -> Future[AppendOutcome]:
        connection = sqlite3.connect(self.path)
        (self.seen,) = connection.execute("SELECT count(*) FROM tenant").fetchone()
        connection.close()
        return super().append(*records)


def test_the_leaf_is_written_before_the_change_is_there(tmp_path: Path) -> None:
    journal = Watching()
    journal.path = tmp_path / "state.db"
    with at_desk(journal.path, journal) as desk:
        desk.tenant()
        assert journal.seen == 1
        desk.tenant("next")
        assert journal.seen == 2


def test_a_change_that_cannot_be_written_is_told_and_counts_nowhere(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = desk.client()
    with monkeypatch.context() as patch:
        patch.setattr(Session, "commit", lambda session: session.connection().exec_driver_sql("NONSENSE"))
        answer = desk.ask("client.disable", client=client)
    assert answer == {"ok": False, "code": "STATE_UNWRITABLE"}
    assert desk.leaf["act"] == "client.disabled"
    assert desk.people.table().clients[client].enabled
    desk.done("client.disable", client=client)
    assert not desk.people.table().clients[client].enabled


def test_a_commit_that_fails_and_is_there_all_the_same_counts_with_the_workers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = desk.client()
    commit = Session.commit

    def late(session: Session) -> None:
        commit(session)
        session.connection().exec_driver_sql("NONSENSE")

    with monkeypatch.context() as patch:
        patch.setattr(Session, "commit", late)
        assert desk.ask("client.disable", client=client)["code"] == "STATE_UNWRITABLE"
    assert not desk.people.table().clients[client].enabled


def test_a_caller_who_goes_away_does_not_keep_a_change_from_the_workers(desk: Desk) -> None:
    client = desk.client()
    key = desk.done("key.create", client=client)["key"]
    told: list[bool] = []

    async def scenario() -> None:
        desk.journal.asked.clear()
        desk.journal.script.append(None)
        heard = asyncio.Event()

        def hear(table: AccessTable) -> None:
            told.append(table.keys[key].revoked)
            if told[-1]:
                heard.set()

        end = desk.people.subscribe(hear)
        asking = asyncio.create_task(desk.people.ask("access.key.revoke", {"key": key, "actor": "owner"}))
        await asyncio.to_thread(desk.journal.asked.wait, PATIENCE_S)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        desk.journal.futures[-1].set_result(())
        await heard.wait()
        end()
        assert told == [False, True]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE client SET roles = 'nonsense'",
        "UPDATE client SET roles = '5'",
        """UPDATE client SET roles = '["king"]'""",
        """UPDATE client SET networks = '["everywhere"]'""",
        "UPDATE client SET tenant = 't-none'",
    ],
)
def test_rows_that_no_release_wrote_are_refused_with_a_code(desk: Desk, damage: str) -> None:
    desk.client()
    connection = sqlite3.connect(desk.path)
    connection.execute(damage)
    connection.commit()
    connection.close()
    with pytest.raises(StateRefusedError) as refused:
        Desk(desk.path, desk.journal)
    assert refused.value.fault is StateFault.UNREADABLE


def test_whoever_subscribes_hears_the_table_now_and_until_the_end(desk: Desk) -> None:
    heard: list[int] = []
    end = desk.people.subscribe(lambda table: heard.append(len(table.clients)))
    client = desk.client()
    end()
    desk.client(name="other")
    assert heard == [0, 1]
    desk.people.exhaust(frozenset({client}))
    assert desk.people.table().exhausted == {client}
    desk.client(name="third")
    assert desk.people.table().exhausted == {client}, "a change of people is no new day"


def test_what_is_only_rehearsed_is_not_done(desk: Desk) -> None:
    async def rehearse(operation: str, **arguments: object) -> None:
        await desk.people.rehearse(operation, prepare(operation, arguments))

    before = len(desk.journal.records)
    asyncio.run(rehearse("access.tenant.add", name="new"))
    with pytest.raises(PeopleRefusedError) as refused:
        asyncio.run(rehearse("access.key.create", client="c-none"))
    assert refused.value.code == "CLIENT_UNKNOWN"
    assert len(desk.journal.records) == before
    assert [each["tenant"] for each in desk.done("tenant.list")["tenants"]] == ["operator"]


def test_a_table_says_the_same_after_its_frame(desk: Desk) -> None:
    client = desk.client(rate=0.5, profiles=["pq"], classes=[], networks=["192.0.2.0/24"])
    desk.done("key.create", client=client)
    desk.done("binding.add", client=client, issuer="i", subject="s")
    desk.people.exhaust(frozenset({client}))
    table = desk.people.table()
    assert unpack_table(pack_table(table)) == table
    assert "Genji" not in repr(pack_access(table))


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = (
    "tenant client key binding name roles person profiles classes networks begins_us ends_us rate burst"
    " per_day activated grace_seconds certificate issuer subject"
)


@given(
    operation=st.sampled_from(sorted(CHANGES)),
    arguments=st.dictionaries(st.sampled_from(_FIELDS.split()), _ANYTHING),
)
def test_any_arguments_are_prepared_or_named_unfit(operation: str, arguments: dict[str, Any]) -> None:
    refusal = PeopleRefusedError("VALUE_UNFIT", "name")
    try:
        prepare(operation, arguments)
    except PeopleRefusedError as error:
        refusal = error
    assert refusal.code == "VALUE_UNFIT"
    assert refusal.field in _FIELDS.split()
