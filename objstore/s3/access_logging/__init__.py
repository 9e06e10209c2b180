"""Server access logging: what was asked of a bucket, line by line, as objects in another bucket.

`documents` says what a bucket's logging is, `operations` keeps it, `records` writes a line of a request, and `names`
says what the line calls the operation. Lines wait in the catalog (`store/access_records.py`) until the jobs process
writes them out.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html
"""
