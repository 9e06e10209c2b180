"""ObjectStoreUsers: accounts of a store for people and applications that want more than one bucket."""
