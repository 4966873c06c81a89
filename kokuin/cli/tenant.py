"""`tsa tenant`: the organisations whose clients use the service; their names stay in `state.db`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.cli.access_operate import add_common, tell, tell_made
from kokuin.cli.access_values import label, time_text
from kokuin.cli.acts import add_acts
from kokuin.cli.client import client_table
from kokuin.cli.messages import text
from kokuin.cli.owner import ask
from kokuin.cli.table import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from kokuin.cli.outcome import Exit

ACTS = ("add", "list", "show", "disable", "enable")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's acts and their options."""
    for act, command in add_acts(parser, lang, "tenant", ACTS):
        if act == "add":
            command.add_argument(
                "name", type=label(lang), metavar="NAME", help=text(lang, "tenant.name_help")
            )
        elif act != "list":
            command.add_argument(
                "tenant", type=label(lang), metavar="TENANT", help=text(lang, "tenant.id_help")
            )
        add_common(command, lang)


def run(arguments: argparse.Namespace) -> int:
    """Do it; exit 0 when it is done or proposed, 1 when it was refused.

    Raises:
        CommandError: nobody serves the folder, and it cannot be opened.
    """
    act, lang = arguments.act, arguments.lang
    if act == "add":
        answer = ask(arguments, "access.tenant.add", {"name": arguments.name})
        return tell_made(arguments, answer, "tenant", "tenant.add_done")
    if act == "list":
        answer = ask(arguments, "access.tenant.list", {})
        return tell(arguments, answer, _tenants(answer.get("tenants", ()), lang))
    if act == "show":
        return _show(arguments)
    answer = ask(arguments, f"access.tenant.{act}", {"tenant": arguments.tenant})
    return tell(arguments, answer, [text(lang, f"tenant.{act}_done", tenant=arguments.tenant)])


def _show(arguments: argparse.Namespace) -> Exit:
    listed = ask(arguments, "access.tenant.list", {})
    found = [each for each in listed.get("tenants", ()) if each["tenant"] == arguments.tenant]
    if listed["ok"] and not found:
        listed = {"ok": False, "code": "TENANT_UNKNOWN"}
    if not listed["ok"]:
        return tell(arguments, listed, ())
    answer = ask(arguments, "access.client.list", {"tenant": arguments.tenant})
    clients = answer.get("clients", ())
    lines = [*_tenants(found, arguments.lang), "", *client_table(clients, arguments.lang)]
    return tell(arguments, {**answer, "tenant": found[0]}, lines)


def _tenants(tenants: list[dict[str, Any]], lang: str) -> Iterator[str]:
    headings = [text(lang, f"tenant.head_{name}") for name in ("tenant", "state", "created", "name")]
    rows = [
        (
            each["tenant"],
            text(lang, "access.on" if each["enabled"] else "access.off"),
            time_text(each["created_us"]),
            each["name"],
        )
        for each in tenants
    ]
    yield from table(headings, rows)
