"""`docs/security.md` has each item of the OWASP API Security Top 10 (2023), with tests of ours."""

from __future__ import annotations

import re

from tests.docs.markdown import read, table_from

ITEMS = (
    "Broken Object Level Authorization",
    "Broken Authentication",
    "Broken Object Property Level Authorization",
    "Unrestricted Resource Consumption",
    "Broken Function Level Authorization",
    "Unrestricted Access to Sensitive Business Flows",
    "Server Side Request Forgery",
    "Security Misconfiguration",
    "Improper Inventory Management",
    "Unsafe Consumption of APIs",
)


def test_every_item_is_there_in_order_with_what_is_done_and_a_test() -> None:
    rows = table_from(read("docs/security.md"), "API1:2023").rows
    assert [row[0] for row in rows] == [f"API{at}:2023 {name}" for at, name in enumerate(ITEMS, 1)]
    for _, done, shown in rows:
        assert done
        assert re.findall(r"`tests/[a-z0-9_/]+\.py::test_[a-z0-9_]+`", shown)
