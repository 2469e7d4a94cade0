"""The network process: lists in, records out, claims between gates."""
