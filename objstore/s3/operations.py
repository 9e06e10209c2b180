"""Every operation of S3 that there is: importing this module registers them."""

from __future__ import annotations

from objstore.s3 import (  # noqa: F401
    acls,
    attributes,
    bucket_encryption,
    bucket_policies,
    buckets,
    copy,
    cors,
    delete,
    inventory,
    lifecycle,
    listing,
    multipart,
    multipart_listing,
    notification,
    object_encryption,
    object_lock,
    objects_get,
    objects_put,
    ownership_controls,
    parts,
    public_access_block,
    rename,
    request_payment,
    tagging,
    versioning,
    versions_listing,
)
from objstore.s3.access_logging import operations as access_logging  # noqa: F401
from objstore.s3.website import operations as website  # noqa: F401
