"""COSI v1alpha2, as it is being developed: messages in, messages out.

https://github.com/kubernetes-sigs/container-object-storage-interface/blob/main/proto/spec.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from objstore.kubernetes.cosi.driver import Driver
from objstore.kubernetes.cosi.failure import invalid
from objstore.kubernetes.cosi.methods import Methods, Seconds
from objstore.kubernetes.cosi.proto import v1alpha2_pb2 as pb
from objstore.kubernetes.tenancy.policies import Mode

_MODES: Final[Mapping[int, Mode]] = {
    pb.AccessMode.READ_WRITE: "READ_WRITE",
    pb.AccessMode.READ_ONLY: "READ_ONLY",
    pb.AccessMode.WRITE_ONLY: "WRITE_ONLY",
}


def methods(driver: Driver) -> Methods:
    """What the driver answers, method by method."""
    api = _Api(driver)
    return Methods(
        pb.DESCRIPTOR,
        {
            "DriverGetInfo": api.info,
            "DriverCreateBucket": api.create,
            "DriverGetExistingBucket": api.existing,
            "DriverDeleteBucket": api.delete,
            "DriverGrantBucketAccess": api.grant,
            "DriverRevokeBucketAccess": api.revoke,
        },
    )


class _Api:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def info(self, request: pb.DriverGetInfoRequest, left: Seconds) -> pb.DriverGetInfoResponse:
        protocols = [pb.ObjectProtocol(type=pb.ObjectProtocol.S3)]
        return pb.DriverGetInfoResponse(name=self._driver.identity.name, supported_protocols=protocols)

    def create(self, request: pb.DriverCreateBucketRequest, left: Seconds) -> pb.DriverCreateBucketResponse:
        _check_protocols(request.protocols)
        bucket = self._driver.create(request.name, dict(request.parameters), exactly=False)
        return pb.DriverCreateBucketResponse(bucket_id=bucket, protocols=self._bucket_info(bucket))

    def existing(self, request: pb.DriverGetExistingBucketRequest, left: Seconds) -> pb.DriverGetExistingBucketResponse:
        _check_protocols(request.protocols)
        _check_none(request.parameters, "a bucket that is there stays as it is")
        bucket = self._driver.existing(request.existing_bucket_id)
        return pb.DriverGetExistingBucketResponse(bucket_id=bucket, protocols=self._bucket_info(bucket))

    def delete(self, request: pb.DriverDeleteBucketRequest, left: Seconds) -> pb.DriverDeleteBucketResponse:
        # Parameters were looked at when the bucket was made, and are not to keep it from going.
        self._driver.delete(request.bucket_id, budget_s=left)
        return pb.DriverDeleteBucketResponse()

    def grant(self, request: pb.DriverGrantBucketAccessRequest, left: Seconds) -> pb.DriverGrantBucketAccessResponse:
        _check_protocol(request.protocol)
        _check_authentication(request.authentication_type)
        _check_none(request.parameters, "there are none for an access")
        modes: dict[str, Mode] = {}
        for one in request.buckets:
            if one.access_mode.mode not in _MODES:
                raise invalid(f"access_mode of {one.bucket_id[:64]}", "is READ_WRITE, READ_ONLY or WRITE_ONLY")
            if one.bucket_id in modes:
                raise invalid("buckets", f"name {one.bucket_id[:64]} twice")
            modes[one.bucket_id] = _MODES[one.access_mode.mode]
        granted = self._driver.grant(request.account_name, modes)
        s3 = pb.S3CredentialInfo(access_key_id=granted.key.access, access_secret_key=granted.key.secret)
        infos = [
            pb.DriverGrantBucketAccessResponse.BucketInfo(bucket_id=bucket, bucket_info=self._bucket_info(bucket))
            for bucket in modes
        ]
        return pb.DriverGrantBucketAccessResponse(
            account_id=granted.account_id, buckets=infos, credentials=pb.CredentialInfo(s3=s3)
        )

    def revoke(self, request: pb.DriverRevokeBucketAccessRequest, left: Seconds) -> pb.DriverRevokeBucketAccessResponse:
        _check_protocol(request.protocol)
        _check_authentication(request.authentication_type)
        self._driver.revoke(request.account_id, [one.bucket_id for one in request.buckets])
        return pb.DriverRevokeBucketAccessResponse()

    def _bucket_info(self, bucket: str) -> pb.ObjectProtocolAndBucketInfo:
        identity = self._driver.identity
        style = pb.S3AddressingStyle.VIRTUAL if identity.virtual_hosts else pb.S3AddressingStyle.PATH
        return pb.ObjectProtocolAndBucketInfo(
            s3=pb.S3BucketInfo(
                bucket_id=bucket,
                endpoint=identity.endpoint,
                region=self._driver.connection.region,
                addressing_style=pb.S3AddressingStyle(style=style),
            )
        )


def _check_protocols(protocols: Iterable[pb.ObjectProtocol]) -> None:
    for protocol in protocols:
        _check_protocol(protocol)


def _check_protocol(protocol: pb.ObjectProtocol) -> None:
    if protocol.type != pb.ObjectProtocol.S3:
        raise invalid("protocol", "is S3: this store speaks no other")


def _check_authentication(given: pb.AuthenticationType) -> None:
    if given.type == pb.AuthenticationType.SERVICE_ACCOUNT:
        raise invalid(
            "authentication_type",
            "is KEY: a request does not tell the namespace of a service account, so that any of that name would be let"
            " in. Roles for service accounts are made with AssumeRoleWithWebIdentity, see docs/identities.md",
        )
    if given.type != pb.AuthenticationType.KEY:
        raise invalid("authentication_type", "is KEY")


def _check_none(parameters: Mapping[str, str], why: str) -> None:
    if parameters:
        raise invalid(f"parameters: {', '.join(sorted(parameters))}", f"is not known: {why}")
