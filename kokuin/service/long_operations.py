"""Operations that look through the ledger leaf by leaf, by the names under which they are asked for."""

SEAL = "ledger.seal"
RENEW = "evidence.renew"
LONG = frozenset({SEAL, RENEW})

LONG_SECONDS = 3600.0
"""How long one may take."""
