"""What an error is on the wire: one table from AWS's codes to HTTP status and message, and the error document.

Code anywhere may raise `AwsError("NoSuchKey", Key=key)`. Lower layers that know no wire raise exceptions of their own
that carry a `code` of this table (and maybe `message`, `detail`, `headers`); `as_aws_error` turns them into the same
thing. Whatever has no code of this table is a fault of ours and becomes InternalError.
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from collections.abc import Mapping
from typing import Final

from objstore.aws.xmltext import escape_plain

_SCHEMA_MESSAGE = "The XML you provided was not well-formed or did not validate against our published schema"

TABLE: Final[dict[str, tuple[int, str]]] = {
    "AccessControlListNotSupported": (400, "The bucket does not allow ACLs"),
    "AccessDenied": (403, "Access Denied"),
    "AccessForbidden": (403, "CORSResponse: CORS is not enabled for this bucket."),
    "AccountProblem": (
        403,
        "There is a problem with your account that prevents the operation from completing successfully.",
    ),
    "AmbiguousGrantByEmailAddress": (400, "The email address you provided is associated with more than one account."),
    "AuthorizationHeaderMalformed": (400, "The authorization header that you provided is not valid."),
    "AuthorizationQueryParametersError": (400, "The authorization query parameters that you provided are not valid."),
    "AuthorizationError": (403, "You are not authorized to perform this operation."),
    "BadDigest": (400, "The Content-MD5 you specified did not match what we received."),
    "BadRequest": (400, "Bad Request"),
    "BucketAlreadyExists": (
        409,
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
        "Please select a different name and try again.",
    ),
    "BucketAlreadyOwnedByYou": (
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    "BucketNotEmpty": (409, "The bucket you tried to delete is not empty"),
    "ConditionalRequestConflict": (
        409,
        "The conditional request cannot succeed due to a conflicting operation against this resource.",
    ),
    "CredentialsNotSupported": (400, "This request does not support credentials."),
    "EncryptionTypeMismatch": (
        400,
        "The existing object was created with a different encryption type. Subsequent write requests must include the "
        "appropriate encryption parameters.",
    ),
    "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed size"),
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed size"),
    "ExpiredToken": (400, "The provided token has expired."),
    "IdempotencyParameterMismatch": (
        400,
        "The client token was used before with different parameters.",
    ),
    "IdMismatch": (400, "Document ID does not match the specified configuration ID."),
    "IllegalLocationConstraintException": (
        400,
        "The specified location constraint is incompatible for the region specific endpoint this request was sent to.",
    ),
    "IllegalVersioningConfigurationException": (
        400,
        "The Versioning element must be specified",
    ),
    "IncompleteBody": (
        400,
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    ),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "InvalidArgument": (400, "Invalid Argument"),
    "InvalidBucketName": (400, "The specified bucket is not valid."),
    "InvalidBucketAclWithObjectOwnership": (
        400,
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    ),
    "InvalidBucketState": (409, "The request is not valid with the current state of the bucket."),
    "InvalidChunkSizeError": (403, "Only the last chunk is allowed to have a size less than 8192 bytes"),
    "InvalidDigest": (400, "The Content-MD5 you specified was invalid."),
    "InvalidEncryptionAlgorithmError": (400, "The encryption request you specified is not valid."),
    "InvalidHostHeader": (400, "The host headers provided in the request used the incorrect style addressing."),
    "InvalidHttpMethod": (400, "The request used an HTTP method that is not valid."),
    "InvalidLocationConstraint": (400, "The specified location-constraint is not valid"),
    "InvalidObjectState": (403, "The operation is not valid for the object's storage class"),
    "InvalidPart": (
        400,
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified "
        "entity tag may not match the part's entity tag.",
    ),
    "InvalidPartNumber": (416, "The requested partnumber is not satisfiable"),
    "InvalidPartOrder": (
        400,
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
    ),
    "InvalidPolicyDocument": (
        400,
        "The content of the form does not meet the conditions specified in the policy document.",
    ),
    "InvalidRange": (416, "The requested range is not satisfiable"),
    "InvalidRedirectLocation": (
        400,
        "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
    ),
    "InvalidRequest": (400, "Invalid Request"),
    "InvalidRetentionPeriod": (400, "The retention period of the default retention is not valid"),
    "InvalidS3DestinationBucket": (400, "Invalid bucket ARN."),
    "InvalidSecurity": (403, "The provided security credentials are not valid."),
    "InvalidStorageClass": (400, "The storage class you specified is not valid"),
    "InvalidTag": (
        400,
        "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation.",
    ),
    "InvalidTargetBucketForLogging": (400, "The target bucket for logging does not exist"),
    "InvalidToken": (400, "The provided token is malformed or otherwise invalid."),
    "InvalidURI": (400, "Couldn't parse the specified URI."),
    "InvalidWriteOffset": (400, "The write offset value that you specified does not match the current object size."),
    "KMS.AlreadyExistsException": (400, "A key of that name exists already."),
    "KMS.DisabledException": (400, "The key is disabled."),
    "KMS.KMSInvalidStateException": (400, "The state of the key does not allow the request."),
    "KMS.NotFoundException": (400, "The key does not exist."),
    "KeyTooLongError": (400, "Your key is too long"),
    "MalformedACLError": (400, _SCHEMA_MESSAGE),
    "MalformedPOSTRequest": (400, "The body of your POST request is not well-formed multipart/form-data."),
    "MalformedPolicy": (400, "Policies must be valid JSON and the first byte must be '{'"),
    "MalformedTrailerError": (
        400,
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    ),
    "MalformedXML": (400, _SCHEMA_MESSAGE),
    "MaxMessageLengthExceeded": (400, "Your request was too big."),
    "MaxPostPreDataLengthExceededError": (
        400,
        "Your POST request fields preceding the upload file were too large.",
    ),
    "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed metadata size"),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
    "MissingRequestBodyError": (400, "Request body is empty"),
    "MissingSecurityHeader": (400, "Your request is missing a required header."),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NoSuchBucketPolicy": (404, "The bucket policy does not exist"),
    "NoSuchCORSConfiguration": (404, "The CORS configuration does not exist"),
    "NoSuchConfiguration": (404, "The specified configuration does not exist."),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchLifecycleConfiguration": (404, "The lifecycle configuration does not exist"),
    "NoSuchObjectLockConfiguration": (404, "The specified object does not have a ObjectLock configuration"),
    "NoSuchPublicAccessBlockConfiguration": (404, "The public access block configuration was not found"),
    "NoSuchTagSet": (404, "The TagSet does not exist"),
    "NoSuchUpload": (
        404,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
        "aborted or completed.",
    ),
    "NoSuchVersion": (404, "The specified version does not exist."),
    "NoSuchWebsiteConfiguration": (404, "The specified bucket does not have a website configuration"),
    "NotImplemented": (501, "A header you provided implies functionality that is not implemented"),
    "NotModified": (304, "Not Modified"),
    "NotSignedUp": (403, "Your account is not signed up for the S3 service."),
    "ObjectLockConfigurationNotFoundError": (404, "Object Lock configuration does not exist for this bucket"),
    "OperationAborted": (
        409,
        "A conflicting conditional operation is currently in progress against this resource. Please try again.",
    ),
    "OwnershipControlsNotFoundError": (404, "The bucket ownership controls were not found"),
    "PermanentRedirect": (
        301,
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint.",
    ),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold"),
    # Not of AWS, which sells what it has. As Ceph spells it.
    "QuotaExceeded": (403, "A quota would be exceeded."),
    "ReplicationConfigurationNotFoundError": (404, "The replication configuration was not found"),
    "RequestHeaderSectionTooLarge": (400, "Your request header section exceeds the maximum allowed size."),
    "RequestTimeTooSkewed": (403, "The difference between the request time and the current time is too large."),
    "RequestTimeout": (
        400,
        "Your socket connection to the server was not read from or written to within the timeout period. "
        "Idle connections will be closed.",
    ),
    "ServerSideEncryptionConfigurationNotFoundError": (404, "The server side encryption configuration was not found"),
    "ServiceUnavailable": (503, "Service is unable to handle request."),
    "SignatureDoesNotMatch": (
        403,
        "The request signature we calculated does not match the signature you provided. Check your key and "
        "signing method.",
    ),
    "SlowDown": (503, "Please reduce your request rate."),
    # Not of AWS, whose drives are never full. 507 is not retried by SDKs, which would be in vain.
    "StorageFull": (507, "There is not enough free space on the drives to store this."),
    "TooManyBuckets": (400, "You have attempted to create more buckets than allowed"),
    "TooManyConfigurations": (
        400,
        "You are attempting to create a new configuration but have already reached the 1,000-configuration limit.",
    ),
    "TooManyParts": (400, "You have attempted to add more parts than the maximum allowed."),
    "UnexpectedContent": (400, "This request contains unsupported content."),
    "UnresolvableGrantByEmailAddress": (400, "The email address you provided does not match any account on record."),
    "UnsupportedMediaType": (415, "The content type you provided is not supported."),
    "UserKeyMustBeSpecified": (
        400,
        "The bucket POST must contain the specified field name. If it is specified, check the order of the fields.",
    ),
    "XAmzContentChecksumMismatch": (400, "The provided 'x-amz-checksum' header does not match what was computed."),
    "XAmzContentSHA256Mismatch": (400, "The provided 'x-amz-content-sha256' header does not match what was computed."),
    # IAM and STS
    "DeleteConflict": (409, "It was attempted to delete a resource that has attached subordinate entities."),
    "EntityAlreadyExists": (409, "It was attempted to create a resource that already exists."),
    "ExpiredTokenException": (400, "The web identity token that was passed is expired or is not valid."),
    "IDPCommunicationError": (400, "The identity provider could not be reached to verify the incoming identity token."),
    "IDPRejectedClaim": (403, "The identity provider reported that authentication failed."),
    "IncompleteSignature": (400, "The request signature does not conform to AWS standards."),
    "InvalidAction": (400, "The action or operation requested is invalid."),
    "InvalidClientTokenId": (403, "The security token included in the request is invalid."),
    "InvalidIdentityToken": (400, "The web identity token that was passed could not be validated."),
    "InvalidInput": (400, "An invalid or out-of-range value was supplied for an input parameter."),
    "LimitExceeded": (409, "The request was rejected because it attempted to create resources beyond the limits."),
    "MalformedPolicyDocument": (400, "The policy document was malformed."),
    "MalformedQueryString": (400, "The query string contains a syntax error."),
    "MissingAction": (400, "The request is missing an action or a required parameter."),
    "MissingAuthenticationToken": (403, "Request is missing Authentication Token"),
    "InvalidParameter": (400, "A request parameter does not comply with the associated constraints."),
    "ResourceNotFound": (404, "Cannot perform the action on the specified resource."),
    "TagLimitExceeded": (400, "Can't add more than 50 tags to a topic."),
    "NotFound": (404, "The resource does not exist."),
    "NoSuchEntity": (404, "The resource entity referenced does not exist."),
    "PackedPolicyTooLarge": (400, "The session policy and session tags exceed the space that is allotted to them."),
    "UnmodifiableEntity": (400, "Only the service that depends on this can change it."),
    "ValidationError": (400, "The input fails to satisfy the constraints specified by an AWS service."),
}


class AwsError(Exception):
    """An error that the client gets to see.

    `code` is one of `TABLE`, which gives the status and, unless told, the message. `headers` are added to the answer
    (`x-amz-delete-marker`, for one); `detail` becomes further elements of the error document, in order.
    """

    def __init__(
        self, code: str, message: str | None = None, *, headers: Mapping[str, str] | None = None, **detail: object
    ) -> None:
        self.status, default = TABLE[code]
        self.code = code
        self.message = message or default
        self.headers: dict[str, str] = dict(headers or {})
        self.detail = {name: str(value) for name, value in detail.items()}
        super().__init__(code, self.message)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def as_aws_error(error: BaseException) -> AwsError | None:
    """Return the AwsError that `error` stands for, or None when the client may know nothing about it.

    Any exception with a `code` of the table counts; `message`, `detail` and `headers` are taken where it has them.
    """
    if isinstance(error, AwsError):
        return error
    code = getattr(error, "code", None)
    if not isinstance(code, str) or code not in TABLE:
        return None
    message = getattr(error, "message", None)
    detail = getattr(error, "detail", None) or {}
    rendered = AwsError(code, message if isinstance(message, str) else None, headers=getattr(error, "headers", None))
    rendered.detail.update((name, str(value)) for name, value in detail.items())
    return rendered


def document(error: AwsError, *, resource: str, request_id: str, host_id: str) -> bytes:
    """Return the XML document for `error`, as S3 writes it (no namespace, details after the message)."""
    elements = {"Code": error.code, "Message": error.message, **error.detail}
    if "Resource" not in elements:
        elements["Resource"] = resource
    elements["RequestId"] = request_id
    elements["HostId"] = host_id
    inner = "".join(f"<{name}>{escape_plain(value)}</{name}>" for name, value in elements.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


def has_body(method: str, status: int) -> bool:
    """Whether an error with `status` to `method` is allowed to carry the document."""
    return method != "HEAD" and status not in (204, 304)
