"""Readers, turnstiles, lights and inputs behind Protocols, opened by URI."""
