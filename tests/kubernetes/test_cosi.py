"""The COSI driver as its sidecar meets it: a process, a Unix socket, gRPC; and a real store behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from unittest import mock

import grpc
import pytest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from google.protobuf.message_factory import GetMessageClass

from objstore.client import Connection
from objstore.kubernetes.cosi import driver as cosi
from objstore.kubernetes.cosi import sealing
from objstore.kubernetes.cosi.access import Modes
from objstore.kubernetes.cosi.driver import Identity
from objstore.kubernetes.cosi.proto import v1alpha1_pb2 as v1
from objstore.kubernetes.cosi.proto import v1alpha2_pb2 as v2
from objstore.kubernetes.tenancy import accounts, clients, settings
from tests.admin import admin
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running, free_port
from tests.kubernetes import stubs

Code: Final = grpc.StatusCode
NAME: Final = "cosi.test.example"
S3: Final = v2.ObjectProtocol(type=v2.ObjectProtocol.S3)
KEY: Final = v2.AuthenticationType(type=v2.AuthenticationType.KEY)
IAM: Final = v2.AuthenticationType(type=v2.AuthenticationType.SERVICE_ACCOUNT)


class Service:
    """The methods of a version, called by name."""

    def __init__(self, definition: Any, channel: grpc.Channel) -> None:
        self._calls = {}
        for service in definition.services_by_name.values():
            for method in service.methods:
                self._calls[method.name] = channel.unary_unary(
                    f"/{service.full_name}/{method.name}",
                    request_serializer=GetMessageClass(method.input_type).SerializeToString,
                    response_deserializer=GetMessageClass(method.output_type).FromString,
                )

    def __call__(self, request: Any, timeout: float = 60.0) -> Any:
        """The answer to a request, whose type is named after its method."""
        return self._calls[type(request).__name__.removesuffix("Request")](request, timeout=timeout)


class Driver:
    """A driver's process on a socket of its own."""

    def __init__(self, folder: Path, endpoint: str, **environment: str) -> None:
        self.socket = f"unix://{folder}/cosi.sock"
        self.log = folder / "driver.log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OBJSTORE_", "AWS_", "COSI_"))}
        self.environment = kept | {
            "COSI_ENDPOINT": self.socket,
            "OBJSTORE_ENDPOINT": endpoint,
            "OBJSTORE_COSI_DRIVER": NAME,
            "OBJSTORE_ROOT_USER": ROOT_USER,
            "OBJSTORE_ROOT_PASSWORD": ROOT_PASSWORD,
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "objstore", "cosi"], env=self.environment, stdout=log, stderr=log
            )
        self.channel = grpc.insecure_channel(self.socket)
        try:
            grpc.channel_ready_future(self.channel).result(timeout=40)
        except grpc.FutureTimeoutError:
            raise AssertionError(self.log.read_text()) from None
        self.v1, self.v2 = Service(v1.DESCRIPTOR, self.channel), Service(v2.DESCRIPTOR, self.channel)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.channel.close()

    def stop(self) -> int:
        assert self.process is not None
        self.channel.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture(scope="module")
def driver(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """One for the tests that leave it as it is."""
    running = Driver(tmp_path_factory.mktemp("cosi"), server.endpoint)
    yield running
    assert running.stop() == 0
    log = running.log.read_text()
    assert "Traceback" not in log, log
    assert ROOT_PASSWORD not in log


@pytest.fixture(scope="module")
def store(server: Running) -> Connection:
    return Connection(server.endpoint, ROOT_USER, ROOT_PASSWORD)


@pytest.fixture
def name() -> str:
    return f"bc-{uuid.uuid4()}"


@contextlib.contextmanager
def fails(code: grpc.StatusCode, words: str = "") -> Iterator[None]:
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert (caught.value.code(), words in caught.value.details()) == (code, True), caught.value.details()
    assert caught.value.details()


def create(driver: Driver, name: str, **parameters: str) -> Any:
    return driver.v2(v2.DriverCreateBucketRequest(name=name, protocols=[S3], parameters=parameters))


def delete(driver: Driver, bucket: str, timeout: float = 60.0) -> None:
    driver.v2(v2.DriverDeleteBucketRequest(bucket_id=bucket), timeout)


def asked(name: str, modes: Mapping[str, int], **other: Any) -> v2.DriverGrantBucketAccessRequest:
    buckets = [
        v2.DriverGrantBucketAccessRequest.AccessedBucket(bucket_id=bucket, access_mode=v2.AccessMode(mode=mode))
        for bucket, mode in modes.items()
    ]
    given = {"protocol": S3, "authentication_type": KEY} | other
    return v2.DriverGrantBucketAccessRequest(account_name=name, buckets=buckets, **given)


def revoking(account: str, *buckets: str, **other: Any) -> v2.DriverRevokeBucketAccessRequest:
    named = [v2.DriverRevokeBucketAccessRequest.AccessedBucket(bucket_id=bucket) for bucket in buckets]
    given = {"protocol": S3, "authentication_type": KEY} | other
    return v2.DriverRevokeBucketAccessRequest(account_id=account, buckets=named, **given)


RW, RO, WO = v2.AccessMode.READ_WRITE, v2.AccessMode.READ_ONLY, v2.AccessMode.WRITE_ONLY


def client(server: Running, granted: Any) -> Any:
    return server.client("s3", granted.credentials.s3.access_key_id, granted.credentials.s3.access_secret_key)


def code(call: Any, **members: Any) -> str:
    try:
        call(**members)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


# identity


def test_the_driver_tells_its_name_and_what_it_speaks(driver: Driver) -> None:
    info = driver.v2(v2.DriverGetInfoRequest())
    assert (info.name, [one.type for one in info.supported_protocols]) == (NAME, [v2.ObjectProtocol.S3])
    assert driver.v1(v1.DriverGetInfoRequest()).name == NAME
    probe = [sys.executable, "-m", "objstore", "cosi", "--probe"]
    done = subprocess.run(probe, env=driver.environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{NAME}\n")
    nobody = driver.environment | {"COSI_ENDPOINT": "unix:///nowhere/cosi.sock"}
    assert subprocess.run(probe, env=nobody, capture_output=True).returncode == 1


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("COSI_ENDPOINT", "tcp://127.0.0.1:1", "COSI_ENDPOINT"),
        ("COSI_ENDPOINT", "unix:///tmp/cosi", "COSI_ENDPOINT"),
        ("OBJSTORE_COSI_DRIVER", "-no-", "--driver-name"),
        ("OBJSTORE_ENDPOINT", "here", "--endpoint"),
        ("OBJSTORE_ADDRESSING", "host", "OBJSTORE_ADDRESSING"),
        ("OBJSTORE_ROOT_USER", "", "OBJSTORE_ROOT_USER"),
    ],
)
def test_a_driver_with_wrong_settings_says_which(driver: Driver, variable: str, value: str, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "objstore", "cosi"],
        env=driver.environment | {variable: value},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


# buckets


def test_a_bucket_is_made_once_however_often_it_is_asked_for(driver: Driver, server: Running, name: str) -> None:
    made = create(driver, name)
    info = made.protocols.s3
    assert (made.bucket_id, info.bucket_id, info.endpoint, info.region) == (name, name, server.endpoint, "us-east-1")
    assert info.addressing_style.style == v2.S3AddressingStyle.PATH
    assert not made.protocols.HasField("azure") and not made.protocols.HasField("gcs")
    assert create(driver, name) == made
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda _: create(driver, name), range(6))) == [made] * 6
    delete(driver, name)
    delete(driver, name)
    assert code(server.client().head_bucket, Bucket=name) == "404"


def test_calls_for_one_new_bucket_at_once_make_one(driver: Driver, server: Running, name: str) -> None:
    def ask(number: int) -> str:
        try:
            return str(create(driver, name, versioning="Enabled" if number % 2 else "Suspended").bucket_id)
        except grpc.RpcError as error:
            return str(error.code().name)

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(ask, range(8)))
    assert outcomes == ["ALREADY_EXISTS"] * 4 + [name] * 4, "the first one's parameters count"


def test_a_bucket_is_configured_as_its_class_says(
    driver: Driver, server: Running, store: Connection, name: str
) -> None:
    rules = {"Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}]}
    cors = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://example.com"]}]}
    lock = {"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    parameters = {
        "versioning": "Enabled",
        "objectLock": json.dumps(lock),
        "encryption": "AES256",
        "bucketLifecycle": json.dumps(rules),
        "cors": json.dumps(cors),
        "tags": json.dumps({"team": "storage"}),
        "bucketMaxSize": "1Mi",
        "bucketMaxObjects": "10",
    }
    create(driver, name, **parameters)
    assert settings.VERSIONING.find(store, name) == {"Status": "Enabled"}
    assert settings.OBJECT_LOCK.find(store, name) == {"ObjectLockEnabled": "Enabled", **lock}
    assert settings.LIFECYCLE.find(store, name) == rules and settings.CORS.find(store, name) == cors
    assert {"Key": "team", "Value": "storage"} in (settings.TAGS.find(store, name) or {})["TagSet"]
    quota = admin(server, "quota", "get", "--bucket", name)
    assert (quota["max_objects"], quota["max_bytes"]) == (10, 1 << 20)
    admin(server, "quota", "set", "--bucket", name, "--objects", "20")
    create(driver, name, **parameters)
    assert admin(server, "quota", "get", "--bucket", name)["max_objects"] == 20, "what somebody changed since stays"
    with fails(Code.ALREADY_EXISTS, "other parameters"):
        create(driver, name)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"colour": "blue"}, "colour is not known; known are bucketLifecycle, bucketMaxObjects"),
        ({"maxSize": "1G"}, "maxSize is not known"),
        ({"versioning": "yes"}, "versioning: is Enabled or Suspended"),
        ({"deleteObjects": "yes"}, 'deleteObjects is "true" or "false"'),
        ({"bucketMaxSize": "many", "cors": "{"}, "cors: is no JSON"),
        ({"tags": json.dumps({f"t{number}": "" for number in range(41)})}, "tags has more than 40"),
    ],
    ids=["unknown", "of-a-user", "value", "flag", "several", "tags"],
)
def test_parameters_that_cannot_be_are_refused_by_name(
    driver: Driver, server: Running, name: str, parameters: dict[str, str], words: str
) -> None:
    with fails(Code.INVALID_ARGUMENT, words):
        create(driver, name, **parameters)
    assert code(server.client().head_bucket, Bucket=name) == "404"


def test_a_class_that_the_store_does_not_take_fails_the_same_each_time(driver: Driver, name: str) -> None:
    wrong = {"Rules": [{"ID": "r", "Status": "Perhaps", "Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}]}
    for _ in range(2):
        with fails(Code.INVALID_ARGUMENT):
            create(driver, name, bucketLifecycle=json.dumps(wrong))
    delete(driver, name)


@pytest.mark.parametrize(
    "request_",
    [
        v2.DriverCreateBucketRequest(),
        v2.DriverCreateBucketRequest(name="Upper"),
        v2.DriverCreateBucketRequest(name="a" * 254),
        v2.DriverCreateBucketRequest(name="ab"),
        v2.DriverCreateBucketRequest(name="b-1", protocols=[v2.ObjectProtocol(type=v2.ObjectProtocol.GCS)]),
        v2.DriverCreateBucketRequest(name="b-1", protocols=[S3, v2.ObjectProtocol()]),
        v2.DriverGetExistingBucketRequest(),
        v2.DriverGetExistingBucketRequest(existing_bucket_id="a/b"),
        v2.DriverGetExistingBucketRequest(existing_bucket_id="b-1", parameters={"versioning": "Enabled"}),
        v2.DriverDeleteBucketRequest(),
        v2.DriverDeleteBucketRequest(bucket_id="a" * 2049),
        asked("", {"b-1": RW}),
        asked("a", {}),
        asked("a", {"b-1": v2.AccessMode.UNKNOWN}),
        asked("a", {"b_1": RW}),
        asked("a", {f"b-{number}": RW for number in range(129)}),
        asked("a", {"b-1": RW}, protocol=v2.ObjectProtocol()),
        asked("a", {"b-1": RW}, authentication_type=v2.AuthenticationType()),
        asked("a", {"b-1": RW}, authentication_type=IAM, service_account_name="app"),
        asked("a", {"b-1": RW}, parameters={"a": "b"}),
        revoking("", "b-1"),
        revoking("a"),
        revoking("a", "b/1"),
        revoking("a", "b-1", protocol=v2.ObjectProtocol()),
        revoking("a", "b-1", authentication_type=IAM),
        v1.DriverCreateBucketRequest(name="a" * 64),
        v1.DriverGrantBucketAccessRequest(name="a", bucket_id="b-1"),
        v1.DriverGrantBucketAccessRequest(name="a", bucket_id="b-1", authentication_type=v1.IAM),
        v1.DriverGrantBucketAccessRequest(
            name="a", bucket_id="b-1", authentication_type=v1.Key, parameters={"accessMode": "Some"}
        ),
        v1.DriverGrantBucketAccessRequest(
            name="a", bucket_id="b-1", authentication_type=v1.Key, parameters={"mode": "ReadOnly"}
        ),
        v1.DriverRevokeBucketAccessRequest(account_id="a"),
    ],
    ids=lambda one: type(one).__name__.removesuffix("Request"),
)
def test_fields_that_are_missing_or_wrong_are_invalid_arguments(driver: Driver, request_: Any) -> None:
    with fails(Code.INVALID_ARGUMENT):
        (driver.v1 if type(request_).__module__.endswith("v1alpha1_pb2") else driver.v2)(request_)


def test_one_bucket_named_twice_is_an_invalid_argument(driver: Driver) -> None:
    request = asked("a", {"b-1": RW})
    request.buckets.append(request.buckets[0])
    with fails(Code.INVALID_ARGUMENT, "twice"):
        driver.v2(request)


def test_a_method_that_a_version_does_not_have_is_unimplemented(driver: Driver) -> None:
    call = driver.channel.unary_unary("/cosi.v1alpha1.Provisioner/DriverGetExistingBucket")
    with fails(Code.UNIMPLEMENTED):
        call(b"", timeout=30)


def test_a_long_name_is_a_shorter_bucket_and_always_the_same(driver: Driver) -> None:
    long = f"{uuid.uuid4()}.{'a' * 200}"
    made = create(driver, long)
    assert 3 <= len(made.bucket_id) <= 63 and create(driver, long) == made
    delete(driver, made.bucket_id)


def test_a_bucket_of_somebody_else_is_never_taken_over(driver: Driver, server: Running, bucket: str) -> None:
    with fails(Code.ALREADY_EXISTS, "another account"):
        create(driver, bucket)
    with fails(Code.FAILED_PRECONDITION, "not made by this driver"):
        delete(driver, bucket)
    assert code(server.client().head_bucket, Bucket=bucket) == ""


def test_a_bucket_with_objects_is_deleted_only_where_its_class_says_so(
    driver: Driver, server: Running, name: str
) -> None:
    s3 = server.client()
    create(driver, name, versioning="Enabled")
    version = s3.put_object(Bucket=name, Key="a")["VersionId"]
    s3.delete_object(Bucket=name, Key="a")
    with fails(Code.FAILED_PRECONDITION, "deleteObjects"):
        delete(driver, name)
    marker = s3.list_object_versions(Bucket=name)["DeleteMarkers"][0]["VersionId"]
    for one in (version, marker):
        s3.delete_object(Bucket=name, Key="a", VersionId=one)
    s3.create_multipart_upload(Bucket=name, Key="b")
    delete(driver, name)
    other = f"{name}-2"
    create(driver, other, deleteObjects="true", objectLock="Enabled")
    held = s3.put_object(Bucket=other, Key="h", ObjectLockLegalHoldStatus="ON")["VersionId"]
    s3.put_object(Bucket=other, Key="a")
    with fails(Code.FAILED_PRECONDITION, "1 version cannot be deleted yet, among them 'h'"):
        delete(driver, other)
    s3.put_object_legal_hold(Bucket=other, Key="h", VersionId=held, LegalHold={"Status": "OFF"})
    delete(driver, other)
    assert code(s3.head_bucket, Bucket=other) == "404"


def test_a_large_bucket_is_deleted_call_by_call(driver: Driver, server: Running, name: str) -> None:
    create(driver, name, deleteObjects="true")
    s3 = server.client()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: s3.put_object(Bucket=name, Key=f"{number:04}"), range(1005)))
    codes = []
    for _ in range(20):
        try:
            delete(driver, name, timeout=3.0)
        except grpc.RpcError as error:
            codes.append(error.code())
        else:
            break
    assert set(codes) <= {Code.ABORTED, Code.DEADLINE_EXCEEDED}
    assert code(s3.head_bucket, Bucket=name) == "404"


def test_a_bucket_that_is_there_is_found_and_no_other(driver: Driver, bucket: str) -> None:
    found = driver.v2(v2.DriverGetExistingBucketRequest(existing_bucket_id=bucket, protocols=[S3]))
    assert found.bucket_id == found.protocols.s3.bucket_id == bucket
    with fails(Code.NOT_FOUND):
        driver.v2(v2.DriverGetExistingBucketRequest(existing_bucket_id=f"{bucket}-none"))


# accesses


def test_an_access_does_what_its_modes_allow_and_nothing_else(driver: Driver, server: Running, name: str) -> None:
    names = {f"{name}-rw"[3:]: RW, f"{name}-ro"[3:]: RO, f"{name}-wo"[3:]: WO}
    both, reads, writes = names
    for one in (*names, f"{name}-x"):
        create(driver, one)
        server.client().put_object(Bucket=one, Key="there", Body=b"there")
    granted = driver.v2(asked(f"ba-{name}", names))
    assert [one.bucket_id for one in granted.buckets] == list(names)
    assert all(one.bucket_info.s3.endpoint == server.endpoint for one in granted.buckets)
    mine = client(server, granted)
    for bucket in (both, reads):
        assert mine.get_object(Bucket=bucket, Key="there")["Body"].read() == b"there"
        assert [one["Key"] for one in mine.list_objects_v2(Bucket=bucket)["Contents"]] == ["there"]
        mine.head_bucket(Bucket=bucket)
    for bucket in (both, writes):
        mine.put_object(Bucket=bucket, Key="new", Body=b"n", Tagging="a=b")
        upload = {
            "Bucket": bucket,
            "Key": "up",
            "UploadId": mine.create_multipart_upload(Bucket=bucket, Key="up")["UploadId"],
        }
        mine.upload_part(**upload, PartNumber=1, Body=b"p")
        mine.list_parts(**upload)
        mine.abort_multipart_upload(**upload)
        mine.delete_object(Bucket=bucket, Key="new")
    denied = "AccessDenied"
    assert code(mine.put_object, Bucket=reads, Key="a") == code(mine.delete_object, Bucket=reads, Key="there") == denied
    assert code(mine.get_object, Bucket=writes, Key="there") == code(mine.list_objects_v2, Bucket=writes) == denied
    assert code(mine.get_object, Bucket=f"{name}-x", Key="there") == denied
    for bucket in names:
        assert code(mine.get_bucket_policy, Bucket=bucket) == code(mine.delete_bucket, Bucket=bucket) == denied
        assert code(mine.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": []}) == denied
    assert code(mine.create_bucket, Bucket=f"{name}-mine") == denied
    iam = server.client("iam", granted.credentials.s3.access_key_id, granted.credentials.s3.access_secret_key)
    assert code(iam.create_access_key) == code(iam.list_users) == denied


def test_an_access_is_told_the_same_key_whenever_it_is_asked_for(driver: Driver, server: Running, name: str) -> None:
    create(driver, name)
    first = driver.v2(asked(f"ba-{name}", {name: RW}))
    assert first.credentials.s3.access_secret_key not in driver.log.read_text()
    with ThreadPoolExecutor(6) as pool:
        again = list(pool.map(lambda _: driver.v2(asked(f"ba-{name}", {name: RW})), range(6)))
    assert again == [first] * 6
    for other in (asked(f"ba-{name}", {name: RO}), asked(f"ba-{name}", {name: RW, f"{name}-2": RW})):
        create(driver, f"{name}-2")
        with fails(Code.ALREADY_EXISTS, "other buckets or modes"):
            driver.v2(other)
    assert code(client(server, first).list_objects_v2, Bucket=name) == ""
    driver.v2(revoking(first.account_id, name))
    driver.v2(revoking(first.account_id, name))
    assert code(client(server, first).list_objects_v2, Bucket=name) == "InvalidAccessKeyId"
    assert driver.v2(asked(f"ba-{name}", {name: RW})).credentials != first.credentials


def test_calls_for_one_new_access_at_once_give_one_key(driver: Driver, server: Running, name: str) -> None:
    create(driver, name)
    with ThreadPoolExecutor(8) as pool:
        granted = list(pool.map(lambda _: driver.v2(asked(f"ba-{name}", {name: RW})), range(8)))
    assert all(one == granted[0] for one in granted)
    assert code(client(server, granted[0]).list_objects_v2, Bucket=name) == ""


def test_an_access_to_a_bucket_that_is_not_there_is_not_found(driver: Driver, name: str) -> None:
    with fails(Code.NOT_FOUND, name):
        driver.v2(asked(f"ba-{name}", {name: RW}))


def test_buckets_of_others_are_let_into_by_their_policies(driver: Driver, server: Running, bucket: str) -> None:
    root, user = server.client(), f"ba-{bucket}"
    root.put_object(Bucket=bucket, Key="a", Body=b"a")
    granted = driver.v2(asked(user, {bucket: RO}))
    mine = client(server, granted)
    assert mine.get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"
    assert code(mine.put_object, Bucket=bucket, Key="b") == "AccessDenied"
    (statement,) = json.loads(root.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert statement["Sid"] == user
    driver.v2(revoking(granted.account_id, bucket))
    assert code(root.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"


def test_an_access_may_lose_some_of_its_buckets(driver: Driver, server: Running, name: str) -> None:
    other = f"{name}-2"
    create(driver, name)
    create(driver, other)
    granted = driver.v2(asked(f"ba-{name}", {name: RW, other: RO}))
    driver.v2(revoking(granted.account_id, other))
    mine = client(server, granted)
    assert code(mine.list_objects_v2, Bucket=other) == "AccessDenied"
    assert code(mine.list_objects_v2, Bucket=name) == ""
    assert driver.v2(asked(f"ba-{name}", {name: RW})).credentials == granted.credentials
    driver.v2(revoking(granted.account_id, name, other))
    assert code(mine.list_objects_v2, Bucket=name) == "InvalidAccessKeyId"


def test_an_access_may_have_as_many_buckets_as_cosi_allows(
    driver: Driver, server: Running, store: Connection, name: str
) -> None:
    names = [f"{name}-{number:03}" for number in range(128)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: server.client().create_bucket(Bucket=one), names[:1]))
        list(pool.map(lambda one: create(driver, one), names[1:]))
    granted = driver.v2(asked(f"ba-{name}", {one: (RW, RO, WO)[at % 3] for at, one in enumerate(names)}))
    assert driver.v2(asked(f"ba-{name}", {one: (RW, RO, WO)[at % 3] for at, one in enumerate(names)})) == granted
    mine = client(server, granted)
    assert [code(mine.list_objects_v2, Bucket=one) for one in names[-3:]] == ["AccessDenied", "", ""]
    driver.v2(revoking(granted.account_id, *names[:-2]))
    assert [code(mine.list_objects_v2, Bucket=one) for one in names[-3:]] == ["AccessDenied", "", ""]
    assert code(mine.list_objects_v2, Bucket=names[3]) == "AccessDenied"
    driver.v2(revoking(granted.account_id, *names[-2:]))
    account = accounts.find(store, f"cosi-{NAME}")
    assert account is not None
    left = admin(server, "policy", "list", "--account", account.id)
    assert not [one for one in left if name in one["PolicyName"]], "no policy stays behind"


def test_users_that_are_no_accesses_are_left_alone(
    driver: Driver, server: Running, store: Connection, name: str
) -> None:
    create(driver, name)
    account = accounts.find(store, f"cosi-{NAME}")
    assert account is not None
    admin(server, "user", "create", name, "--account", account.id)
    driver.v2(revoking(name, name))
    driver.v2(revoking(f"{name}-nobody", name))
    driver.v2(revoking("a" * 65, name))
    assert name in [one["UserName"] for one in admin(server, "user", "list", "--account", account.id)]
    with fails(Code.ALREADY_EXISTS):
        driver.v2(asked(name, {name: RW}))


# v1alpha1


def test_the_released_version_does_the_same(driver: Driver, server: Running, name: str) -> None:
    made = driver.v1(v1.DriverCreateBucketRequest(name=name, parameters={"deleteObjects": "true"}))
    assert (made.bucket_id, made.bucket_info.s3.region) == (name, "us-east-1")
    assert made.bucket_info.s3.signature_version == v1.S3V4
    assert driver.v1(v1.DriverCreateBucketRequest(name=name, parameters={"deleteObjects": "true"})) == made
    with fails(Code.ALREADY_EXISTS):
        driver.v1(v1.DriverCreateBucketRequest(name=name))
    request = v1.DriverGrantBucketAccessRequest(
        name=f"ba-{name}", bucket_id=name, authentication_type=v1.Key, parameters={"accessMode": "WriteOnly"}
    )
    granted = driver.v1(request)
    assert driver.v1(request) == granted
    secrets = dict(granted.credentials["s3"].secrets)
    assert list(granted.credentials) == ["s3"]
    assert (secrets["endpoint"], secrets["region"]) == (server.endpoint, "us-east-1")
    mine = server.client("s3", secrets["accessKeyID"], secrets["accessSecretKey"])
    mine.put_object(Bucket=name, Key="a", Body=b"a")
    assert code(mine.get_object, Bucket=name, Key="a") == "AccessDenied"
    for _ in range(2):
        driver.v1(v1.DriverRevokeBucketAccessRequest(account_id=granted.account_id, bucket_id=name))
        driver.v1(v1.DriverDeleteBucketRequest(bucket_id=name))
    assert code(mine.put_object, Bucket=name, Key="a") in ("InvalidAccessKeyId", "NoSuchBucket")


# faults


class Killed(BaseException):
    """As SIGKILL does, it lets nothing more be done."""


class Fuse:
    """Ends whoever speaks to the store at the Nth request, before it is sent or when it is answered."""

    def __init__(self, at: int, behind: bool) -> None:
        self.at, self.behind, self.seen = at, behind, 0
        self._send = URLLib3Session.send

    def __enter__(self) -> Fuse:
        self._patch = mock.patch.object(URLLib3Session, "send", lambda session, request: self._pass(session, request))
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()

    def _pass(self, session: URLLib3Session, request: Any) -> Any:
        self.seen += 1
        if self.seen == self.at and not self.behind:
            raise Killed
        answer = self._send(session, request)
        if self.seen == self.at:
            raise Killed
        return answer


@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
def test_a_driver_that_is_killed_at_any_request_goes_on_where_it_was(
    server: Running, store: Connection, bucket: str, behind: bool
) -> None:
    """A life of a bucket with an access to it, and to one of another account, ended at each request in turn."""
    identity = Identity(NAME, server.endpoint)
    driver = cosi.Driver(store, identity)
    driver.create("bc-warm", {}, exactly=False)  # the account is there from now on
    root = server.client()

    def life(name: str, modes: Modes) -> Iterator[Callable[[cosi.Driver], Any]]:
        user = f"ba-{name}"
        yield lambda driver: driver.create(name, {"deleteObjects": "true", "versioning": "Enabled"}, exactly=False)
        yield lambda driver: driver.grant(user, modes)
        yield lambda driver: driver.revoke(user, [name, bucket])
        yield lambda driver: driver.delete(name, budget_s=30)

    number, over = 0, False
    while not over:
        number += 1
        fuse, name = Fuse(number, behind), f"{bucket}-{number}-{behind:d}"
        modes: Modes = {name: "READ_WRITE", bucket: "READ_ONLY"}
        for step in life(name, modes):
            with fuse:
                try:
                    told = step(driver)
                except Killed:
                    driver = cosi.Driver(store, identity)
                    told = step(driver)
            if isinstance(told, cosi.Granted):
                assert driver.grant(told.account_id, modes) == told
                mine = server.client("s3", told.key.access, told.key.secret or "")
                mine.put_object(Bucket=name, Key="a")
                assert code(mine.list_objects_v2, Bucket=bucket) == ""
        over = fuse.seen < number
        assert number < 100
    assert number > 20
    assert code(root.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"
    account = accounts.find(store, f"cosi-{NAME}")
    assert account is not None
    left = admin(server, "user", "list", "--account", account.id)
    assert not [one for one in left if bucket in one["UserName"]], "no access stays behind"
    assert not root.list_buckets(Prefix=f"{bucket}-")["Buckets"]


def test_a_process_that_is_killed_and_started_again_tells_the_same(server: Running, tmp_path: Path, name: str) -> None:
    driver = Driver(tmp_path, server.endpoint)
    try:
        made = create(driver, name)
        granted = driver.v2(asked(f"ba-{name}", {name: RW}))
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(driver.v2, asked(f"ba-{name}-{number}", {name: RW})) for number in range(4)]
            assert driver.process is not None
            driver.process.kill()  # the channel stays open: calls that wait are told
            assert all(call.exception() is None or isinstance(call.exception(), grpc.RpcError) for call in calls)
        driver.kill()
        driver.start()
        assert (create(driver, name), driver.v2(asked(f"ba-{name}", {name: RW}))) == (made, granted)
        several = [driver.v2(asked(f"ba-{name}-{number}", {name: RW})) for number in range(4)]
        assert len({one.credentials.s3.access_key_id for one in several}) == 4
        assert all(code(client(server, one).list_objects_v2, Bucket=name) == "" for one in several)
        assert driver.stop() == 0
    finally:
        driver.kill()


def test_a_store_that_is_away_or_does_not_know_the_driver_is_told(server: Running, tmp_path: Path, name: str) -> None:
    driver = Driver(tmp_path, f"http://127.0.0.1:{free_port()}")
    try:
        with fails(Code.UNAVAILABLE, "no answer"):
            create(driver, name)
        assert driver.v2(v2.DriverGetInfoRequest()).name == NAME
    finally:
        driver.kill()
    driver = Driver(tmp_path, server.endpoint, OBJSTORE_ROOT_PASSWORD="another-password")
    try:
        with fails(Code.UNAUTHENTICATED):
            create(driver, name)
        assert "another-password" not in driver.log.read_text()
    finally:
        driver.kill()


def test_a_key_whose_secret_cannot_be_read_any_more_is_joined_by_a_new_one(server: Running, store: Connection) -> None:
    driver, user = cosi.Driver(store, Identity(NAME, server.endpoint)), f"ba-{uuid.uuid4()}"
    name = f"bc-{user}"
    driver.create(name, {}, exactly=False)
    first = driver.grant(user, {name: "READ_WRITE"})
    account = accounts.find(store, f"cosi-{NAME}")
    assert account is not None
    with clients.acting_for(store, account.id):
        told = [{"Key": "cosi:secret", "Value": "b2xk"}]
        clients.told(clients.iam(store).tag_user, UserName=user, Tags=told)
    second = driver.grant(user, {name: "READ_WRITE"})
    assert second.key.access != first.key.access and driver.grant(user, {name: "READ_WRITE"}) == second
    for one in (first, second):
        mine = server.client("s3", one.key.access, one.key.secret or "")
        assert code(mine.list_objects_v2, Bucket=name) == "", "who has not heard of the new key yet goes on"


def test_seals_open_for_the_same_driver_user_and_key_alone(store: Connection) -> None:
    sealed = sealing.seal(store, "u", "k", "secret")
    assert sealing.unseal(store, "u", "k", sealed) == "secret" and "secret" not in sealed
    other = Connection(store.endpoint, store.access_key, "another-password")
    assert sealing.unseal(other, "u", "k", sealed) is None
    assert sealing.unseal(store, "v", "k", sealed) is sealing.unseal(store, "u", "l", sealed) is None
    assert sealing.unseal(store, "u", "k", "?") is sealing.unseal(store, "u", "k", "") is None


# the interface


def test_the_message_classes_are_those_of_the_published_definitions(tmp_path: Path) -> None:
    made = stubs.generate(tmp_path)
    assert len(made) == 4
    for path in made:
        assert (tmp_path / path).read_text() == (stubs.ROOT / path).read_text(), "run `make stubs`"
