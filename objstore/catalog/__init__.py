"""What exists: transactions over SQLite, mirrored on the drives."""
