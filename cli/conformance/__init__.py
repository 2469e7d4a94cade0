"""A scripted gate that tries every rule of docs/protocol.md on a server: `admit central-check`."""
