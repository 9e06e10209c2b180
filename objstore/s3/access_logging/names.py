"""What access logs call an operation: `REST.GET.OBJECT`, after the method and the kind of resource.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from objstore.aws.operation import resource_of
from objstore.aws.service import operation_model

# Where the name is not made of the method and the sub-resource in the address.
_OWN: Final = {
    "CopyObject": "REST.COPY.OBJECT",
    "UploadPartCopy": "REST.COPY.PART",
    "UploadPart": "REST.PUT.PART",
    "CreateMultipartUpload": "REST.POST.UPLOADS",
    "CompleteMultipartUpload": "REST.POST.UPLOAD",
    "AbortMultipartUpload": "REST.DELETE.UPLOAD",
    "ListParts": "REST.GET.UPLOAD",
    "ListMultipartUploads": "REST.GET.UPLOADS",
    "ListObjectVersions": "REST.GET.BUCKETVERSIONS",
    "DeleteObjects": "REST.POST.MULTI_OBJECT_DELETE",
    "PostObject": "REST.POST.OBJECT",
    "RenameObject": "REST.PUT.OBJECT_RENAME",
    "GetObjectTagging": "REST.GET.OBJECT_TAGGING",
    "PutObjectTagging": "REST.PUT.OBJECT_TAGGING",
    "DeleteObjectTagging": "REST.DELETE.OBJECT_TAGGING",
}
_SUB_RESOURCES: Final = {"policy": "BUCKETPOLICY", "logging": "LOGGING_STATUS", "object-lock": "OBJECT_LOCK"}
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


@cache
def logged(operation: str) -> str:
    """The name of an operation of the model, or of the upload by a form, in access logs."""
    own = _OWN.get(operation)
    if own is not None:
        return own
    model = operation_model(operation)
    literal = model.http["requestUri"].partition("?")[2].partition("&")[0].partition("=")[0]
    kind = resource_of(model).upper()
    if literal and literal != "list-type":
        kind = _SUB_RESOURCES.get(literal) or _HUMP.sub("_", literal).replace("-", "_").upper()
    return f"REST.{model.http['method']}.{kind}"


def unknown(method: str, key: str | None) -> str:
    """The name for a request that was refused before its operation was known."""
    return f"REST.{method}.{'BUCKET' if key is None else 'OBJECT'}"


PREFLIGHT: Final = "REST.OPTIONS.PREFLIGHT"
ONE_OF_MANY: Final = "BATCH.DELETE.OBJECT"
COPIED_FROM: Final = "REST.COPY.OBJECT_GET"
PART_COPIED_FROM: Final = "REST.COPY.PART_GET"
ON_WEBSITE: Final = "WEBSITE.{}.OBJECT"
