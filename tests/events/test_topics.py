"""Topics, with boto3's own client: what is published reaches who subscribed and confirmed, and nobody else."""

from __future__ import annotations

import json
import urllib.parse
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.events.receiver import Receiver, receiving
from tests.harness import Running, serving

OTHER = ("other-access-key", "other-secret-key")
USERS = f"""
outbound_allow = ["127.0.0.0/8"]
[[users]]
id = "other"
name = "other"
access_key = "{OTHER[0]}"
secret_key = "{OTHER[1]}"
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("topics")
    (folder / "config.toml").write_text(USERS)
    with serving(folder / "store", arguments=("--config", str(folder / "config.toml"))) as server:
        yield server


@pytest.fixture
def sns(running: Running) -> Any:
    return running.client("sns")


@pytest.fixture
def topic(sns: Any) -> str:
    return str(sns.create_topic(Name=f"topic-{uuid.uuid4().hex[:8]}")["TopicArn"])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def kinds(receiver: Receiver) -> list[str]:
    return [headers["x-amz-sns-message-type"] for headers in list(receiver.headers)]


def subscribed(sns: Any, running: Running, topic: str, receiver: Receiver, **attributes: str) -> str:
    """A subscription that was confirmed as its owner would: by visiting the link that was sent."""
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url, Attributes=attributes)
    assert answer["SubscriptionArn"] == "pending confirmation"
    receiver.wait(lambda: kinds(receiver)[-1:], ["SubscriptionConfirmation"])
    told = receiver.bodies[-1]
    assert told["TopicArn"] == topic and told["Token"] in told["SubscribeURL"]
    link = urllib.parse.urlsplit(told["SubscribeURL"])
    assert link.netloc == f"127.0.0.1:{running.port}"
    assert running.request("GET", f"{link.path}?{link.query}").status == 200
    return str(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"][-1]["SubscriptionArn"])


def test_what_is_published_reaches_who_confirmed(sns: Any, running: Running, topic: str, receiver: Receiver) -> None:
    sns.publish(TopicArn=topic, Message="too early")
    arn = subscribed(sns, running, topic, receiver)
    kind = {"colour": {"DataType": "String", "StringValue": "blue"}}
    sent = sns.publish(TopicArn=topic, Subject="hello", Message="wörld", MessageAttributes=kind)
    receiver.wait(lambda: kinds(receiver), ["SubscriptionConfirmation", "Notification"])
    told = receiver.bodies[-1]
    assert (told["MessageId"], told["Subject"], told["Message"]) == (sent["MessageId"], "hello", "wörld")
    assert told["MessageAttributes"] == {"colour": {"Type": "String", "Value": "blue"}}
    assert receiver.headers[-1]["x-amz-sns-subscription-arn"] == arn
    again = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url)
    assert again["SubscriptionArn"] == arn
    sns.unsubscribe(SubscriptionArn=arn)
    sns.publish(TopicArn=topic, Message="too late")
    assert (
        "Subscriptions" not in sns.list_subscriptions_by_topic(TopicArn=topic)
        or not sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    )
    assert len(receiver.bodies) == 2


def test_a_bucket_tells_a_topic(sns: Any, running: Running, topic: str, receiver: Receiver) -> None:
    subscribed(sns, running, topic, receiver)
    s3, bucket = running.client(), f"topic-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    rule = {"Id": "x", "TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"TopicConfigurations": [rule]})
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["TopicConfigurations"] == [rule]
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    receiver.wait(lambda: kinds(receiver), ["SubscriptionConfirmation", "Notification", "Notification"])
    told = [json.loads(body["Message"]) for body in receiver.bodies[1:]]  # in any order: they are of no common key
    assert [one["Event"] for one in told if "Event" in one] == ["s3:TestEvent"]
    [record] = [record for one in told for record in one.get("Records", ())]
    assert (record["eventName"], record["s3"]["object"]["key"]) == ("ObjectCreated:Put", "a")
    assert {body["Subject"] for body in receiver.bodies[1:]} == {"Amazon S3 Notification"}


def test_raw_delivery_sends_the_message_alone(sns: Any, running: Running, topic: str, receiver: Receiver) -> None:
    subscribed(sns, running, topic, receiver, RawMessageDelivery="true")
    sns.publish(TopicArn=topic, Message='{"a": 1}')
    receiver.wait(lambda: receiver.bodies[1:], [{"a": 1}])
    assert receiver.headers[-1]["x-amz-sns-rawdelivery"] == "true"


def code(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return str(refused.value.response["Error"]["Code"])


def test_topics_and_their_attributes(sns: Any, topic: str) -> None:
    assert sns.create_topic(Name=topic.rpartition(":")[2])["TopicArn"] == topic
    assert topic in [one["TopicArn"] for one in sns.list_topics()["Topics"]]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="shown")
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}])
    sns.untag_resource(ResourceArn=topic, TagKeys=["b"])
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "a", "Value": "1"}]
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["DisplayName"], attributes["SubscriptionsConfirmed"]) == ("shown", "0")
    assert (
        code(sns.set_topic_attributes, TopicArn=topic, AttributeName="Policy", AttributeValue="{") == "InvalidParameter"
    )
    assert code(sns.set_topic_attributes, TopicArn=topic, AttributeName="FifoTopic", AttributeValue="1") == (
        "InvalidParameter"
    )
    assert code(sns.create_topic, Name="a b") == "InvalidParameter"
    assert code(sns.publish, TopicArn=topic, Message="") == "InvalidParameter"
    assert code(sns.subscribe, TopicArn=topic, Protocol="email", Endpoint="a@example.com") == "InvalidParameter"
    assert code(sns.confirm_subscription, TopicArn=topic, Token="0" * 64) == "InvalidParameter"
    sns.delete_topic(TopicArn=topic)
    sns.delete_topic(TopicArn=topic)
    assert code(sns.get_topic_attributes, TopicArn=topic) == "NotFound"
    assert code(sns.publish, TopicArn=topic, Message="x") == "NotFound"


def test_nothing_is_sent_where_the_administrator_does_not_let_it(sns: Any, topic: str) -> None:
    for endpoint in ("http://169.254.169.254/latest", "http://[::1]/", "http://10.0.0.1/"):
        assert code(sns.subscribe, TopicArn=topic, Protocol="http", Endpoint=endpoint) == "InvalidParameter"
    for endpoint in ("ftp://127.0.0.1/", "http:///x", "http://user:secret@127.0.0.1/"):
        assert code(sns.subscribe, TopicArn=topic, Protocol="http", Endpoint=endpoint) == "InvalidParameter"


def test_other_accounts_get_what_the_policy_says(sns: Any, running: Running, topic: str) -> None:
    theirs = running.client("sns", *OTHER)
    s3, bucket = running.client("s3", *OTHER), f"topic-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    rules = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
    assert code(theirs.publish, TopicArn=topic, Message="x") == "AuthorizationError"
    assert code(theirs.get_topic_attributes, TopicArn=topic) == "AuthorizationError"
    put = s3.put_bucket_notification_configuration
    assert code(put, Bucket=bucket, NotificationConfiguration=rules) == "AccessDenied"
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "other"}, "Action": "sns:Publish", "Resource": topic}],
    }
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))
    theirs.publish(TopicArn=topic, Message="x")
    put(Bucket=bucket, NotificationConfiguration=rules)
    assert code(theirs.delete_topic, TopicArn=topic) == "AuthorizationError"
    assert topic not in [one["TopicArn"] for one in theirs.list_topics().get("Topics", [])]
