"""What happens in a bucket is told: once it has happened, in order, and whatever dies meanwhile."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.events.receiver import Receiver, receiving
from tests.harness import Running, free_port, serving

ARN = "arn:objstore:sqs::primary:webhook"
EVERYTHING = [
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:ObjectTagging:*",
    "s3:ObjectAcl:Put",
    "s3:LifecycleExpiration:*",
]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("events")
    with serving(folder / "store", arguments=("--config", str(configured(folder, receiver)))) as server:
        yield server


def configured(folder: Path, receiver: Receiver, **more: Any) -> Path:
    config = folder / "config.toml"
    lines = ["lifecycle_day = 1.0", 'outbound_allow = ["127.0.0.1"]', *(f"{k} = {v}" for k, v in more.items())]
    lines += ["[[targets]]", 'type = "webhook"', 'id = "primary"', f'endpoint = "{receiver.url}"']
    lines += ['authorization = "Bearer 1234"']
    lines += ["[[targets]]", 'type = "webhook"', 'id = "dead"', f'endpoint = "http://127.0.0.1:{free_port()}/"']
    config.write_text("\n".join(lines) + "\n")
    return config


@pytest.fixture
def s3(running: Running) -> Any:
    return running.client()


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"events-{uuid.uuid4().hex[:20]}"
    s3.create_bucket(Bucket=name)
    return name


def tell(s3: Any, bucket: str, *events: str, arn: str = ARN, **rule: Any) -> None:
    rules = [{"Id": "rule", "QueueArn": arn, "Events": list(events or EVERYTHING), **rule}]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": rules})


def test_every_kind_of_event(s3: Any, bucket: str, receiver: Receiver) -> None:
    tell(s3, bucket)
    put = s3.put_object(Bucket=bucket, Key="a b/ä", Body=b"12345")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b/ä"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key="parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    s3.put_object_tagging(Bucket=bucket, Key="copy", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="copy")
    s3.put_object_acl(Bucket=bucket, Key="copy", ACL="public-read")
    s3.delete_object(Bucket=bucket, Key="copy")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "parts"}, {"Key": "never there"}]})
    wanted = [
        ("ObjectCreated:Put", "a+b/%C3%A4"),
        ("ObjectCreated:Copy", "copy"),
        ("ObjectCreated:CompleteMultipartUpload", "parts"),
        ("ObjectTagging:Put", "copy"),
        ("ObjectTagging:Delete", "copy"),
        ("ObjectAcl:Put", "copy"),
        ("ObjectRemoved:Delete", "copy"),
        ("ObjectRemoved:Delete", "parts"),
    ]
    receiver.wait(lambda: sorted(receiver.events(bucket)), sorted(wanted))
    assert [event for event in receiver.events(bucket) if event[1] == "copy"] == [e for e in wanted if e[1] == "copy"]
    first = next(r for r in receiver.records if r["s3"]["object"]["key"] == "a+b/%C3%A4")
    assert (first["eventSource"], first["eventVersion"], first["awsRegion"]) == ("aws:s3", "2.1", "us-east-1")
    assert first["responseElements"]["x-amz-request-id"] == put["ResponseMetadata"]["RequestId"]
    assert first["requestParameters"]["sourceIPAddress"] == "127.0.0.1"
    assert first["userIdentity"]["principalId"].startswith("AWS:")
    thing, where = first["s3"]["object"], first["s3"]["bucket"]
    assert (thing["size"], thing["eTag"]) == (5, put["ETag"].strip('"'))
    assert (first["s3"]["configurationId"], where["arn"]) == ("rule", f"arn:aws:s3:::{bucket}")
    assert receiver.headers[-1]["authorization"] == "Bearer 1234"
    removed = [r for r in receiver.records if r["eventName"] == "ObjectRemoved:Delete"][-1]
    assert "size" not in removed["s3"]["object"]


def test_versions_markers_and_what_lifecycle_does(s3: Any, bucket: str, receiver: Receiver) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    tell(s3, bucket)
    version = s3.put_object(Bucket=bucket, Key="a", Body=b"1")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_object(Bucket=bucket, Key="a", VersionId=version)
    s3.put_object(Bucket=bucket, Key="b", Body=b"1")
    rule = {"ID": "x", "Status": "Enabled", "Prefix": "b", "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    wanted = [
        ("ObjectCreated:Put", "a"),
        ("ObjectRemoved:DeleteMarkerCreated", "a"),
        ("ObjectRemoved:Delete", "a"),
        ("ObjectCreated:Put", "b"),
        ("LifecycleExpiration:DeleteMarkerCreated", "b"),
    ]
    receiver.wait(lambda: sorted(receiver.events(bucket)), sorted(wanted))
    assert [event for event in receiver.events(bucket) if event[1] == "a"] == wanted[:3]
    mine = [r["s3"]["object"] for r in receiver.records if r["s3"]["bucket"]["name"] == bucket]
    mine = [thing for thing in mine if thing["key"] == "a"]
    assert [mine[0]["versionId"], mine[2]["versionId"]] == [version, version]
    sequence = [thing["sequencer"] for thing in mine]
    assert sequence == sorted(sequence)


def test_filters_and_what_is_refused_tells_nothing(s3: Any, bucket: str, receiver: Receiver) -> None:
    rules = [{"Name": "Prefix", "Value": "in/"}, {"Name": "Suffix", "Value": ".jpg"}]
    tell(s3, bucket, "s3:ObjectCreated:Put", Filter={"Key": {"FilterRules": rules}})
    for key in ("in/a.png", "out/a.jpg", "in/a.jpg"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket, Key="in/a.jpg", Body=b"y", IfNoneMatch="*")
    s3.copy_object(Bucket=bucket, Key="in/c.jpg", CopySource={"Bucket": bucket, "Key": "in/a.jpg"})
    s3.put_object(Bucket=bucket, Key="in/z.jpg", Body=b"x")
    wanted = [("ObjectCreated:Put", "in/a.jpg"), ("ObjectCreated:Put", "in/z.jpg")]
    receiver.wait(lambda: sorted(receiver.events(bucket)), wanted)


def test_a_target_is_told_that_it_was_configured(s3: Any, bucket: str, receiver: Receiver) -> None:
    tell(s3, bucket)
    receiver.wait(lambda: [b["Event"] for b in list(receiver.bodies) if b.get("Bucket") == bucket], ["s3:TestEvent"])


def test_configurations_come_back_and_bad_ones_are_refused(s3: Any, bucket: str) -> None:
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)
    rule: dict[str, Any] = {"Id": "one", "QueueArn": ARN, "Events": ["s3:ObjectCreated:*"]}
    minio = {
        "Id": "two",
        "QueueArn": "arn:minio:sqs:us-east-1:primary:webhook",
        "Events": ["s3:ObjectRemoved:Delete"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "x/"}]}},
    }

    def put(*rules: dict[str, Any], kind: str = "QueueConfigurations") -> None:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={kind: list(rules)})

    put(rule, minio)
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"] == [rule, minio]
    twice = [{"Name": "prefix", "Value": "a"}, {"Name": "Prefix", "Value": "b"}]
    bad: list[tuple[str, dict[str, Any]]] = [
        ("InvalidArgument", {"QueueArn": "arn:objstore:sqs::nobody:webhook"}),
        ("InvalidArgument", {"QueueArn": "arn:objstore:sqs::primary:nats"}),
        ("InvalidArgument", {"QueueArn": "arn:aws:sqs:us-east-1:1:queue"}),
        ("InvalidArgument", {"Events": ["s3:Nothing"]}),
        ("NotImplemented", {"Events": ["s3:ObjectRestore:Post"]}),
        ("NotImplemented", {"Events": ["s3:Replication:*"]}),
        ("InvalidArgument", {"Filter": {"Key": {"FilterRules": twice}}}),
    ]
    for code, change in bad:
        with pytest.raises(ClientError) as refused:
            put(rule | change)
        assert refused.value.response["Error"]["Code"] == code, (change, refused.value)
    with pytest.raises(ClientError) as unchecked:
        s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={"QueueConfigurations": [rule]},
            SkipDestinationValidation=True,
        )
    assert unchecked.value.response["Error"]["Code"] == "NotImplemented", "destinations are always looked at"
    with pytest.raises(ClientError) as overlap:
        put(rule, rule | {"Id": "other", "Events": ["s3:ObjectCreated:Copy"]})
    assert "overlap" in str(overlap.value)
    with pytest.raises(ClientError) as function:
        s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={
                "LambdaFunctionConfigurations": [
                    {"LambdaFunctionArn": "arn:aws:lambda:us-east-1:1:function:f", "Events": ["s3:ObjectCreated:*"]}
                ]
            },
        )
    assert function.value.response["Error"]["Code"] == "NotImplemented"
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"] == [rule, minio]
    put()
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)


def test_a_dead_target_holds_up_no_other(s3: Any, bucket: str, receiver: Receiver, running: Running) -> None:
    other = f"{bucket}-dead"
    s3.create_bucket(Bucket=other)
    tell(s3, other, arn="arn:objstore:sqs::dead:webhook")
    tell(s3, bucket)
    for number in range(5):
        s3.put_object(Bucket=other, Key=str(number), Body=b"x")
        s3.put_object(Bucket=bucket, Key=str(number), Body=b"x")
    receiver.wait(lambda: len(receiver.events(bucket)), 5)
    metrics = running.request("GET", "/-/metrics").data.decode()  # type: ignore[attr-defined]
    assert 'objstore_events_waiting{target="arn:objstore:sqs::dead:webhook"} 6.0' in metrics


def test_order_of_a_key_holds_through_refusals_and_kills(tmp_path: Path) -> None:
    """A target that refuses every other time, a server killed in the middle: all arrive, each key's in order."""
    with receiving() as receiver:
        answers = iter(range(10_000))
        receiver.refuse = lambda body: "Records" in body and next(answers) % 2 == 0
        config = configured(tmp_path, receiver)
        with serving(tmp_path / "store", arguments=("--config", str(config))) as running:
            s3 = running.client()
            s3.create_bucket(Bucket="ordered")
            tell(s3, "ordered", "s3:ObjectCreated:Put")
            sizes: dict[str, list[int]] = {"a": [], "b": [], "c": []}
            for number in range(18):
                key = "abc"[number % 3]
                s3.put_object(Bucket="ordered", Key=key, Body=b"x" * number)
                sizes[key].append(number)
                if number == 9:
                    running.kill()
                    running.start()
                    s3 = running.client()
            deadline = time.monotonic() + 60
            while arrived(receiver) != sizes:
                assert time.monotonic() < deadline, arrived(receiver)
                time.sleep(0.1)
            assert receiver.refused > 0


def arrived(receiver: Receiver) -> dict[str, list[int]]:
    """Sizes by key in the order of their first coming; what came twice counts once."""
    found: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    for record in receiver.records:
        thing = record["s3"]["object"]
        if thing["size"] not in found[thing["key"]]:
            found[thing["key"]].append(thing["size"])
    return found


def test_an_upload_by_form_is_told_as_one(running: Running, s3: Any, bucket: str, receiver: Receiver) -> None:
    tell(s3, bucket, "s3:ObjectCreated:Post")
    form = s3.generate_presigned_post(bucket, "formed")
    boundary = "x" * 20
    fields = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form["fields"].items()
    )
    file = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nbytes\r\n--{boundary}--\r\n'
    )
    kind = {"content-type": f"multipart/form-data; boundary={boundary}"}
    assert running.request("POST", f"/{bucket}", (fields + file).encode(), kind).status == 204
    receiver.wait(lambda: receiver.events(bucket), [("ObjectCreated:Post", "formed")])
