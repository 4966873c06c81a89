"""Schema migrations of the ledger's store over PostgreSQL, run by `kokuin.ledger.postgres_schema.create`."""
