"""The actions of S3, what each is done to, and which of S3's condition keys each knows.

Only what general-purpose buckets have. A bucket policy is checked against it, as S3 does; IAM takes any action and key.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

from typing import Final, Literal

ResourceKind = Literal["service", "bucket", "object"]

_SERVICE: Final = "GetAccountPublicAccessBlock ListAllMyBuckets PutAccountPublicAccessBlock"
_BUCKET: Final = """
    CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket DeleteBucketMetadataTableConfiguration
    DeleteBucketPolicy DeleteBucketWebsite GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac
    GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration
    GetBucketNotification GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy
    GetBucketPolicyStatus GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging GetBucketVersioning
    GetBucketWebsite GetEncryptionConfiguration GetIntelligentTieringConfiguration GetInventoryConfiguration
    GetLifecycleConfiguration GetMetricsConfiguration GetReplicationConfiguration ListBucket
    ListBucketMultipartUploads ListBucketVersions ListTagsForResource PauseReplication PutAccelerateConfiguration
    PutAnalyticsConfiguration PutBucketAbac PutBucketAcl PutBucketCORS PutBucketLogging PutBucketNotification
    PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock
    PutBucketRequestPayment PutBucketTagging PutBucketVersioning PutBucketWebsite PutEncryptionConfiguration
    PutIntelligentTieringConfiguration PutInventoryConfiguration PutLifecycleConfiguration PutMetricsConfiguration
    PutReplicationConfiguration TagResource UntagResource UpdateBucketMetadataInventoryTableConfiguration
    UpdateBucketMetadataJournalTableConfiguration
"""
_OBJECT: Final = """
    AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectTagging DeleteObjectVersion
    DeleteObjectVersionTagging GetObject GetObjectAcl GetObjectAttributes GetObjectLegalHold GetObjectRetention
    GetObjectTagging GetObjectTorrent GetObjectVersion GetObjectVersionAcl GetObjectVersionAttributes
    GetObjectVersionForReplication GetObjectVersionTagging GetObjectVersionTorrent InitiateReplication
    ListMultipartUploadParts ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl PutObjectLegalHold
    PutObjectRetention PutObjectTagging PutObjectVersionAcl PutObjectVersionTagging ReplicateDelete ReplicateObject
    ReplicateTags RestoreObject UpdateObjectEncryption
"""


def _lower(names: str) -> frozenset[str]:
    return frozenset(f"s3:{name.lower()}" for name in names.split())


ACTIONS: Final[dict[str, ResourceKind]] = {
    **dict.fromkeys(_lower(_SERVICE), "service"),
    **dict.fromkeys(_lower(_BUCKET), "bucket"),
    **dict.fromkeys(_lower(_OBJECT), "object"),
}
"""What each action, in lower case, is done to."""

_WRITES: Final = "PutObject BypassGovernanceRetention"
_GRANTS: Final = f"{_WRITES} CreateBucket PutBucketAcl PutObjectAcl PutObjectVersionAcl"
_ENCRYPTION: Final = f"{_WRITES} ReplicateObject UpdateObjectEncryption"
_LISTINGS: Final = "ListBucket ListBucketVersions"
_TAGGED: Final = """
    DeleteObjectTagging DeleteObjectVersionTagging GetObject GetObjectAcl GetObjectAttributes GetObjectTagging
    GetObjectVersion GetObjectVersionAcl GetObjectVersionAttributes GetObjectVersionTagging PutObjectAcl
    PutObjectTagging PutObjectVersionAcl PutObjectVersionTagging
"""
_TAGGING: Final = f"{_WRITES} PutObjectTagging PutObjectVersionTagging"
_VERSIONED: Final = """
    DeleteObjectVersion DeleteObjectVersionTagging GetObjectVersion GetObjectVersionAcl GetObjectVersionAttributes
    GetObjectVersionTagging GetObjectVersionTorrent PutObjectVersionAcl PutObjectVersionTagging
"""
EVERY_ACTION: Final = frozenset(ACTIONS)

KEYS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(
        (
            "accessgrantsinstancearn",
            "accesspointnetworkorigin",
            "authtype",
            "dataaccesspointaccount",
            "dataaccesspointarn",
            "resourceaccount",
            "signatureage",
            "signatureversion",
            "tlsversion",
            "x-amz-content-sha256",
        ),
        EVERY_ACTION,
    ),
    "buckettag/": EVERY_ACTION,
    "existingobjecttag/": _lower(_TAGGED),
    "requestobjecttag/": _lower(_TAGGING),
    "requestobjecttagkeys": _lower(_TAGGING),
    **dict.fromkeys(("delimiter", "max-keys", "prefix"), _lower(_LISTINGS)),
    "versionid": _lower(_VERSIONED),
    "locationconstraint": _lower("CreateBucket"),
    "x-amz-bucket-namespace": _lower("CreateBucket"),
    "x-amz-object-ownership": _lower("CreateBucket"),
    "if-match": _lower("PutObject DeleteObject"),
    "if-none-match": _lower("PutObject"),
    "objectcreationoperation": _lower("PutObject"),
    "inventoryaccessibleoptionalfields": _lower("PutInventoryConfiguration"),
    "destinationregion": _lower("PauseReplication"),
    "isreplicationpauserequest": _lower("PutReplicationConfiguration"),
    "object-lock-legal-hold": _lower("PutObject PutObjectLegalHold"),
    **dict.fromkeys(
        ("object-lock-mode", "object-lock-remaining-retention-days", "object-lock-retain-until-date"),
        _lower("PutObject PutObjectRetention BypassGovernanceRetention"),
    ),
    **dict.fromkeys(
        (
            "x-amz-acl",
            "x-amz-grant-full-control",
            "x-amz-grant-read",
            "x-amz-grant-read-acp",
            "x-amz-grant-write",
            "x-amz-grant-write-acp",
        ),
        _lower(_GRANTS),
    ),
    **dict.fromkeys(
        ("x-amz-copy-source", "x-amz-metadata-directive", "x-amz-website-redirect-location"), _lower(_WRITES)
    ),
    **dict.fromkeys(
        (
            "x-amz-server-side-encryption",
            "x-amz-server-side-encryption-aws-kms-key-id",
            "x-amz-server-side-encryption-customer-algorithm",
        ),
        _lower(_ENCRYPTION),
    ),
    "x-amz-storage-class": _lower(f"{_WRITES} PutObjectAcl PutObjectVersionAcl"),
}
"""Which actions know a key. Names are in lower case, without `s3:`; one that ends with `/` goes on with a tag's key."""


def actions_of(key: str) -> frozenset[str] | None:
    """The actions that know a condition key of S3, which is given in lower case; None for a key that S3 has not."""
    name = key.removeprefix("s3:")
    before, slash, tag = name.partition("/")
    return KEYS.get(f"{before}/" if tag else name) if not slash or tag else None
