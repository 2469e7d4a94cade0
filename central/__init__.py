"""The reference server of the gate protocol."""
