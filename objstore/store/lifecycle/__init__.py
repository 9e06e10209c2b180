"""Lifecycle: what a bucket's rules say shall become of its keys with time, and when each key is to be looked at."""
