"""Keys: the deployment's master key, and what is sealed under it."""
