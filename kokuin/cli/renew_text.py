"""What a renewal came to, or would, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.cli.messages import plain, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LINES = 40
_FILES = 20
_MIB = 1 << 20


def sentences(summary: Mapping[str, Any], lang: str) -> Iterator[str]:
    """Say what was done first, or that nothing was; then what is due when, and what cannot be renewed.

    Args:
        summary: as `kokuin.verify.renewal.tally` makes it, with times and outcomes.
        lang: of the sentences.
    """
    outcomes = summary["outcomes"]
    if outcomes is None:
        yield _said(lang, "planned", due=summary["due_by"])
        yield _said(lang, "needed", signatures=summary["signatures"], size=f"{summary['octets'] / _MIB:,.1f}")
    else:
        yield from _done(summary, outcomes, lang)
    for due in summary["due"][:_LINES]:
        yield "  " + _due(due, lang)
    if len(summary["due"]) > _LINES:
        yield "  " + _said(lang, "more", count=len(summary["due"]) - _LINES)
    for name in ("bound_earlier", "revocation_left_out"):
        if summary[name]:
            yield _said(lang, name, count=summary[name])
    yield from _refused(summary, lang)


def _done(summary: Mapping[str, Any], outcomes: Mapping[str, int], lang: str) -> Iterator[str]:
    renewed = outcomes.get("renewed", 0) + outcomes.get("kept", 0)
    if not outcomes and not _hopeless(summary):
        yield _said(lang, "nothing_due", due=summary["due_by"])
        return
    yield _said(lang, "done", count=renewed, signatures=summary["signatures"])
    for name in ("changed", "late", "earlier", "no-gain", "too-long", "unwritable"):
        if outcomes.get(name):
            yield "  " + _said(lang, f"outcome_{name}", count=outcomes[name])


def _due(due: Mapping[str, Any], lang: str) -> str:
    act = text(lang, f"renew.act.{due['act']}", count=due["count"])
    if due["until"] is None:
        return act
    why = _said(lang, "cause", what=due["what"] or "-", cause=text(lang, f"verify.batch.{due['cause']}"))
    return f"{act} {_said(lang, 'until', until=due['until'])} ({why})"


def _refused(summary: Mapping[str, Any], lang: str) -> Iterator[str]:
    refused, total = summary["refused"], _hopeless(summary)
    if not total:
        return
    yield _said(lang, "refused", count=total)
    for each in refused[:_FILES]:
        yield "  " + _said(
            lang, f"refused_{each['act']}", token=plain(each["token"]), reason=each["reason"] or "-"
        )
    if total > _FILES:
        yield "  " + _said(lang, "more", count=total - min(_FILES, len(refused)))


def _hopeless(summary: Mapping[str, Any]) -> int:
    """Return how many cannot be renewed."""
    acts: Mapping[str, int] = summary["acts"]
    return acts["originals-missing"] + acts["too-late"]


def _said(lang: str, key: str, /, **params: object) -> str:
    return text(lang, f"renew.{key}", **params)
