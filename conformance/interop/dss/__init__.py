"""EU DSS: the reference implementation of AdES, as a relying party of our seals."""
