"""The audit ledger: leaves, order at commit, stores."""
