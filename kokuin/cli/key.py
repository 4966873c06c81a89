"""`tsa key`: API keys of clients, and what stands in for one: a certificate, or a subject of an issuer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.cli.access_operate import add_common, tell, tell_made
from kokuin.cli.access_values import add_validity, grace_seconds, label, time_text, validity
from kokuin.cli.acts import add_acts
from kokuin.cli.keys_files import read_input, refuse_existing, write_output
from kokuin.cli.messages import text
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.owner import ask
from kokuin.cli.table import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

ACTS = ("create", "list", "rotate", "revoke", "bind", "unbind")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's acts and their options."""
    for act, command in add_acts(parser, lang, "key", ACTS):
        _ADD[act](command, lang)
        add_common(command, lang)


def run(arguments: argparse.Namespace) -> int:
    """Do it; exit 0 when it is done or proposed, 1 when it was refused.

    Raises:
        CommandError: a file cannot be used, or nobody serves the folder, and it cannot be opened.
    """
    return _DO[arguments.act](arguments)


def _add_create(command: argparse.ArgumentParser, lang: str) -> None:
    _add_client(command, lang)
    add_validity(command, lang)
    _add_out(command, lang)


def _add_list(command: argparse.ArgumentParser, lang: str) -> None:
    whose = command.add_mutually_exclusive_group()
    whose.add_argument("--client", type=label(lang), metavar="CLIENT", help=text(lang, "client.id_help"))
    whose.add_argument("--tenant", type=label(lang), metavar="TENANT", help=text(lang, "tenant.id_help"))


def _add_rotate(command: argparse.ArgumentParser, lang: str) -> None:
    _add_key(command, lang)
    command.add_argument(
        "--grace",
        type=grace_seconds(lang),
        default=86_400,
        metavar="PERIOD",
        help=text(lang, "key.grace_help"),
    )
    _add_out(command, lang)


def _add_bind(command: argparse.ArgumentParser, lang: str) -> None:
    _add_client(command, lang)
    shown = command.add_mutually_exclusive_group(required=True)
    shown.add_argument("--certificate", type=Path, metavar="FILE", help=text(lang, "key.certificate_help"))
    shown.add_argument("--issuer", type=label(lang), metavar="ISSUER", help=text(lang, "key.issuer_help"))
    command.add_argument(
        "--subject", type=label(lang), metavar="SUBJECT", help=text(lang, "key.subject_help")
    )


def _add_unbind(command: argparse.ArgumentParser, lang: str) -> None:
    command.add_argument("binding", type=label(lang), metavar="BINDING", help=text(lang, "key.binding_help"))


def _add_key(command: argparse.ArgumentParser, lang: str) -> None:
    command.add_argument("key", type=label(lang), metavar="KEY", help=text(lang, "key.id_help"))


def _add_client(command: argparse.ArgumentParser, lang: str) -> None:
    command.add_argument("client", type=label(lang), metavar="CLIENT", help=text(lang, "client.id_help"))


def _add_out(command: argparse.ArgumentParser, lang: str) -> None:
    command.add_argument("-o", dest="out", type=Path, metavar="FILE", help=text(lang, "key.out_help"))


def _create(arguments: argparse.Namespace) -> Exit:
    question = {"client": arguments.client, **validity(arguments)}
    return _make(arguments, "access.key.create", question, "key.create_done")


def _rotate(arguments: argparse.Namespace) -> Exit:
    question = {"key": arguments.key, "grace_seconds": arguments.grace}
    return _make(arguments, "access.key.rotate", question, "key.rotate_done")


def _make(arguments: argparse.Namespace, operation: str, question: dict[str, Any], sentence: str) -> Exit:
    """Have a key made, and hand its text over: to a file of the owner's alone, or on standard output."""
    if arguments.out is None:
        return tell_made(arguments, ask(arguments, operation, question), "text", sentence)
    refuse_existing(arguments.out)
    answer = ask(arguments, operation, question)
    if "text" in answer:
        try:
            write_output(arguments.out, answer.pop("text").encode("ascii") + b"\n")
        except CommandError as error:
            raise CommandError("key.lost", made=answer["key"], **error.params) from None
        answer["file"] = str(arguments.out)
    return tell_made(arguments, answer, "key", "key.written")


def _list(arguments: argparse.Namespace) -> Exit:
    """Show keys, and below them what else is bound."""
    named = {name: getattr(arguments, name) for name in ("client", "tenant")}
    wish = {name: value for name, value in named.items() if value is not None}
    keys = ask(arguments, "access.key.list", wish)
    if not keys["ok"]:
        return tell(arguments, keys, ())
    bound = ask(arguments, "access.binding.list", wish)
    both = {**keys, **bound}
    return tell(arguments, both, shown_credentials(both, arguments.lang))


def shown_credentials(answer: dict[str, Any], lang: str) -> Iterator[str]:
    """Yield a table of keys, and one of bindings where there are some."""
    yield from _keys(answer["keys"], lang)
    if answer.get("bindings"):
        yield ""
        yield from _bindings(answer["bindings"], lang)


def _keys(keys: list[dict[str, Any]], lang: str) -> Iterator[str]:
    headings = [text(lang, f"key.head_{name}") for name in ("key", "client", "state", "from", "until")]
    rows = [
        (
            each["key"],
            each["client"],
            text(lang, _state(each)),
            time_text(each["begins_us"]),
            time_text(each["ends_us"]),
        )
        for each in keys
    ]
    yield from table(headings, rows)


def _state(key: dict[str, Any]) -> str:
    if key["revoked"]:
        return "key.revoked"
    return "key.replaced" if key["replaced"] else "access.on"


def _bindings(bindings: list[dict[str, Any]], lang: str) -> Iterator[str]:
    headings = [text(lang, f"key.head_{name}") for name in ("binding", "client", "what")]
    rows = [(each["binding"], each["client"], _bound(each, lang)) for each in bindings]
    yield from table(headings, rows)


def _bound(binding: dict[str, Any], lang: str) -> str:
    kind = "certificate" if binding.get("certificate") else "subject"
    return text(lang, f"key.bound_{kind}", **binding)


def _bind(arguments: argparse.Namespace) -> Exit:
    question: dict[str, Any] = {"client": arguments.client}
    if (arguments.issuer is None) != (arguments.subject is None):
        raise CommandError("key.issuer_and_subject")
    if arguments.issuer is None:
        question["certificate"] = read_input(arguments.certificate).decode("ascii", "replace")
    else:
        question |= {"issuer": arguments.issuer, "subject": arguments.subject}
    return tell_made(arguments, ask(arguments, "access.binding.add", question), "binding", "key.bind_done")


def _revoke(arguments: argparse.Namespace) -> Exit:
    answer = ask(arguments, "access.key.revoke", {"key": arguments.key})
    return tell(arguments, answer, [text(arguments.lang, "key.revoke_done", key=arguments.key)])


def _unbind(arguments: argparse.Namespace) -> Exit:
    answer = ask(arguments, "access.binding.remove", {"binding": arguments.binding})
    return tell(arguments, answer, [text(arguments.lang, "key.unbind_done", binding=arguments.binding)])


_ADD: dict[str, Callable[[argparse.ArgumentParser, str], None]] = {
    "create": _add_create,
    "list": _add_list,
    "rotate": _add_rotate,
    "revoke": _add_key,
    "bind": _add_bind,
    "unbind": _add_unbind,
}
_DO: dict[str, Callable[[argparse.Namespace], Exit]] = {
    "create": _create,
    "list": _list,
    "rotate": _rotate,
    "revoke": _revoke,
    "bind": _bind,
    "unbind": _unbind,
}
