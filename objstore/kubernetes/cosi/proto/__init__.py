"""The interface as it is published, and the message classes that `make stubs` makes of it."""
