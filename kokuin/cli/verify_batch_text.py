"""What a batch came to, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.cli.messages import plain, text
from kokuin.trust.rules import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_FILES = 20
"""Files of one kind that are named."""
_EARLIEST = 10
_MONTHS = 60


def sentences(summary: Mapping[str, Any], kept: int, out: Path | None, lang: str) -> Iterator[str]:
    """Say the worst verdict and the totals first, then why, which files, and until when the rest holds.

    Args:
        summary: as `kokuin.verify.batch_summary` makes it, with what it was judged by.
        kept: judgements that were taken over from a run that broke off.
        out: where the results are.
        lang: of the sentences.
    """
    yield from _totals(summary, lang)
    for cause in summary["causes"]:
        yield "  " + _said(lang, "cause", **cause, verdict=_verdict(cause), why=_why(cause, lang))
    for limit, tokens in summary["limits"].items():
        yield "  " + _said(lang, "limit", tokens=tokens, limit=text(lang, f"report.{limit}"))
    for kind in ("not_passed", "unexpected"):
        yield from _files(kind, summary[kind], summary[f"{kind}_total"], lang)
    yield from _calendar(summary, lang)
    if out is not None:
        yield _said(lang, "written", path=plain(out))
    if kept:
        yield _said(lang, "kept", tokens=kept)


def _totals(summary: Mapping[str, Any], lang: str) -> Iterator[str]:
    tokens, over = summary["tokens"], summary["passed_over"]
    totals = _said(lang, "totals", tokens=tokens, **summary["verdicts"]) if tokens else _said(lang, "none")
    yield f"{summary['indication']}: {totals}"
    yield "  " + _said(lang, "judged", time=summary["validation_time"], **summary["policy"])
    period = {name: at or "…" for name, at in summary["period"].items()}
    if any(summary["period"].values()):
        yield "  " + _said(lang, "period", begins=period["from"], ends=period["to"], outside=over["outside"])
    if over["data"] or over["proof"] or over["evidence"] or over["other"]:
        yield "  " + _said(lang, "passed_over", **over)


def _files(kind: str, files: Sequence[Mapping[str, Any]], total: int, lang: str) -> Iterator[str]:
    if total:
        yield _said(lang, kind, tokens=total)
    for file in files[:_FILES]:
        line = f"  {plain(file['token'])}: {_verdict(file)}"
        if file["reason"] is not None:
            line += f" ({file['check']}, {file['reason']})"
        yield line
    if total > _FILES:
        yield "  " + _said(lang, "more", tokens=total - min(_FILES, len(files)))


def _calendar(summary: Mapping[str, Any], lang: str) -> Iterator[str]:
    months = summary["calendar"]
    if not summary["verdicts"]["PASSED"]:
        return
    yield _said(lang, "calendar")
    for month in months[:_MONTHS]:
        causes = ", ".join(f"{_said(lang, cause)} {tokens}" for cause, tokens in month["causes"].items())
        yield f"  {month['month']}  {month['tokens']:>7}  {causes}"
    if later := sum(month["tokens"] for month in months[_MONTHS:]):
        yield "  " + _said(lang, "later", tokens=later)
    if summary["without_end"]:
        yield "  " + _said(lang, "without_end", tokens=summary["without_end"])
    if summary["earliest"]:
        yield _said(lang, "earliest")
    for end in summary["earliest"][:_EARLIEST]:
        why = text(lang, f"ending.{end['cause']}", **end["params"])
        yield f"  {end['time']}  {end['tokens']:>7}  {why}: {plain(end['first'])}"


def _said(lang: str, key: str, /, **params: object) -> str:
    return text(lang, f"verify.batch.{key}", **params)


def _why(cause: Mapping[str, Any], lang: str) -> str:
    if cause["reason"] == Reason.FILE_UNREADABLE:
        # Whether it is a time-stamp nobody knows.
        return _said(lang, "unreadable")
    return text(lang, f"report.{cause['sub_indication'] or cause['indication']}")


def _verdict(of: Mapping[str, Any]) -> str:
    return " / ".join(of[name] for name in ("indication", "sub_indication") if of[name])
