"""ObjectStores: a server on volumes of its own, and everything that Kubernetes needs for it."""
