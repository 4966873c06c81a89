"""Evidence for tokens (RFC 4998): batches in the keeper, records made of the ledger whenever asked."""
