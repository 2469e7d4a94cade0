"""The SQLite files of a gate: journal, mirror and list files."""
