"""Schema migrations of the ledger's store, run from the code (`kokuin.ledger.schema.upgrade`)."""
