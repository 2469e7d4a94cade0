"""What Admit costs, measured beside what it cannot do without; see docs/performance.md."""
