"""A dry run's report as one page: no script, nothing from elsewhere, fit for paper; any language.

The words come from whoever asks; everything that is not a word of ours is
escaped, for a profile's name and an error's text are somebody else's.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from html import escape
from typing import TYPE_CHECKING

from kokuin.service.migration.dryrun_status import State
from kokuin.service.migration.html_charts import Bar, Stack, bars, stacks
from kokuin.service.migration.html_parts import STYLE, findings, octets, section, table, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kokuin.service.migration.html_parts import Say
    from kokuin.service.migration.report import DryRunReport, Finding
    from kokuin.service.migration.report_load import Cost


LEAST_MINUTES = 0.1
"""Shorter renewals are not written as 0.0."""
SHORT_S = 86_400
"""A load that was observed for less than a day says little of a year."""


def page(report: DryRunReport, lang: str, say: Say) -> str:
    """Write the page.

    Args:
        report: what was found.
        lang: language tag of the words.
        say: gives the words.
    """
    title = escape(say("title", profile=report.profile))
    parts = (
        _head(report, say),
        _diff(report, say),
        _inventory(report, say),
        _artefacts(report, say),
        _renewal(report, say),
        _chain(report, say),
        _measured(report, say),
        _clients(report, say),
        _consequences(report, say),
        _bills(report, say),
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!DOCTYPE html>\n<html lang="{lang}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}"
        f"<footer><p>{escape(report.product)}</p></footer></body></html>\n"
    )


def _head(report: DryRunReport, say: Say) -> str:
    key = "possible" if report.possible else "blocked"
    verdict = say(key, count=len(report.consequences.blockers))
    made = say("made", made=report.made, seconds=f"{report.seconds:.1f}")
    judged = say("judged", policy=report.diff.judged_by, edition=report.diff.edition)
    style = "go" if report.possible else "stop"
    return (
        f"<h1>{escape(say('title', profile=report.profile))}</h1>"
        f'<p class="verdict {style}">{escape(verdict)}</p>{findings(report.consequences.blockers, say)}'
        f'<p class="small">{escape(made)} {escape(judged)}</p>'
    )


def _diff(report: DryRunReport, say: Say) -> str:
    diff = report.diff
    rows = [
        (say(f"purpose_{row.purpose}"), row.before, row.after, say("changed") if row.changed else "")
        for row in diff.rows
    ]
    rows.append((say("digest"), diff.before_digest[:16], diff.after_digest[:16], ""))
    head = ("", diff.before, diff.after, "")
    in_force = say("in_force", digest=diff.configuration or "-")
    return section(1, say, table(head, rows), f'<p class="small">{escape(in_force)}</p>')


def _inventory(report: DryRunReport, say: Say) -> str:
    found = report.inventory
    total = say("tokens_held", tokens=f"{found.tokens:,}", octets=octets(found.octets))
    rows = [
        (row.profile, row.suite, row.key, row.expires[:10], f"{row.tokens:,}", octets(row.octets))
        for row in found.rows
    ]
    head = words(say, "profile", "suite", "key", "expires", "tokens", "octets")
    unknown = [(say(f"unknown_{row.what}"), row.value, f"{row.tokens:,}") for row in found.unknown]
    imprints = [(row.name, f"{row.tokens:,}") for row in found.imprints]
    assets = [
        (
            each.name,
            say(f"kind_{each.kind}"),
            _last_fit(each.last_fit, say),
            "-" if each.years_left is None else f"{each.years_left:.1f}",
        )
        for each in found.assets
    ]
    return section(
        2,
        say,
        f"<p>{escape(total)}</p>",
        table(head, rows, numbers=2),
        table(words(say, "imprint", "tokens"), imprints, numbers=1),
        table(words(say, "unknown", "value", "tokens"), unknown, numbers=1),
        table(words(say, "asset", "kind", "last_fit", "years_left"), assets, numbers=1),
    )


def _last_fit(last: str, say: Say) -> str:
    return say("last_fit_none") if not last else say("last_fit_never") if last == "never" else last


def _artefacts(report: DryRunReport, say: Say) -> str:
    counts = Counter({each.name: each.tokens for each in report.artefacts.today})
    rows = [_stack(report.made[:10], counts)] if counts else []
    by_day: dict[str, Counter[str]] = {}
    for change in report.artefacts.changes:
        counts[change.before] -= change.tokens
        counts[change.after] += change.tokens
        by_day[change.at[:10]] = Counter(counts)
    rows += [_stack(day, each) for day, each in by_day.items()]
    chart = stacks(say("chart_status"), rows[:40]) + _key(say) if rows else ""
    changes = [
        (
            change.at[:10],
            say(f"state_{change.before}"),
            say(f"state_{change.after}"),
            f"{say(f'check_{change.cause}')} {change.reason}".strip(),
            f"{change.suite}, {change.imprint}",
            f"{change.tokens:,}",
        )
        for change in report.artefacts.changes
    ]
    head = words(say, "date", "before", "after", "cause", "suite", "tokens")
    return section(3, say, chart, table(head, changes, numbers=1))


def _stack(label: str, counts: Counter[str]) -> Stack:
    parts = tuple((state.value, float(counts[state.value])) for state in State if counts[state.value] > 0)
    return Stack(label, parts, f"{sum(counts.values()):,}")


def _key(say: Say) -> str:
    items = (
        f'<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="{state.value}" width="10"'
        f' height="10"/></svg>{escape(say(f"state_{state.value}"))}</li>'
        for state in State
    )
    return f'<ul class="key">{"".join(items)}</ul>'


def _renewal(report: DryRunReport, say: Say) -> str:
    plan = report.renewal
    said = say("renewal", tokens=f"{plan.tokens:,}", lost=f"{plan.lost:,}", batch=f"{plan.batch:,}")
    chart = bars(
        say("chart_renewal"),
        [Bar(step.before[:10], step.tokens, f"{step.tokens:,}", "needs-proof") for step in plan.steps[:40]],
    )
    rows = [
        (
            step.before[:10],
            say("hash_tree" if step.hash_tree else "time_stamp"),
            f"{step.tokens:,}",
            f"{step.batches:,}",
            f"{step.minutes:.1f}" if step.minutes >= LEAST_MINUTES else f"< {LEAST_MINUTES}",
            octets(step.octets),
        )
        for step in plan.steps
    ]
    head = words(say, "renew_before", "renew_how", "tokens", "batches", "minutes", "octets")
    return section(
        4, say, f"<p>{escape(said)}</p>", chart if plan.steps else "", table(head, rows, numbers=4)
    )


def _chain(report: DryRunReport, say: Say) -> str:
    rows = [
        (row.subject, say(f"item_{row.item}"), say(f"ready_{row.state}"), row.value) for row in report.chain
    ]
    return section(5, say, table(words(say, "unit", "item", "state", "value"), rows))


def _measured(report: DryRunReport, say: Say) -> str:
    measured = report.measured
    observed = measured.observed
    rate = "-" if observed.per_second is None else f"{observed.per_second:,.4g}"
    load = say("observed", tokens=f"{observed.tokens:,}", rate=rate, busiest=f"{observed.busiest_minute:,}")
    costs = [each for each in (measured.in_force, measured.candidate) if each is not None]
    if measured.in_force == measured.candidate:
        costs = costs[:1]
    charts = "".join(
        _cost_chart(say, name, costs) for name in ("per_second", "p50_ms", "p99_ms", "token_octets")
    )
    rows = [
        (
            cost.profile,
            f"{cost.granted:,}/{cost.asked:,}",
            f"{cost.per_second:,.0f}",
            f"{cost.p50_ms:.2f}",
            f"{cost.p99_ms:.2f}",
            f"{cost.token_octets:,.0f}",
            "-" if cost.octets_a_year is None else octets(cost.octets_a_year),
        )
        for cost in costs
    ]
    head = words(say, "profile", "granted", "per_second", "p50_ms", "p99_ms", "token_octets", "octets_a_year")
    verified = say("verified", passed=f"{measured.passed:,}", verified=f"{measured.verified:,}")
    notes = [say("device_not_measured")] if measured.device else []
    if observed.since and _seconds(observed.since, observed.until) < SHORT_S:
        notes.append(say("observed_short"))
    notes += [say("shortened", profile=cost.profile) for cost in costs if cost.shortened]
    return section(
        6,
        say,
        f"<p>{escape(load)} {escape(verified)}</p>",
        *(f"<p>{escape(note)}</p>" for note in notes),
        charts,
        table(head, rows, numbers=6),
    )


def _seconds(since: str, until: str) -> float:
    return (dt.datetime.fromisoformat(until) - dt.datetime.fromisoformat(since)).total_seconds()


def _cost_chart(say: Say, name: str, costs: Sequence[Cost]) -> str:
    decimals = 2 if name.endswith("_ms") else 0
    rows = [
        Bar(cost.profile, getattr(cost, name), f"{getattr(cost, name):,.{decimals}f}", style)
        for cost, style in zip(costs, ("before", "after"), strict=False)
    ]
    said = say(f"column_{name}")
    return f"<h3>{escape(said)}</h3>{bars(said, rows)}" if rows else ""


def _clients(report: DryRunReport, say: Say) -> str:
    found = report.clients
    share = f"{100 * found.by_default / found.tokens:.1f}" if found.tokens else "-"
    said = say(
        "share",
        share=share,
        by_default=f"{found.by_default:,}",
        tokens=f"{found.tokens:,}",
        named=f"{found.named:,}",
        old=found.old_policy,
        new=found.new_policy or "-",
    )
    fallback = say("fallback", ways=say("or").join(found.fallbacks))
    limits = [
        (say(f"limit_{name}"), octets(size), say("fits" if found.largest <= size else "too_large"))
        for name, size in found.limits
    ]
    refused = [(row.name, f"{row.tokens:,}") for row in found.refused_hashes]
    verifiers = [
        # A key of a sentence has no dot: `openssl-cms-3.5` is `program_openssl-cms-3-5`.
        (say(f"program_{row.program.replace('.', '-')}"), say(f"reads_{row.reads}"))
        for row in found.verifiers
    ]
    return section(
        7,
        say,
        f"<p>{escape(said)}</p><p>{escape(fallback)}</p>",
        table(words(say, "refused_hash", "tokens"), refused, numbers=1),
        table(words(say, "verifier", "reads"), verifiers),
        f"<p>{escape(say('largest', octets=octets(found.largest)))}</p>",
        table(words(say, "limit", "octets", "state"), limits),
    )


def _consequences(report: DryRunReport, say: Say) -> str:
    found = report.consequences
    parts = []
    for name in ("blockers", "irreversible", "rollback"):
        named: tuple[Finding, ...] = getattr(found, name)
        body = findings(named, say) or f"<p>{escape(say('none'))}</p>"
        parts.append(f"<h3>{escape(say(name))}</h3>{body}")
    return section(8, say, *parts)


def _bills(report: DryRunReport, say: Say) -> str:
    found = report.bills
    rows = [(say(name), ref) for name in ("added", "removed", "changed") for ref in getattr(found, name)]
    return section(9, say, table(words(say, "change", "component"), rows) or f"<p>{escape(say('none'))}</p>")
