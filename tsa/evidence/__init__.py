"""Evidence records (RFC 4998) made and renewed: trees of hashes, and records over what an authority stamped.

Nothing here asks for a token: the caller has the root of a tree stamped and gives the token back.
"""
