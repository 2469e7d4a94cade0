"""What is true of a gate: reasons, rules, decisions, presentations, lane states; no I/O."""
