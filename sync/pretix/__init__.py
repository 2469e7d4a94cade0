"""A pretix server as the source of what this gate believes. Start reading at `server`."""
