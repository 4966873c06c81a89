"""A node gives up what it remembers of a shared ledger only for an epoch that says that as much was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kokuin.service import joining
from kokuin.service.config import load_config
from kokuin.service.joining import JoinError, join
from kokuin.service.log_signing import make_log_keys, published_keys, take_log_keys
from kokuin.service.standing import Known
from kokuin.service.unit_errors import UnitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.records import LeafValue
    from tests.service.running import Prepared

LEAF: dict[str, LeafValue] = {"why": "recovered", "epoch": 3, "known_size": 50, "known_root": "aa" * 32}


@pytest.mark.parametrize(
    ("origin", "size", "root", "covered"),
    [
        ("log.example/l/2", 50, b"\xaa", True),
        ("log.example/l/1", 49, b"\xbb", True),
        ("log.example/l/2", 50, b"\xbb", False),
        ("log.example/l/2", 51, b"\xaa", False),
        ("log.example/l/3", 40, b"\xaa", False),
    ],
)
def test_only_what_an_older_epoch_signed_and_is_no_longer_is_covered(
    origin: str, size: int, root: bytes, *, covered: bool
) -> None:
    known = Known("high-water", origin, size, root * 32)
    assert joining._commits(LEAF, known) is covered
    assert not joining._commits({**LEAF, "why": "sealed"}, known)


def test_a_ledger_in_a_file_and_another_log_are_not_joined(folder_of: Callable[[str], Prepared]) -> None:
    folder = folder_of("classical").folder
    config = load_config(folder.root, {})
    with pytest.raises(JoinError, match="LEDGER_NOT_SHARED"):
        join(folder, config, folder, config)
    shared = config.model_copy(
        update={"ledger": config.ledger.model_copy(update={"postgres": "dbname=none"})}
    )
    other = shared.model_copy(
        update={"ledger": shared.ledger.model_copy(update={"origin": "other.example/log"})}
    )
    with pytest.raises(JoinError, match="LOG_DIFFERENT"):
        join(folder, shared, folder, other)


def test_keys_of_a_new_epoch_are_taken_once_and_no_other_key_is_replaced(
    folder_of: Callable[[str], Prepared],
) -> None:
    """Attack: a folder of another log that calls itself by the same name."""
    one, two = folder_of("classical").folder, folder_of("pq").folder
    configs = [load_config(each.root, {}) for each in (one, two)]
    for path in configs[1].keys.glob("log-*.pem"):
        path.unlink()
    two.log_keys.write_text("")
    make_log_keys(one, configs[0], 2, None)
    assert take_log_keys(one, configs[0], two, configs[1]) == 4
    assert take_log_keys(one, configs[0], two, configs[1]) == 0
    assert published_keys(two).origins == published_keys(one).origins
    next(configs[0].keys.glob("log-2-*.pem")).write_bytes(b"another")
    with pytest.raises(UnitError, match="another key"):
        take_log_keys(one, configs[0], two, configs[1])
