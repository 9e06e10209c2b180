"""Would the tests notice? Deliberate bugs, one at a time, each run against the few tests that should catch it.

`bugs` has them, a table for each room, as changes of one place in the source each; `make mutations` applies each to a
copy and runs its tests. Every bug must be caught. A fast test among the others sees to it that each still fits the
source.
"""
