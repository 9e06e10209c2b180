"""What AWS's model does not say of S3, or says otherwise than S3 does: every such patch, in one place.

The model was made for clients. It leaves out how documents of answers are called (clients do not look), which members
S3 checks against their enumeration, and what it does without a body that clients always send.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from typing import Final

NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"

# Addressed to other endpoints than a bucket store has: S3 Express and Object Lambda. Never routed to.
UNROUTED: Final = frozenset({"ListDirectoryBuckets", "WriteGetObjectResponse"})

# The root element of an answer, from "Response Syntax" of each operation's page.
ROOTS: Final[dict[str, str]] = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CreateSession": "CreateSessionResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLocation": "LocationConstraint",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotification": "NotificationConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationResult",
    "ListBucketIntelligentTieringConfigurations": "ListBucketIntelligentTieringConfigurationsOutput",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}

# The answer is the one member's text in the root element: <LocationConstraint>eu-west-1</LocationConstraint>.
BARE_TEXT: Final = {"GetBucketLocation": "LocationConstraint"}

# Documents that may be left out: headers say the same, or a default is meant. Elsewhere an empty body is refused.
OPTIONAL_DOCUMENTS: Final = frozenset({"CreateBucket", "PutBucketAcl", "PutObjectAcl", "CompleteMultipartUpload"})

# The x-amz-checksum- headers of these speak of the object that is made, not of the body of the request.
CHECKSUM_OF_OBJECT: Final = frozenset({"CompleteMultipartUpload"})

# A payload of text that is JSON.
JSON_PAYLOADS: Final = frozenset({"Policy"})

# S3 takes and gives these as the text they are, a date or not.
TEXT_TIMESTAMPS: Final = frozenset({"Expires", "ResponseExpires"})

# A condition whose date cannot be read is no condition (RFC 9110, section 13.1.3).
LENIENT_TIMESTAMPS: Final = frozenset({"IfModifiedSince", "IfUnmodifiedSince"})

# In headers and parameters: what the operation itself checks, with errors of its own, or what S3 does not look at.
UNCHECKED_ENUMS: Final = frozenset(
    {
        "ACL",
        "ChecksumAlgorithm",
        "ChecksumMode",
        "EncodingType",
        "ObjectAttributes",
        "RequestPayer",
        "ServerSideEncryption",
        "StorageClass",
    }
)

# The same in documents, by the name of the shape.
UNCHECKED_ENUM_SHAPES: Final = frozenset(
    {"BucketLocationConstraint", "Event", "FilterRuleName", "Protocol", "TransitionStorageClass"}
)

# What S3 says for a bad value in a header or parameter: code and message.
VALUE_ERRORS: Final[dict[str, tuple[str, str]]] = {
    "MaxKeys": ("InvalidArgument", "Provided max-keys not an integer or within integer range"),
    "MaxParts": ("InvalidArgument", "Provided max-parts not an integer or within integer range"),
    "MaxUploads": ("InvalidArgument", "Provided max-uploads not an integer or within integer range"),
    "MetadataDirective": ("InvalidArgument", "Unknown metadata directive."),
    "ObjectLockMode": ("InvalidArgument", "Unknown wormMode directive."),
    "ObjectLockLegalHoldStatus": ("InvalidArgument", "Legal Hold must be either of 'ON' or 'OFF'"),
    "ObjectLockRetainUntilDate": (
        "InvalidArgument",
        "The retain until date must be provided in ISO 8601 format",
    ),
    "ObjectOwnership": ("InvalidArgument", "Invalid x-amz-object-ownership header"),
    "PartNumber": ("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive"),
    "PartNumberMarker": (
        "InvalidArgument",
        "Provided part-number-marker not an integer or within integer range",
    ),
    "TaggingDirective": ("InvalidArgument", "Unknown tagging directive."),
}

# Documents whose faults have a code of their own.
DOCUMENT_ERRORS: Final = {"PutBucketAcl": "MalformedACLError", "PutObjectAcl": "MalformedACLError"}
