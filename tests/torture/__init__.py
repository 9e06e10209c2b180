"""The torture driver: clients that do random things to a real server while its drives and processes come to harm, and
bytes are moved between drives and geometries, keys are rotated, and lifecycle rules delete.

`python -m tests.torture --seed N --minutes M`, or `make torture`. A seed gives the drives, the clients' wishes and the
plan of faults and moves; what the clients saw is a history, and the history is checked.
"""
