"""Lines of refusals of the operating system."""

from __future__ import annotations

import errno

import pytest

from pqc.os_errors import explain


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EACCES, "Permission denied", "a.pem"), "a.pem: Permission denied"),
        (OSError("cannot read from timed out object"), "cannot read from timed out object"),
    ],
)
def test_a_refusal_without_a_file_names_none(error: OSError, line: str) -> None:
    assert explain(error) == line
