"""The tables of `kokuin.ledger.schema`, as several nodes share them, their guards, and an empty head.

What differs: every node has its own configuration epoch (`node_cfg`), and the
index knows which node wrote a leaf, since what a node finds of its own past
must be its own. Keys are compared by octets, whatever the database's language.
"""

from __future__ import annotations

from hashlib import sha256

from alembic import op

revision = "0001"
down_revision = None

_TABLES = (
    """
    CREATE TABLE entry (
        idx bigint PRIMARY KEY CHECK (idx >= 0),
        leaf bytea NOT NULL,
        leaf_hash bytea NOT NULL CONSTRAINT leaf_hash_size CHECK (length(leaf_hash) = 32)
    )
    """,
    "CREATE TABLE token (idx bigint PRIMARY KEY, der bytea NOT NULL)",
    # Signatures and keys cannot be made smaller; trying costs more than writing them.
    "ALTER TABLE token ALTER COLUMN der SET STORAGE EXTERNAL",
    """
    CREATE TABLE node (
        level bigint,
        idx bigint,
        hash bytea NOT NULL CONSTRAINT hash_size CHECK (length(hash) = 32),
        PRIMARY KEY (level, idx)
    )
    """,
    """
    CREATE TABLE head (
        id integer PRIMARY KEY CONSTRAINT one_head CHECK (id = 1),
        epoch bigint NOT NULL,
        size bigint NOT NULL,
        at bigint NOT NULL,
        acted bigint NOT NULL,
        root bytea NOT NULL,
        peaks bytea NOT NULL
    )
    """,
    'CREATE TABLE node_cfg (node text COLLATE "C" PRIMARY KEY, cfg_epoch bigint NOT NULL)',
    """
    CREATE TABLE ix (
        idx bigint PRIMARY KEY,
        serial text COLLATE "C",
        kind text COLLATE "C" NOT NULL,
        at bigint NOT NULL,
        tok text COLLATE "C",
        node text COLLATE "C" NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX ix_serial ON ix (serial)",
    "CREATE INDEX ix_act ON ix (node, kind, idx) WHERE serial IS NULL",
    'CREATE TABLE unit_high (unit text COLLATE "C" PRIMARY KEY, gen bigint NOT NULL)',
    """
    CREATE TABLE checkpoint (
        size bigint PRIMARY KEY,
        root bytea NOT NULL,
        note bytea NOT NULL,
        at bigint NOT NULL
    )
    """,
    """
    CREATE TABLE cosignature (
        size bigint,
        signer text COLLATE "C",
        line text NOT NULL,
        at bigint NOT NULL,
        PRIMARY KEY (size, signer)
    )
    """,
    """
    CREATE TABLE stamp (
        size bigint,
        signer text COLLATE "C",
        der bytea NOT NULL,
        at bigint NOT NULL,
        PRIMARY KEY (size, signer)
    )
    """,
    "CREATE TABLE side (idx bigint PRIMARY KEY, salt bytea NOT NULL, text text NOT NULL)",
)

_REFUSE = """
    CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$
"""

_OCTETS_GO = """
    CREATE FUNCTION leaf_may_go() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.idx <> OLD.idx OR NEW.leaf_hash <> OLD.leaf_hash OR length(NEW.leaf) > 0 THEN
            RAISE EXCEPTION 'entry is append-only' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
"""

_DER_GOES = """
    CREATE FUNCTION token_may_go() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT length(leaf) FROM entry WHERE entry.idx = OLD.idx) > 0 THEN
            RAISE EXCEPTION 'token is append-only' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END $$
"""


def upgrade() -> None:
    """Make everything."""
    for statement in (*_TABLES, _REFUSE, _OCTETS_GO, _DER_GOES):
        op.execute(statement)
    for table in ("node", "checkpoint", "cosignature", "stamp"):
        _guard(table, "UPDATE OR DELETE", "append_only")
    _guard("entry", "DELETE", "append_only")
    _guard("token", "UPDATE", "append_only")
    _guard("side", "UPDATE", "append_only")
    # The one change that retention makes: a leaf's octets and then its token go, its hash and place stay.
    _guard("entry", "UPDATE", "leaf_may_go")
    _guard("token", "DELETE", "token_may_go")
    for table in ("entry", "token", "node", "checkpoint", "cosignature", "stamp"):
        _always(table, f"CREATE TRIGGER {table}_whole BEFORE TRUNCATE ON {table}", "append_only", "whole")
    root = sha256(b"").hexdigest()
    op.execute(f"INSERT INTO head VALUES (1, 1, 0, 0, 0, '\\x{root}', '')")  # noqa: S608 - hex only


def _guard(table: str, acts: str, function: str) -> None:
    """Stop mistakes; that nobody who owns the tables changes a record is for the tree to show."""
    name = acts.split(maxsplit=1)[0].lower()
    _always(table, f"CREATE TRIGGER {table}_{name} BEFORE {acts} ON {table} FOR EACH ROW", function, name)


def _always(table: str, trigger: str, function: str, name: str) -> None:
    op.execute(f"{trigger} EXECUTE FUNCTION {function}()")
    # Otherwise a session that says it is a replica would pass the trigger by.
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_{name}")
