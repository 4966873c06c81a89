"""The documents say what the code does: routes, settings and defaults, options, codes, metrics, profiles."""

from __future__ import annotations

import argparse
import fnmatch
import functools
import importlib
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel

from kokuin.cli.messages import text
from kokuin.cli.outcome import Exit
from kokuin.cli.parser import COMMANDS, module_of
from kokuin.service import metrics
from kokuin.service.app import make_app
from kokuin.service.config import Config, load_config
from kokuin.service.datafolder import DataFolder
from kokuin.service.http_problems import TransportCode, problem
from kokuin.service.initialising import InitRequest, initialise
from kokuin.service.stamp_endpoint import PATH
from pqc.profiles import DEVELOPMENT_ARC, load_shipped, shipped
from tests.docs.markdown import READMES, literals, prose, read, table_from
from tsa.clock.settings import KNOWN_SMEARERS, ClockSettings
from tsa.clock.verdict import ClockFault
from tsa.status import FailInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATIONS = "docs/operations.md"
BUILT_IN = {"built in", "組み込み"}
NOTHING = {"none", "なし"}
OF_ACTS = {"--help", "--dir", "--json", "--lang"}
"""Options that the text below the table says of all acts at once."""


def routes() -> set[str]:
    """Every route of the application that it describes itself, those of stamping, and the description."""
    nothing = cast("Any", None)
    app = make_app(DataFolder(Path()), Config(), nothing, nothing, nothing, nothing)
    described = {
        f"{method} {route.path}"
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    return described | {f"POST {PATH}", f"POST {PATH}/{{profile}}", f"GET {app.openapi_url}"}


@pytest.mark.parametrize("readme", READMES)
def test_every_route_is_described_and_no_other(readme: str) -> None:
    rows = table_from(read(readme), "`POST /tsa`").rows
    assert {route for row in rows for route in literals(row[0])} == routes()


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every field of the configuration by its path, with the default that the code has."""
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            yield from settings(type(default), f"{prefix}{name}.")
        elif name == "clock":
            yield from _clock_settings()
        else:
            yield prefix + name, default


def _clock_settings() -> Iterator[tuple[str, object]]:
    for field in fields(ClockSettings):
        assert field.default is not MISSING
        if field.name != "accuracy_us":  # the profile's, and it stands there only
            yield f"clock.{field.name}", field.default


def written(default: object) -> object:
    """Turn a default into what the tables can say."""
    if default == KNOWN_SMEARERS:
        return BUILT_IN
    if default in (None, (), {}):
        return NOTHING
    return str(default) if isinstance(default, str | Path) else default


def said(cell: str) -> object:
    """Read a default as the tables write it."""
    for words in (NOTHING, BUILT_IN):
        if cell in words:
            return words
    if cell in {"true", "false"}:
        return cell == "true"
    quoted = re.fullmatch('`"(.*)"`', cell)
    return quoted[1] if quoted else float(cell)


@pytest.mark.parametrize("readme", READMES)
def test_every_field_of_the_configuration_is_there_with_its_default(readme: str) -> None:
    table: dict[str, object] = {}
    for names, defaults, _ in table_from(read(readme), "`profile`").rows:
        found = literals(names)
        values = re.split(", |、", defaults)
        assert len(found) == len(values), names
        table |= zip(found, map(said, values), strict=True)
    assert table == {name: written(default) for name, default in settings(Config)}


@pytest.mark.parametrize("readme", READMES)
def test_the_variable_that_the_text_gives_as_an_example_works(readme: str, tmp_path: Path) -> None:
    (example,) = (word for word in literals(prose(read(readme))) if re.fullmatch(r"TSA_\w+__\w+=\d+", word))
    (tmp_path / "config.toml").touch()
    name, _, value = example.partition("=")
    assert load_config(tmp_path, {name: value}).server.port == int(value) != Config().server.port


@functools.cache
def commands() -> dict[str, tuple[argparse.Action, ...]]:
    """Every command, and every act of those that have some, with what it takes."""
    found: dict[str, tuple[argparse.Action, ...]] = {}
    for command in COMMANDS:
        parser = argparse.ArgumentParser(add_help=False)
        importlib.import_module(module_of(command)).add_arguments(parser, "en")
        acts = [action.choices for action in parser._actions if action.dest == "act"]
        if not acts:
            found[command] = tuple(parser._actions)
        for act, subparser in (cast("dict[str, Any]", acts[0]) if acts else {}).items():
            taken = (action for action in subparser._actions if not OF_ACTS & set(action.option_strings))
            found[f"{command} {act}"] = tuple(taken)
    return found


@pytest.mark.parametrize("readme", READMES)
def test_every_command_and_act_is_there_with_its_options_and_no_other(readme: str) -> None:
    rows = table_from(read(readme), "`tsa init").rows
    synopses = [synopsis for row in rows for synopsis in literals(row[0])]
    for command, taken in commands().items():
        (synopsis,) = (text for text in synopses if f"{text} ".startswith(f"tsa {command} "))
        synopses.remove(synopsis)
        told = synopsis.removeprefix(f"tsa {command}")
        shown = set(re.findall(r"(?<!\w)--?[a-z][a-z0-9-]*", told))
        for action in taken:
            names = set(action.option_strings)
            if names:
                (name,) = shown & names
                assert (f"[{name}" in told) is not action.required, (command, name)
            else:
                metavar = str(action.metavar).partition("|")[0]
                assert metavar in re.findall(r"\w+", told), (command, metavar)
            shown -= names
        assert not shown, command
    assert not synopses


@pytest.mark.parametrize("readme", READMES)
def test_exit_codes(readme: str) -> None:
    assert {row[0] for row in table_from(read(readme), "0").rows} == {str(code.value) for code in Exit}


@pytest.mark.parametrize("readme", READMES)
def test_every_bit_of_fail_info(readme: str) -> None:
    bits = {bit.name.title().replace("_", ""): bit.value for bit in FailInfo}
    expected = {f"{name[0].lower()}{name[1:]} ({number})" for name, number in bits.items()}
    assert {row[0] for row in table_from(read(readme), "badAlg").rows} == expected


@pytest.mark.parametrize("readme", READMES)
def test_every_status_of_the_transport_is_there(readme: str) -> None:
    said_codes = {
        code for row in table_from(read(readme), "400").rows for code in re.findall(r"\d{3}", row[0])
    }
    told = set(TransportCode) - {TransportCode.CLIENT_NOT_READING}
    assert {str(problem(code)[0].value) for code in told} <= said_codes


def _hash_name(name: str) -> str:
    return re.sub(r"^SHA(?=\d{3}$)", "SHA-", name.upper().replace("_", "-"))


@pytest.mark.parametrize("readme", READMES)
def test_every_shipped_profile_has_its_policy_and_hashes(readme: str) -> None:
    text = read(readme)
    profiles = {name: load_shipped(name) for name in shipped()}
    table = table_from(text, "`hybrid`")
    assert {(literals(row[0])[0], literals(row[2])[0]) for row in table.rows} == {
        (name, f".{profile.arc}") for name, profile in profiles.items()
    }
    assert literals(table.rows[0][0]) == [Config().profile]
    assert DEVELOPMENT_ARC in text
    hashes = set(re.findall(r"SHA3?-\d{3}", prose(text).split(DEVELOPMENT_ARC)[1].split("\n## ")[0]))
    for row in table.rows:
        profile = profiles[literals(row[0])[0]]
        # What takes fewer says so in its row.
        own = set(re.findall(r"SHA3?-\d{3}", row[1])) if profile.name in {"cnsa2", "evidence"} else hashes
        assert {_hash_name(name) for name in profile.imprints} == own
        assert profile.accuracy_us == 1_000_000


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_help_of_init_names_every_profile_that_a_folder_may_begin_with(lang: str) -> None:
    profiles = [load_shipped(name) for name in shipped()]
    first = {profile.name for profile in profiles} - {profile.evidence for profile in profiles}
    assert set(re.findall(r"[a-z][a-z0-9-]+", text(lang, "init.profile_help"))) - {"default", "or"} == first


@pytest.mark.parametrize("readme", READMES)
def test_everything_in_a_fresh_data_folder_is_described(readme: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    initialise(InitRequest(root))
    said_paths = {path for row in table_from(read(readme), "`config.toml`").rows for path in literals(row[0])}
    for path in root.rglob("*"):
        if path.is_file():
            name = str(path.relative_to(root))
            told = any(fnmatch.fnmatchcase(name, said) for said in said_paths)
            assert told or f"{name.partition('/')[0]}/" in said_paths, name


def test_every_metric_is_there_with_its_labels() -> None:
    expected = {
        (metric.name + "_total" * (metric in metrics.COUNTERS), ", ".join(metric.labels))
        for metric in vars(metrics).values()
        if isinstance(metric, metrics.MetricName)
    }
    rows = table_from(read(OPERATIONS), "`kokuin_").rows
    assert {(name, row[1]) for row in rows for name in literals(row[0])} == expected


def test_every_fault_of_the_clock_is_there() -> None:
    rows = table_from(read(OPERATIONS), "`CLOCK_").rows
    assert {code for row in rows for code in literals(row[0])} == {fault.value for fault in ClockFault}
