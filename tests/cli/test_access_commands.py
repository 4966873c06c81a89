"""The commands about access as an operator meets them; the owner's answers are the contract's."""

from __future__ import annotations

import datetime as dt
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.cli import activation, approval, client, key, stop, tenant
from kokuin.cli.main import main
from kokuin.cli.messages import LANGUAGES
from kokuin.service import operating
from kokuin.service.access.principal import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

KEY = "kokuin_abcdefghijklmnop_" + "x" * 43
TENANT, CLIENT, APPROVAL = "t-aaaaaaaaaaaaaaaa", "c-bbbbbbbbbbbbbbbb", "p-cccccccccccccccc"
MODULES = {
    "tenant": tenant,
    "client": client,
    "key": key,
    "approval": approval,
    "activation": activation,
    "stop": stop,
}
US = 1_000_000
SHOWN_CLIENT = {
    "client": CLIENT,
    "tenant": TENANT,
    "name": "文書管理",
    "enabled": True,
    "roles": ["audit", "stamp"],
    "person": False,
    "profiles": None,
    "classes": None,
    "networks": ["192.0.2.0/24"],
    "begins_us": None,
    "ends_us": 1_800_000_000 * US,
    "rate": 0.5,
    "burst": 1,
    "per_day": None,
    "activated": False,
}


class Owner:
    """Stands where the folder's owner is asked: keeps the questions, gives the answers it was told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, dict[str, Any]] = {}

    def operate(self, folder: object, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        del folder
        self.asked.append((operation, dict(arguments)))
        return dict(self.answers.get(operation, {"ok": True}))

    def says(self, operation: str, **answer: object) -> None:
        self.answers[operation] = {"ok": True, **answer}


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Owner:
    made = Owner()
    monkeypatch.setattr(operating, "operate", made.operate)
    monkeypatch.setenv("TSA_LANG", "en")
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def tsa(owner: Owner, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `tsa WORDS`; return exit code, standard output and standard error."""
    del owner

    def run(*words: str) -> tuple[int, str, str]:
        try:
            code = main(list(words))
        except SystemExit as ended:
            code = int(str(ended.code))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_what_an_act_made_stands_alone_on_standard_output(
    owner: Owner, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    owner.says("access.tenant.add", tenant=TENANT)
    assert tsa("tenant", "add", "青山商事　本社") == (0, f"{TENANT}\n", f"Tenant added: {TENANT}\n")
    owner.says("access.client.add", client=CLIENT)
    words = ("--role", "stamp", "--role", "audit", "--network", "192.0.2.0/24", "--per-day", "5000")
    code, out, _ = tsa("client", "add", TENANT, "archive", *words, "--until", "2027-03-31T00:00Z")
    assert (code, out) == (0, f"{CLIENT}\n")
    owner.says("access.key.create", key="abcdefghijklmnop", text=KEY)
    code, out, err = tsa("key", "create", CLIENT)
    assert (code, out) == (0, f"{KEY}\n")
    assert KEY not in err
    assert "abcdefghijklmnop" in err
    owner.says("access.binding.add", binding="b-1")
    code, out, _ = tsa("key", "bind", CLIENT, "--issuer", "https://id.example", "--subject", "archive")
    assert (code, out) == (0, "b-1\n")
    assert owner.asked == [
        ("access.tenant.add", {"name": "青山商事　本社"}),
        (
            "access.client.add",
            {
                "tenant": TENANT,
                "name": "archive",
                "roles": ["stamp", "audit"],
                "networks": ["192.0.2.0/24"],
                "ends_us": int(dt.datetime(2027, 3, 31, tzinfo=dt.UTC).timestamp()) * US,
                "per_day": 5000,
            },
        ),
        ("access.key.create", {"client": CLIENT}),
        (
            "access.binding.add",
            {"client": CLIENT, "issuer": "https://id.example", "subject": "archive"},
        ),
    ]


def test_a_key_goes_to_a_file_of_its_owner_alone_and_never_over_another(
    owner: Owner, tsa: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    owner.says("access.key.rotate", key="abcdefghijklmnop", text=KEY)
    code, out, err = tsa("key", "rotate", "qrstuvwxyz234567", "-o", "key", "--grace", "12h")
    assert (code, out) == (0, "abcdefghijklmnop\n")
    assert KEY not in err
    assert (tmp_path / "key").read_text() == f"{KEY}\n"
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert owner.asked == [("access.key.rotate", {"key": "qrstuvwxyz234567", "grace_seconds": 43_200})]
    code, out, err = tsa("key", "create", CLIENT, "-o", "key")
    assert (code, out) == (3, "")
    assert "nothing is overwritten" in err
    assert len(owner.asked) == 1, "no key is made that could not be written"


def test_a_key_that_could_not_be_written_is_named_so_that_it_can_be_revoked(
    owner: Owner, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    owner.says("access.key.create", key="abcdefghijklmnop", text=KEY)
    code, out, err = tsa("key", "create", CLIENT, "-o", "nowhere/key")
    assert (code, out) == (3, "")
    assert "tsa key revoke abcdefghijklmnop" in err
    assert KEY not in err


def test_days_of_validity_are_counted_from_the_beginning(
    owner: Owner, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    owner.says("access.key.create", key="abcdefghijklmnop", text=KEY)
    assert tsa("key", "create", CLIENT, "--from", "2027-01-01T00:00Z", "--valid-days", "31")[0] == 0
    begins = int(dt.datetime(2027, 1, 1, tzinfo=dt.UTC).timestamp()) * US
    assert owner.asked[0][1] == {
        "client": CLIENT,
        "begins_us": begins,
        "ends_us": begins + 31 * 86_400 * US,
    }
    before = dt.datetime.now(dt.UTC)
    assert tsa("key", "create", CLIENT, "--valid-days", "1")[0] == 0
    ends = owner.asked[1][1]["ends_us"]
    assert 0 <= ends - int(before.timestamp() * US) - 86_400 * US < 3_600 * US
    assert tsa("key", "create", CLIENT, "--valid-days", "999999999")[0] == 3
    code, _, err = tsa("client", "change", CLIENT, "--from", "2027-02-01", "--until", "2027-01-01")
    assert code == 3
    assert "ends before it begins" in err
    assert len(owner.asked) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("tenant", "add", "a\x1b[31mb"),
        ("tenant", "add", "a\u202eb"),
        ("tenant", "add", "a\nb"),
        ("tenant", "add", "\udc80"),
        ("tenant", "add", "　 "),
        ("tenant", "add", ""),
        ("tenant", "add", "n" * 201),
        ("client", "add", TENANT, "n"),
        ("client", "add", TENANT, "n", "--role", "root"),
        ("client", "add", TENANT, "n", "--role", "stamp", "--network", "192.0.2.1/24"),
        ("client", "add", TENANT, "n", "--role", "stamp", "--network", "office"),
        ("client", "add", TENANT, "n", "--role", "stamp", "--per-day", "0"),
        ("client", "add", TENANT, "n", "--role", "stamp", "--per-day", "-1"),
        ("client", "add", TENANT, "n", "--role", "stamp", "--rate", "nan"),
        ("client", "add", TENANT, "n", "--role", "stamp", "--until", "tomorrow"),
        ("client", "add", TENANT, "n", "--role", "stamp", "--until", "2027-01-01", "--valid-days", "3"),
        ("client", "change", CLIENT),
        ("client", "change", CLIENT, "--unlimited", "rate", "--rate", "3"),
        ("key", "rotate", "k", "--grace", "1 week"),
        ("key", "list", "--client", CLIENT, "--tenant", TENANT),
        ("key", "bind", CLIENT),
        ("key", "bind", CLIENT, "--issuer", "https://id.example"),
        ("key", "bind", CLIENT, "--certificate", "nowhere.pem"),
        ("key", "bind", CLIENT, "--certificate", "nowhere.pem", "--subject", "s"),
        ("activation", "propose", CLIENT, "stamp", "--count", "3"),
        ("activation", "propose", CLIENT, "audit", "--count", "3", "--valid-days", "1"),
        ("stop", "set"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage_and_nobody_is_asked(
    words: tuple[str, ...], owner: Owner, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = tsa(*words)
    assert (code, out) == (3, "")
    assert err
    assert not owner.asked


def test_a_change_says_only_what_changes(owner: Owner, tsa: Callable[..., tuple[int, str, str]]) -> None:
    assert tsa("client", "change", CLIENT, "--no-person", "--unlimited", "networks")[0] == 0
    assert tsa("client", "change", CLIENT, "--name", "n", "--profile", "pq", "--unlimited", "per-day")[0] == 0
    assert owner.asked == [
        ("access.client.change", {"client": CLIENT, "person": False, "networks": []}),
        ("access.client.change", {"client": CLIENT, "name": "n", "profiles": ["pq"], "per_day": None}),
    ]


def test_a_proposal_is_told_beside_what_will_count_once_it_is_approved(
    owner: Owner, tsa: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    proposed = {"state": "proposed", "approval": APPROVAL}
    for operation in ("access.tenant.disable", "stop.release", "activation.propose"):
        owner.says(operation, **proposed)
    owner.says("access.key.create", key="abcdefghijklmnop", text=KEY, **proposed)
    command = f"POST /api/v1/approvals/{APPROVAL}/approve"
    for words in (
        ("tenant", "disable", TENANT),
        ("stop", "release"),
        ("activation", "propose", CLIENT, "seal", "--count", "500", "--valid-days", "3"),
    ):
        code, out, err = tsa(*words)
        assert (code, out, command in err) == (0, f"{APPROVAL}\n", True)
    assert owner.asked[-1][1].keys() == {"client", "kind", "count", "until_us"}
    code, out, err = tsa("key", "create", CLIENT)
    assert (code, out, command in err) == (0, f"{KEY}\n", True)
    code, out, err = tsa("key", "create", CLIENT, "-o", "key")
    assert (code, out, command in err) == (0, "abcdefghijklmnop\n", True)
    assert (tmp_path / "key").read_text() == f"{KEY}\n"
    code, out, _ = tsa("key", "create", CLIENT, "--json")
    assert (code, json.loads(out)["approval"]) == (0, APPROVAL)


def test_what_waits_is_shown_with_what_it_would_do(
    owner: Owner, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    said = {"roles": ["stamp", "audit"], "name": "archive", "networks": [], "ends_us": 1_800_000_000 * US}
    waiting = {
        "approval": APPROVAL,
        "operation": "access.client.add",
        "about": CLIENT,
        "arguments": {"client": CLIENT, "digest": "ab" * 32, "said": said},
        "proposer": "owner",
        "since_us": 1_790_000_000 * US,
        "ends_us": 1_790_003_600 * US,
    }
    owner.says("approval.list", approvals=[waiting])
    code, out, _ = tsa("approval", "list")
    assert code == 0
    assert out.splitlines()[1] == (
        f"{APPROVAL}  access.client.add  owner  2026-09-21T15:13:20+00:00  "
        f"client={CLIENT} roles=stamp,audit name=archive ends_us=2027-01-15T08:00:00+00:00"
    )


def test_approving_a_switch_says_what_came_of_it(
    owner: Owner, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    owner.says("approval.approve", state="active", default="pq", enabled=["pq"], epoch=2, cfg="ab")
    code, out, _ = tsa("approval", "approve", APPROVAL)
    assert (code, out) == (0, f"Approved and done: {APPROVAL}\nIn force: default pq, on: pq (epoch 2, ab)\n")
    blocker = {"code": "UNIT_MISSING", "subject": "pq", "detail": "no key"}
    owner.answers["approval.approve"] = {"ok": False, "code": "SWITCH_BLOCKED", "blockers": [blocker]}
    code, out, err = tsa("approval", "approve", APPROVAL)
    assert (code, out, "  UNIT_MISSING pq: no key\n" in err) == (1, "", True)


def test_listings_have_headings_and_columns_that_fit_japanese(
    owner: Owner, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    tenants = [
        {"tenant": "operator", "name": "", "enabled": True, "created_us": 0},
        {"tenant": TENANT, "name": "青山\x1b[2J商事", "enabled": False, "created_us": 1_790_000_000 * US},
    ]
    owner.says("access.tenant.list", tenants=tenants)
    owner.says("access.client.list", clients=[SHOWN_CLIENT])
    assert tsa("tenant", "list") == (
        0,
        (
            "TENANT              STATE  ADDED                      NAME\n"
            "operator            on     1970-01-01T00:00:00+00:00\n"
            f"{TENANT}  off    2026-09-21T14:13:20+00:00  青山\ufffd[2J商事\n"
        ),
        "",
    )
    code, out, _ = tsa("tenant", "show", TENANT, "--lang", "ja")
    assert code == 0
    assert out.splitlines()[3:] == [
        "クライアント        テナント            状態  役割          開始 / 終了                    名称",
        f"{CLIENT}  {TENANT}  有効  audit, stamp  - / 2027-01-15T08:00:00+00:00  文書管理",
    ]
    code, _, err = tsa("tenant", "show", "t-unknown")
    assert (code, err) == (1, "Nothing was changed: TENANT_UNKNOWN. There is no such tenant.\n")


def test_one_client_is_shown_with_every_limit(owner: Owner, tsa: Callable[..., tuple[int, str, str]]) -> None:
    key_row = {"key": "abcdefghijklmnop", "client": CLIENT, "begins_us": None, "ends_us": None}
    keys = [{**key_row, "revoked": False, "replaced": True}]
    owner.says("access.client.show", client=SHOWN_CLIENT, keys=keys, bindings=[])
    code, out, _ = tsa("client", "show", CLIENT)
    assert code == 0
    for line in (
        "Profiles: no limit",
        "Networks: 192.0.2.0/24",
        "Acts a second and worker: 0.5",
        "A person: no",
    ):
        assert line in out.splitlines()
    assert out.splitlines()[-1].split() == ["abcdefghijklmnop", CLIENT, "replaced", "-", "-"]


def test_keys_and_bindings_are_listed_together(
    owner: Owner, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    shown = {"key": "abcdefghijklmnop", "client": CLIENT, "begins_us": None, "ends_us": None}
    owner.says("access.key.list", keys=[{**shown, "revoked": True, "replaced": True}])
    owner.says(
        "access.binding.list",
        bindings=[
            {"binding": "b-1", "client": CLIENT, "certificate": "ab" * 32},
            {"binding": "b-2", "client": CLIENT, "issuer": "https://id.example", "subject": "archive"},
        ],
    )
    code, out, _ = tsa("key", "list", "--client", CLIENT)
    assert code == 0
    assert out.splitlines()[1].split() == ["abcdefghijklmnop", CLIENT, "revoked", "-", "-"]
    assert "certificate " + "ab" * 32 in out
    assert "archive of https://id.example" in out
    assert [arguments for _, arguments in owner.asked] == [{"client": CLIENT}] * 2


def test_the_stop_is_told_and_a_stopped_service_is_no_success(
    owner: Owner, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    owner.says(
        "stop.show",
        stopped=True,
        since_us=1_790_000_000 * US,
        actor="owner",
        reason="a key was stolen",
        releasers=["operator-key", "owner"],
    )
    code, out, _ = tsa("stop", "show")
    assert (code, out) == (
        1,
        (
            "Stopped since 2026-09-21T14:13:20+00:00 by owner\nReason: a key was stolen\n"
            "Two of these release it: operator-key, owner\n"
        ),
    )
    owner.says("stop.show", stopped=False)
    assert tsa("stop", "show")[:2] == (0, "Not stopped.\n")
    assert tsa("stop", "set", "--reason", "a key was stolen")[0] == 0
    assert owner.asked[-1] == ("stop.set", {"reason": "a key was stolen"})


@pytest.mark.parametrize(
    ("lang", "words"), [("en", "There is no such client."), ("ja", "そのクライアントはありません。")]
)
def test_a_refusal_has_its_code_and_a_sentence(
    owner: Owner, tsa: Callable[..., tuple[int, str, str]], lang: str, words: str
) -> None:
    owner.answers["access.client.disable"] = {"ok": False, "code": "CLIENT_UNKNOWN"}
    code, nothing, out = tsa("client", "disable", CLIENT, "--lang", lang)
    assert (code, nothing) == (1, "")
    assert "CLIENT_UNKNOWN" in out
    assert out.endswith(f"{words}\n")
    owner.answers["access.client.disable"] = {"ok": False, "code": "OF_ANOTHER_RELEASE", "detail": "why"}
    code, _, out = tsa("client", "disable", CLIENT, "--lang", lang)
    assert (code, "OF_ANOTHER_RELEASE" in out, out.endswith("  why\n")) == (1, True, True)


def test_the_roles_are_those_of_the_service() -> None:
    assert set(client.ROLES) == {role.value for role in Role}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("command", "act"), [(name, act) for name, module in MODULES.items() for act in module.ACTS]
)
def test_every_act_of_access_explains_itself(
    command: str, act: str, lang: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, act, "--help", "--lang", lang])
    assert ended.value.code == 0
    assert "--json" in capsys.readouterr().out
