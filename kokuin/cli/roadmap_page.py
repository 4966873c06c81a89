"""The roadmap (工程表) as a page of Markdown, in English or Japanese."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.cli.messages import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.service.migration.inventory import Inventory
    from kokuin.service.migration.roadmap import Milestone, Roadmap


def page(made: Inventory, plan: Roadmap, lang: str) -> str:
    """Return the page: what must be done by when, by whose word, and what is not known."""
    return "\n".join(_lines(made, plan, lang))


def _lines(made: Inventory, plan: Roadmap, lang: str) -> Iterator[str]:
    counts, snapshot = made.source.counts, made.source.snapshot
    yield "# " + text(lang, "roadmap.title")
    yield ""
    yield text(
        lang,
        "roadmap.head",
        moment=f"{made.made:%Y-%m-%d %H:%M} UTC",
        default=snapshot.default,
        enabled=", ".join(sorted(snapshot.enabled)),
        tokens=counts.tokens,
        leaves=counts.leaves,
        years=f"{made.years_needed:g}",
        until=made.needed_until,
    )
    yield ""
    yield "## " + text(lang, "roadmap.by_date")
    yield ""
    if plan.milestones:
        yield text(lang, "roadmap.columns")
        yield "|---|---|---|---|---:|---|"
        yield from (_row(each, made, lang) for each in plan.milestones)
    else:
        yield text(lang, "roadmap.nothing")
    yield ""
    yield "## " + text(lang, "roadmap.sources")
    yield ""
    for policy in made.policies:
        yield f"- {policy.name}: {_cell(policy.source)}, {_cell(policy.edition)}"
    yield ""
    yield "## " + text(lang, "roadmap.unknown")
    yield ""
    yield from (f"- {line}" for line in _unknown(made, plan, lang))


def _row(milestone: Milestone, made: Inventory, lang: str) -> str:
    when = str(milestone.last)
    if milestone.last < made.made.date():
        when = text(lang, "roadmap.overdue", last=when)
    source = _cell(milestone.source)
    if milestone.draft:
        source = text(lang, "roadmap.draft_source", source=source)
    act = text(lang, f"roadmap.{milestone.act}")
    if milestone.profiles:
        act += text(lang, "roadmap.profiles", profiles=", ".join(milestone.profiles))
        if milestone.unready:
            act += text(lang, "roadmap.unready", profiles=", ".join(milestone.unready))
    elif milestone.act == "SWITCH":
        act += text(lang, "roadmap.no_profile")
    # A certificate's name has commas of its own.
    names = "; ".join(_cell(name) for name in milestone.names)
    tokens = str(milestone.tokens) if milestone.tokens else ""
    return f"| {when} | {milestone.policy} | {names} | {act} | {tokens} | {source} |"


def _unknown(made: Inventory, plan: Roadmap, lang: str) -> Iterator[str]:
    yield text(lang, "roadmap.later")
    for policy, names in plan.unjudged.items():
        yield text(lang, "roadmap.unjudged", policy=policy, names=", ".join(map(_cell, names)))
    if plan.drafts:
        yield text(lang, "roadmap.drafts", names=", ".join(map(_cell, plan.drafts)))
    for note, name in plan.notes:
        yield f"{_cell(name)}: {text(lang, f'inventory.{note}')}"
    counts = made.source.counts
    if counts.apart:
        yield text(lang, "inventory.apart", count=counts.apart)
    if counts.unreadable:
        yield text(lang, "inventory.unreadable", count=counts.unreadable)
    for name in made.unreadable:
        path = name if "/" in name else f"trust/{name}"
        yield text(lang, "inventory.unreadable_file", path=_cell(path))


def _cell(name: str) -> str:
    """Keep a certificate's name, or a policy's text, from being taken for markup."""
    for mark in "\\`*_[]<>|":
        name = name.replace(mark, f"\\{mark}")
    return name
