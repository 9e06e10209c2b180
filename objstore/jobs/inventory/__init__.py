"""Inventory lists: the rows of a bucket written as CSV or Parquet into another, with a manifest, by their schedule.

`columns` says what a row tells, `tables` how rows become a file, `lists` makes a list of them.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html
"""

from objstore.jobs.inventory.lists import Allowed, run

__all__ = ["Allowed", "run"]
