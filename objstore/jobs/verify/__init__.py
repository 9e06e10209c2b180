"""Verify: whether all that the store believes is so, from the catalog's mirrors down to the last frame of a shard."""

from objstore.jobs.verify.report import Finding, Progress, Report
from objstore.jobs.verify.verify import Verification

__all__ = ["Finding", "Progress", "Report", "Verification"]
