"""Processes around the store: a supervisor, its ASGI workers and one jobs process.

`supervisor` owns the drives' locks and the listening sockets and starts the others again when they die; `worker` serves
HTTP; all state is in the catalog and on the drives, so any process may be killed at any time.
"""
