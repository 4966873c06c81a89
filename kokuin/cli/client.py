"""`tsa client`: people and machines of a tenant, and what each of them may do."""

from __future__ import annotations

from argparse import BooleanOptionalAction
from typing import TYPE_CHECKING, Any

from kokuin.cli.access_operate import add_common, tell, tell_made
from kokuin.cli.access_values import add_validity, amount, label, network, rate, time_text, validity
from kokuin.cli.acts import add_acts
from kokuin.cli.key import shown_credentials
from kokuin.cli.messages import text
from kokuin.cli.outcome import CommandError
from kokuin.cli.owner import ask
from kokuin.cli.table import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

ACTS = ("add", "list", "show", "change", "disable", "enable")
ROLES = ("stamp", "seal", "approve", "audit", "operate")
LIMITS: dict[str, tuple[str, list[str] | None]] = {
    "profiles": ("profiles", None),
    "classes": ("classes", None),
    "networks": ("networks", []),
    "from": ("begins_us", None),
    "until": ("ends_us", None),
    "rate": ("rate", None),
    "per-day": ("per_day", None),
}
"""What `change --unlimited` takes away: the field, and its value when nothing is limited."""
_LISTED = ("client", "tenant", "state", "roles", "validity", "name")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's acts and their options."""
    for act, command in add_acts(parser, lang, "client", ACTS):
        if act == "add":
            command.add_argument(
                "tenant", type=label(lang), metavar="TENANT", help=text(lang, "tenant.id_help")
            )
            command.add_argument(
                "name", type=label(lang), metavar="NAME", help=text(lang, "client.name_help")
            )
        elif act == "list":
            command.add_argument(
                "--tenant", type=label(lang), metavar="TENANT", help=text(lang, "tenant.id_help")
            )
        else:
            command.add_argument(
                "client", type=label(lang), metavar="CLIENT", help=text(lang, "client.id_help")
            )
        if act == "change":
            command.add_argument(
                "--name", type=label(lang), metavar="NAME", help=text(lang, "client.name_help")
            )
            command.add_argument(
                "--unlimited",
                action="append",
                choices=tuple(LIMITS),
                metavar="LIMIT",
                help=text(lang, "client.unlimited_help"),
            )
        if act in {"add", "change"}:
            _add_rights(command, lang, required=act == "add")
        add_common(command, lang)


def run(arguments: argparse.Namespace) -> int:
    """Do it; exit 0 when it is done or proposed, 1 when it was refused.

    Raises:
        CommandError: options contradict each other, or nobody serves the folder, and it cannot be opened.
    """
    act, lang = arguments.act, arguments.lang
    if act == "add":
        question = {"tenant": arguments.tenant, "name": arguments.name, **_rights(arguments)}
        return tell_made(
            arguments, ask(arguments, "access.client.add", question), "client", "client.add_done"
        )
    if act == "list":
        answer = ask(arguments, "access.client.list", _present(tenant=arguments.tenant))
        return tell(arguments, answer, client_table(answer.get("clients", ()), lang))
    question = {"client": arguments.client}
    if act == "change":
        question |= _changes(arguments)
    answer = ask(arguments, f"access.client.{act}", question)
    if act == "show":
        return tell(arguments, answer, _details(answer, lang))
    return tell(arguments, answer, [text(lang, f"client.{act}_done", client=arguments.client)])


def client_table(clients: list[dict[str, Any]], lang: str) -> Iterator[str]:
    """Yield the lines of a table of clients as `access.client.list` answers them."""
    rows = [
        (
            each["client"],
            each["tenant"],
            text(lang, "access.on" if each["enabled"] else "access.off"),
            ", ".join(each["roles"]),
            f"{time_text(each['begins_us'])} / {time_text(each['ends_us'])}",
            each["name"],
        )
        for each in clients
    ]
    yield from table([text(lang, f"client.head_{name}") for name in _LISTED], rows)


def _add_rights(command: argparse.ArgumentParser, lang: str, *, required: bool) -> None:
    def add(name: str, **how: Any) -> None:
        command.add_argument(f"--{name}", **how, help=text(lang, f"client.{name}_help"))

    add("role", action="append", choices=ROLES, required=required)
    for name in ("person", "activated"):
        add(name, action="store_true" if required else BooleanOptionalAction, default=None)
    for name in ("profile", "class"):
        add(name, action="append", dest=f"{name}_names", type=label(lang), metavar="NAME")
    add("network", action="append", type=network(lang), metavar="CIDR")
    add_validity(command, lang)
    add("rate", type=rate(lang), metavar="N")
    add("burst", type=amount(lang), metavar="N")
    add("per-day", type=amount(lang), metavar="N")


def _rights(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the options say of what a client may, and nothing of what they do not say."""
    return validity(arguments) | _present(
        roles=arguments.role,
        person=arguments.person,
        activated=arguments.activated,
        profiles=arguments.profile_names,
        classes=arguments.class_names,
        networks=arguments.network,
        rate=arguments.rate,
        burst=arguments.burst,
        per_day=arguments.per_day,
    )


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    changed = _present(name=arguments.name) | _rights(arguments)
    for name in arguments.unlimited or ():
        field, value = LIMITS[name]
        if field in changed:
            raise CommandError("client.both", name=name)
        changed[field] = value
    if not changed:
        raise CommandError("client.nothing")
    return changed


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _details(answer: dict[str, Any], lang: str) -> Iterator[str]:
    if answer["ok"]:
        shown = answer["client"]
        yield from client_table([shown], lang)
        for name in ("profiles", "classes", "networks"):
            words = ", ".join(shown[name] or ()) or text(lang, "client.any")
            yield f"{text(lang, f'client.show_{name}')}: {words}"
        for name in ("rate", "burst", "per_day"):
            amount_text = text(lang, "client.any") if shown[name] is None else f"{shown[name]:g}"
            yield f"{text(lang, f'client.show_{name}')}: {amount_text}"
        for name in ("person", "activated"):
            answered = text(lang, "access.yes" if shown[name] else "access.no")
            yield f"{text(lang, f'client.show_{name}')}: {answered}"
        if answer["keys"] or answer["bindings"]:
            yield ""
            yield from shown_credentials(answer, lang)
