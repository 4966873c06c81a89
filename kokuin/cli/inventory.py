"""`tsa inventory`: what cryptography is in use, how long it serves, and the plan of what follows it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import text, write, write_json
from kokuin.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.service.migration.assets import Asset
    from kokuin.service.migration.inventory import Inventory

MAX_YEARS = 200


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's options."""
    parser.add_argument("--dir", type=Path, default=Path("tsa-data"), help=text(lang, "cli.dir"))
    parser.add_argument("--policy", metavar="NAME", help=text(lang, "inventory.policy_help"))
    parser.add_argument("--years", type=_years, metavar="N", help=text(lang, "inventory.years_help"))
    parser.add_argument("--cbom", type=Path, metavar="FILE", help=text(lang, "inventory.cbom_help"))
    parser.add_argument("--roadmap", type=Path, metavar="FILE", help=text(lang, "inventory.roadmap_help"))
    parser.add_argument("--json", action="store_true", help=text(lang, "cli.json"))


def run(arguments: argparse.Namespace) -> int:
    """Print the inventory, whether or not the service is running, and write what was asked for.

    Raises:
        CommandError: the folder or the policy cannot be read, or a file cannot be written.
    """
    from kokuin.service.migration.inventory import document

    made, lang = _gather(arguments), arguments.lang
    written = list(_files(made, arguments))
    if arguments.json:
        write_json(document(made))
    else:
        write(lines(made, lang))
        write(text(lang, "inventory.written", path=path) for path in written)
    return Exit.PASSED


def lines(made: Inventory, lang: str) -> Iterator[str]:
    """Yield an inventory for people, the most urgent first."""
    from kokuin.service.migration.limits import to_moment

    counts = made.source.counts
    policies = ", ".join(f"{policy.name} ({policy.edition})" for policy in made.policies)
    yield text(
        lang,
        "inventory.head",
        moment=f"{made.made:%Y-%m-%d %H:%M} UTC",
        tokens=counts.tokens,
        leaves=counts.leaves,
        years=f"{made.years_needed:g}",
        policies=policies,
    )
    yield text(lang, "inventory.columns")
    for asset in made.assets:
        yield from _asset_lines(asset, lang)
    if counts.groups:
        yield text(lang, "inventory.tokens")
    for group in counts.groups:
        suites = "+".join(group.suites)
        yield f"{group.count:>9}  {group.profile}  {suites}  {group.imprint}  {group.signer[:16]}"
    if made.evidence:
        yield text(lang, "inventory.evidence")
    for held in made.evidence:
        what = f"{held.unit}  {'+'.join(held.suites)}  {held.signer[:16]}"
        ends = "-" if held.until is None else f"{to_moment(held.until):%Y-%m-%d}"
        cause = " ".join(word for word in (held.cause, held.policy) if word)
        yield f"{held.batches:>9} {held.tokens:>9}  {what}  {ends}  {cause}".rstrip()
    if counts.apart:
        yield text(lang, "inventory.apart", count=counts.apart)
    if counts.unreadable:
        yield text(lang, "inventory.unreadable", count=counts.unreadable)
    for name in made.unreadable:
        yield text(lang, "inventory.unreadable_file", path=name if "/" in name else f"trust/{name}")


def _asset_lines(asset: Asset, lang: str) -> Iterator[str]:
    facts = asset.facts
    urgency = "" if asset.urgency is None else f"{asset.urgency:+.1f}"
    left = "" if asset.years_left is None else f"{asset.years_left:.1f}"
    strength = f"{_known(asset.classical_bits)}/{_known(asset.quantum_category)}"
    what = text(
        lang,
        "inventory.row",
        kind=text(lang, f"inventory.{facts.kind}"),
        name=_name(asset, lang),
        state=text(lang, f"inventory.{facts.state}"),
        end=_end(asset, lang),
    )
    yield f"{urgency:>6} {left:>6} {strength:>7}  {what}"
    remarks = [text(lang, f"inventory.{note}") for note in facts.notes]
    if facts.provider not in {"", "software"}:
        remarks.insert(0, text(lang, "inventory.provider", provider=facts.provider))
    if facts.experimental:
        remarks.append(text(lang, "inventory.experimental"))
    if asset.draft:
        remarks.append(text(lang, "inventory.draft"))
    if facts.tokens:
        remarks.append(text(lang, "inventory.rests", count=facts.tokens))
    for remark in remarks:
        yield f"{'':23}{remark}"


def _name(asset: Asset, lang: str) -> str:
    """A hash is named with its role: fit as one, it may be unfit as another."""
    from kokuin.service.migration.assets import AssetKind

    if asset.facts.kind is not AssetKind.HASH:
        return asset.facts.name
    return f"{asset.facts.name} ({text(lang, f'policy.{asset.facts.subjects[0].role}')})"


def _known(number: int | None) -> str:
    return "?" if number is None else str(number)


def _end(asset: Asset, lang: str) -> str:
    from kokuin.service.migration.assets import Decided
    from kokuin.service.migration.limits import governing, to_moment
    from pqc.policies import NEVER

    if asset.decided_by in {Decided.OPEN, Decided.UNKNOWN}:
        return text(lang, f"inventory.end_{asset.decided_by}")
    if asset.decided_by == Decided.CERTIFICATE and asset.facts.until_us is not None:
        day = to_moment(asset.facts.until_us).date()
        return text(lang, "inventory.end_certificate", last=day)
    usage = governing(asset.facts.subjects)
    last = next(each.last for each in asset.limits if each.policy == asset.decided_by and each.usage is usage)
    key = "inventory.end_never" if last == NEVER else "inventory.end_policy"
    return text(lang, key, last=last, policy=asset.decided_by)


def _gather(arguments: argparse.Namespace) -> Inventory:
    from kokuin.service.config import load_config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.migration.gathering import gather
    from pqc.policies import PolicyError

    folder = DataFolder(arguments.dir)
    try:
        folder.check_format()
        return gather(folder, load_config(folder.root), arguments.policy, arguments.years)
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None
    except PolicyError as error:
        raise CommandError("policy.unusable", reason=error) from None


def _files(made: Inventory, arguments: argparse.Namespace) -> Iterator[Path]:
    from kokuin.cli.roadmap_page import page
    from kokuin.service.migration.cbom import cbom
    from kokuin.service.migration.roadmap import roadmap

    if arguments.cbom is not None:
        yield _write(arguments.cbom, json.dumps(cbom(made), indent=2, ensure_ascii=False))
    if arguments.roadmap is not None:
        yield _write(arguments.roadmap, page(made, roadmap(made), arguments.lang))


def _write(path: Path, content: str) -> Path:
    try:
        path.write_text(content + "\n", encoding="utf-8")
    except OSError as error:
        raise CommandError("inventory.cannot_write", path=path, reason=error.strerror) from None
    return path


def _years(word: str) -> float:
    years = float(word)
    if not 0 < years <= MAX_YEARS:
        raise argparse.ArgumentTypeError(word)
    return years
