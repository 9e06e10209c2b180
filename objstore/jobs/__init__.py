"""Long work beside requests, done by one process: heal, seal, reap, and care for drives and catalog mirrors.

Every queue is rows of the catalog, so a job that is killed goes on where it was. Jobs use the store and what is below
it; they know nothing of S3.
"""
