"""NTAG 424 DNA, pure: keys, messages and proofs of a card that cannot be copied."""
