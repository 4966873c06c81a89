"""A report in sentences: the verdict and what it means, what was judged, each check, each limit."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from kokuin import __version__
from kokuin.cli.messages import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kokuin.trust.report import Check, Report, ReportValue

_SHOWN = (
    "seals",
    "classical",
    "post_quantum",
    "combined",
    "field",
    "level",
    "missing",
    "signer",
    "signer_issuer",
    "signer_serial",
    "signer_not_before",
    "signer_not_after",
    "signer_qc_statements",
    "algorithm",
    "required",
    "claimed_time",
    "proven_time",
    "name",
    "reason",
    "location",
    "commitment",
    "stamp_role",
    "attribute",
    "gen_time",
    "accuracy_us",
    "ordering",
    "imprint_algorithm",
    "policy",
    "serial",
    "tsa",
    "qc_statements",
    "extensions",
    "signing_time",
    "unsigned_attributes",
    "unit",
    "unit_issuer",
    "unit_serial",
    "unit_not_before",
    "unit_not_after",
    "unit_qc_statements",
    "origin",
    "size",
    "index",
    "evidence_stamp",
    "archive_time_stamps",
    "later_time_stamps",
    "chains",
    "hash_algorithms",
    "first_time",
    "newest_time",
    "encrypted",
)
"""What people are shown of a subject, in this order; JSON has all of it."""
_RECORD = "evidence-record"
_OF_RECORDS = frozenset(
    {
        "PASSED",
        "INDETERMINATE",
        "FAILED",
        "FORMAT_FAILURE",
        "HASH_FAILURE",
        "SIG_CONSTRAINTS_FAILURE",
        "SIGNED_DATA_NOT_FOUND",
        "TIMESTAMP_ORDER_FAILURE",
        "OUT_OF_BOUNDS_NO_POE",
        "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
    }
)
"""Of what a record comes to, what another sentence says than of a token."""
_OF_HYBRIDS = frozenset({"classical", "post_quantum", "combined"})
"""What says more than the verdict only where there are signatures of both worlds."""
_CODED = frozenset({"missing", "stamp_role"})
"""What has a sentence for each of its codes."""
_INDENT = "  "


def sentences(report: Report, lang: str, octets: bytes | None = None) -> Iterator[str]:
    """Say the verdict and its meaning first, then what the token says, then each check, then the limits.

    Args:
        report: what the judgement came to.
        lang: `en` or `ja`.
        octets: what was judged, named by its hash then: the text may be all that an auditor keeps.

    Attack: names out of a document that move the cursor would write over the verdict.
    """
    for line in _lines(report, lang, octets):
        yield "".join(each if each.isprintable() or each == "\u3000" else ascii(each)[1:-1] for each in line)


def _lines(report: Report, lang: str, octets: bytes | None) -> Iterator[str]:
    from kokuin.trust.report import iso_time

    meaning = text(lang, _meaning(report))
    yield f"{_verdict(report)}: {meaning}"
    if octets is not None:
        yield _INDENT + text(lang, "report.digest", digest=hashlib.sha256(octets).hexdigest())
        yield _INDENT + text(lang, "report.program", version=__version__)
    yield _INDENT + text(lang, "report.judged_for", time=iso_time(report.validation_time))
    if report.policy is not None:
        name, edition = report.policy.name, report.policy.edition
        yield "  " + text(lang, "report.judged_by", name=name, edition=edition)
    end = report.verifiable_until
    if end is not None:
        cause = text(lang, f"ending.{end.cause}", **end.params)
        yield "  " + text(lang, "report.verifiable_until", time=iso_time(end.time), cause=cause)
    yield from _particulars(report, lang)
    for proof in report.proofs_of_existence:
        yield "  " + text(lang, f"report.{proof.code}", time=iso_time(proof.time), **proof.params)
    for limit in report.limits:
        yield "  " + text(lang, f"report.{limit}")


def _meaning(report: Report) -> str:
    """Return which sentence says what the verdict means: a sub-indication may have more than one cause."""
    from kokuin.trust.report import Status
    from kokuin.trust.rules import LEDGER_RULES

    failed = next((check.id for check in _checks(report) if check.status is Status.FAILED), None)
    if failed in {rule.id for rule in LEDGER_RULES}:
        return "report.against"
    about, code = "seal" if _is_of_seals(report) else "report", report.sub_indication or report.indication
    return f"{'evidence' if report.kind == _RECORD and code in _OF_RECORDS else about}.{code}"


def _is_of_seals(report: Report) -> bool:
    return report.kind.startswith("sealed-") or report.kind.endswith("-seal")


def _checks(report: Report) -> Iterator[Check]:
    yield from report.checks
    for part in report.parts:
        yield from _checks(part)


def _verdict(report: Report) -> str:
    return report.indication + (f" / {report.sub_indication}" if report.sub_indication else "")


def _particulars(report: Report, lang: str, indent: str = _INDENT) -> Iterator[str]:
    """Say what was judged and the checks; what is part of it is indented below it."""
    subject = report.subject
    hidden = frozenset[str]() if subject.get("classical") and subject.get("post_quantum") else _OF_HYBRIDS
    # Of several judgements of one token, what the token says is said once, in its own part.
    repeats = bool(report.parts) and report.parts[0].kind == report.kind
    for name in _SHOWN if _is_of_seals(report) or not repeats else ():
        value = None if name in hidden else subject.get(name)
        if value not in (None, False, []):
            yield indent + text(lang, f"report.{name}", value=_shown(name, subject, lang))
            if name == "combined" and indent == _INDENT:
                yield indent + text(lang, "report.worlds")
    # Two checks of one name that both hold (what binds a certificate, and by which digest) say it once.
    yield from dict.fromkeys(indent + _check_sentence(check, lang) for check in report.checks)
    for part in report.parts:
        yield indent + text(lang, f"report.part_{part.kind}", verdict=_verdict(part))
        yield from _particulars(part, lang, indent + _INDENT)


def _shown(name: str, subject: Mapping[str, ReportValue], lang: str) -> ReportValue:
    value = subject[name]
    if name == "imprint_algorithm":
        return f"{value} {subject['imprint']}"
    return _coded(name, value, lang) if name in _CODED else _value(value)


def _coded(name: str, value: ReportValue, lang: str) -> str:
    codes = value if isinstance(value, list) else [value]
    return "; ".join(text(lang, f"seal.{name}_{code}") for code in codes)


def _value(value: ReportValue) -> ReportValue:
    """Return a value for people: object identifiers get their names."""
    if isinstance(value, list):
        return ", ".join(map(_named, value))
    return _named(value) if isinstance(value, str) else value


def _named(value: str) -> str:
    from kokuin.verify.inspecting.oid_names import OID_NAMES

    return f"{OID_NAMES[value]} ({value})" if value in OID_NAMES else value


def _check_sentence(check: Check, lang: str) -> str:
    line = f"[{text(lang, f'report.{check.status}')}] {_label(check, lang)}"
    if check.reason is not None:
        lists = {name: ", ".join(each) for name, each in check.params.items() if isinstance(each, list)}
        line += ": " + text(lang, f"reason.{check.reason}", **{**check.params, **lists})
    return f"{_with_changes(_with_path(line, check, lang), check, lang)} ({check.clause})"


def _with_path(line: str, check: Check, lang: str) -> str:
    """Add by which certificates, and by exactly which anchor, a signer is vouched for."""
    path, anchor = check.params.get("path"), check.params.get("anchor_sha256")
    if check.id != "path" or not isinstance(path, list) or anchor is None:
        return line
    return text(lang, "report.path", line=line, path=" < ".join(path), anchor=anchor)


def _with_changes(line: str, check: Check, lang: str) -> str:
    """Add what a later revision of a document changed, or what of it cannot be told."""
    found = check.params.get("changes") or check.params.get("what")
    if check.id != "pdf-changes" or not found:
        return line
    return text(lang, "report.changes", line=line, changes=_value(found))


def _label(check: Check, lang: str) -> str:
    """Name what was looked at; of revocations also whose, since there is a check for each certificate."""
    label = text(lang, f"check.{check.id}")
    named = check.params.get("certificates", check.params.get("certificate"))
    if check.id != "revocation" or named is None:
        return label
    of = "; ".join(named) if isinstance(named, list) else named
    return text(lang, "report.of", what=label, whose=of)
