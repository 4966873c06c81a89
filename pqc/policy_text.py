"""A policy written as TOML, in the form that `pqc.policies.parse_policy` reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pqc.policy_rows import MAX_BITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pqc.policies import Policy, Row


def write_policy(policy: Policy) -> str:
    """Return the TOML text of a policy; its name is the file's."""
    sources = dict.fromkeys((row.source, row.edition) for row in policy.rows)
    keys = {source: f"s{number}" for number, source in enumerate(sources, start=1)}
    lines = [f"edition = {_quoted(policy.edition)}", f"source = {_quoted(policy.source)}"]
    for (title, edition), key in keys.items():
        lines += ["", f"[sources.{key}]", f"title = {_quoted(title)}", f"edition = {_quoted(edition)}"]
    for row in policy.rows:
        lines += ["", "[[rows]]", *_fields(row, keys[row.source, row.edition])]
    return "\n".join(lines) + "\n"


def _fields(row: Row, source: str) -> list[str]:
    pattern = row.subject
    lines = [f"roles = {_list(pattern.roles)}", f"algorithms = {_list(pattern.algorithms)}"]
    if pattern.keys:
        lines.append(f"keys = {_list(pattern.keys)}")
    if pattern.digests:
        lines.append(f"digests = {_list(pattern.digests)}")
    if (pattern.least, pattern.most) != (0, MAX_BITS):
        lines.append(f"bits = [{pattern.least}, {pattern.most}]")
    lines += [f'usages = ["{row.usage}"]', f'status = "{row.status}"']
    if row.until is not None:
        lines.append(f"until = {row.until}")
    if row.weakness is not None:
        lines.append(f'weakness = "{row.weakness}"')
    lines.append(f'source = "{source}"')
    if row.clause:
        lines.append(f"clause = {_quoted(row.clause)}")
    return lines


def _list(names: Iterable[str]) -> str:
    return f"[{', '.join(_quoted(name) for name in sorted(names))}]"


def _quoted(text: str) -> str:
    """A JSON string of printable characters is a basic string of TOML."""
    return json.dumps(text, ensure_ascii=False)
