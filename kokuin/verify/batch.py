"""Many files judged at once, by one set of terms: in order, in parallel, and from where a run broke off."""

from __future__ import annotations

import dataclasses
import itertools
import json
from datetime import date
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING

from kokuin import __version__
from kokuin.trust.certificate import Certificate
from kokuin.verify.batch_judge import PassedOver, pass_over
from kokuin.verify.batch_line import still_holds
from kokuin.verify.batch_run import judge_all
from kokuin.verify.batch_summary import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from kokuin.verify.batch_items import Item
    from kokuin.verify.batch_journal import Journal
    from kokuin.verify.batch_judge import Terms

_OF_ONE_TOKEN = frozenset({"at", "content", "proven", "request"})


def judge_batch(
    items: Iterable[Item],
    terms: Terms,
    jobs: int,
    journal: Journal | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Tally:
    """Judge files, and write each judgement into the journal.

    The journal's octets depend on the files and the terms alone: not on `jobs`, nor on how often the batch
    was broken off. What it holds already is kept as far as it is about the same files as they are now; from
    the first difference on everything is judged.

    Args:
        items: the files, in an order that is the same at every run.
        terms: by what they are judged.
        jobs: how many processes judge.
        journal: where to write; None: nowhere.
        on_progress: is told how many more files are done.

    Raises:
        OSError: from `items`, or the journal cannot be written.
        FaultError: as `judge_item`.
        KilledError: a process was killed; the journal holds what was judged before.
    """
    show = on_progress or (lambda _: None)
    tally = Tally()
    left = iter(items) if journal is None else _go_on(journal, iter(items), terms, tally, show)
    for outcomes in judge_all(left, terms, jobs):
        for outcome in outcomes:
            if isinstance(outcome, PassedOver):
                tally.pass_over(outcome)
                continue
            tally.add(json.loads(outcome))
            if journal is not None:
                journal.write(outcome)
        if journal is not None:
            journal.sync()
        show(len(outcomes))
    if journal is not None:
        journal.sync(now=True)
    return tally


def _go_on(
    journal: Journal, items: Iterator[Item], terms: Terms, tally: Tally, show: Callable[[int], None]
) -> Iterator[Item]:
    """Take over what the journal has of the first files, cut off the rest, and return what is left to do."""
    lines, front, left = journal.lines(), journal.front, items
    following = next(lines, None)
    for item in items:
        if following is None:
            left = itertools.chain((item,), items)
            break
        end, line = following
        if line.get("token") == item.token and still_holds(line, item, terms.root):
            tally.add(line)
            tally.kept += 1
            front, following = end, next(lines, None)
        elif (kind := pass_over(item, terms)) is not None:
            tally.pass_over(kind)
        else:
            left = itertools.chain((item,), items)
            break
        show(1)
    journal.cut(front)
    return left


def describe(terms: Terms, more: Mapping[str, object]) -> dict[str, object]:
    """Return what a journal keeps of its terms: another batch must have the same to go on with it.

    Args:
        terms: by what the batch is judged.
        more: what else decides verdicts: of the manifest, say.
    """
    context = terms.context
    kept = {
        each.name: _fingerprint(getattr(context, each.name))
        for each in dataclasses.fields(context)
        if each.name not in _OF_ONE_TOKEN
    }
    return {
        "version": __version__,
        "at": context.at,
        "from": terms.begins,
        "to": terms.ends,
        **kept,
        **{name: _fingerprint(value) for name, value in more.items()},
    }


def _fingerprint(value: object) -> str:
    return sha256(json.dumps(value, default=_plain, sort_keys=True).encode("ascii")).hexdigest()


def _plain(value: object) -> object:
    """Turn what JSON lacks into JSON that is the same for equal values and for no others."""
    if isinstance(value, Certificate):
        return value.der.hex()  # whatever else it holds was read out of this
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(map(_fingerprint, value))
    if dataclasses.is_dataclass(value):
        return [type(value).__name__, *(getattr(value, each.name) for each in dataclasses.fields(value))]
    raise TypeError(type(value))
