"""`objstore bench`: how fast a server is, how much faster or slower than another, and what single requests cost.

Five kinds of things are measured, each described by a table of its module:

- `transfers`: many objects put and got by one client, in turn against each server;
- `costs`: a request beside another one that should cost the same;
- `memory`: what a worker holds while a large object streams through it;
- `background`: what clients feel while a drive is made again, or drained;
- `starts`: how long a start takes, and what it costs.

Nothing is asserted: a benchmark that fails on a busy machine teaches nothing.
"""

from objstore.cli.bench.command import arguments

__all__ = ["arguments"]
