"""What organisers do and see in a browser: accounts, pages, imports. Source: docs/central.md."""
