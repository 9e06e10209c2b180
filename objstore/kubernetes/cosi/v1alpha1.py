"""COSI v1alpha1, as it was released: messages in, messages out.

An access has one bucket, and its mode is a parameter of the BucketAccessClass. Applications are told the name of the
Bucket object as that of the bucket, so both are the same. A bucket that was there before COSI is handed to `grant`
without any call before.
https://github.com/kubernetes-sigs/container-object-storage-interface/blob/v0.2.2/proto/cosi.proto
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from objstore.kubernetes.cosi.driver import Driver
from objstore.kubernetes.cosi.failure import invalid
from objstore.kubernetes.cosi.methods import Methods, Seconds
from objstore.kubernetes.cosi.proto import v1alpha1_pb2 as pb
from objstore.kubernetes.tenancy.policies import Mode

_MODE: Final = "accessMode"
_MODES: Final[Mapping[str, Mode]] = {
    "ReadWrite": "READ_WRITE",
    "ReadOnly": "READ_ONLY",
    "WriteOnly": "WRITE_ONLY",
}


def methods(driver: Driver) -> Methods:
    """What the driver answers, method by method."""
    api = _Api(driver)
    return Methods(
        pb.DESCRIPTOR,
        {
            "DriverGetInfo": api.info,
            "DriverCreateBucket": api.create,
            "DriverDeleteBucket": api.delete,
            "DriverGrantBucketAccess": api.grant,
            "DriverRevokeBucketAccess": api.revoke,
        },
    )


class _Api:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def info(self, request: pb.DriverGetInfoRequest, left: Seconds) -> pb.DriverGetInfoResponse:
        return pb.DriverGetInfoResponse(name=self._driver.identity.name)

    def create(self, request: pb.DriverCreateBucketRequest, left: Seconds) -> pb.DriverCreateBucketResponse:
        bucket = self._driver.create(request.name, dict(request.parameters), exactly=True)
        s3 = pb.S3(region=self._driver.connection.region, signature_version=pb.S3V4)
        return pb.DriverCreateBucketResponse(bucket_id=bucket, bucket_info=pb.Protocol(s3=s3))

    def delete(self, request: pb.DriverDeleteBucketRequest, left: Seconds) -> pb.DriverDeleteBucketResponse:
        self._driver.delete(request.bucket_id, budget_s=left)
        return pb.DriverDeleteBucketResponse()

    def grant(self, request: pb.DriverGrantBucketAccessRequest, left: Seconds) -> pb.DriverGrantBucketAccessResponse:
        _check_authentication(request.authentication_type)
        granted = self._driver.grant(request.name, {request.bucket_id: _mode(dict(request.parameters))})
        secrets = {
            "accessKeyID": granted.key.access,
            "accessSecretKey": granted.key.secret or "",
            "endpoint": self._driver.identity.endpoint,
            "region": self._driver.connection.region,
        }
        credentials = {"s3": pb.CredentialDetails(secrets=secrets)}
        return pb.DriverGrantBucketAccessResponse(account_id=granted.account_id, credentials=credentials)

    def revoke(self, request: pb.DriverRevokeBucketAccessRequest, left: Seconds) -> pb.DriverRevokeBucketAccessResponse:
        self._driver.revoke(request.account_id, [request.bucket_id])
        return pb.DriverRevokeBucketAccessResponse()


def _mode(parameters: Mapping[str, str]) -> Mode:
    unknown = sorted(parameters.keys() - {_MODE})
    if unknown:
        raise invalid(f"parameters: {', '.join(unknown)}", f"is not known; known is {_MODE}")
    text = parameters.get(_MODE, "ReadWrite")
    if text not in _MODES:
        raise invalid(f"parameters: {_MODE}", f"is one of {', '.join(_MODES)}, not {text[:64]!r}")
    return _MODES[text]


def _check_authentication(given: pb.AuthenticationType) -> None:
    if given == pb.IAM:
        raise invalid(
            "authentication_type",
            "is Key: a request does not tell the namespace of a service account, so that any of that name would be let"
            " in. Roles for service accounts are made with AssumeRoleWithWebIdentity, see docs/identities.md",
        )
    if given != pb.Key:
        raise invalid("authentication_type", "is Key")
