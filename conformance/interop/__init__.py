"""Other programs read what kokuin writes, and kokuin what they write."""
