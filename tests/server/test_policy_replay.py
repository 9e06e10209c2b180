"""`objstore admin policy replay`: what a new policy would change of the requests in a real access log."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cluster import CLI_ENVIRONMENT, command
from tests.front.people import ALICE
from tests.harness import Running, serving

BUCKET = "replayed"


@dataclass(frozen=True)
class Day:
    """A server, the log of what was asked of it, and the user who asked."""

    server: Running
    log: Path
    user: str
    group: str
    managed: str


def document(**elements: Any) -> str:
    statement = {"Effect": "Allow", "Resource": "*"} | elements
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    folder = tmp_path_factory.mktemp("day")
    (folder / "people.toml").write_text(ALICE.table)
    log = folder / "access.log"
    with serving(
        folder, drives=1, arguments=("--access-log", str(log), "--config", str(folder / "people.toml"))
    ) as server:
        iam, root = server.client("iam"), server.client()
        user = iam.create_user(UserName="ann")["User"]["Arn"]
        key = iam.create_access_key(UserName="ann")["AccessKey"]
        iam.put_user_policy(UserName="ann", PolicyName="reads", PolicyDocument=document(Action="s3:GetObject"))
        managed = iam.create_policy(PolicyName="lists", PolicyDocument=document(Action="s3:ListBucket"))["Policy"][
            "Arn"
        ]
        iam.attach_user_policy(UserName="ann", PolicyArn=managed)
        group = iam.create_group(GroupName="crew")["Group"]["Arn"]
        iam.add_user_to_group(GroupName="crew", UserName="ann")
        root.create_bucket(Bucket=BUCKET)
        root.put_object(Bucket=BUCKET, Key="k", Body=b"x")
        ann = server.client("s3", key["AccessKeyId"], key["SecretAccessKey"])
        for _ in range(3):
            ann.get_object(Bucket=BUCKET, Key="k")["Body"].read()
        ann.list_objects_v2(Bucket=BUCKET)
        with pytest.raises(ann.exceptions.ClientError, match="AccessDenied"):
            ann.put_object(Bucket=BUCKET, Key="new", Body=b"x")
        with pytest.raises(ann.exceptions.ClientError):
            ALICE.client(server).get_object(Bucket=BUCKET, Key="k")
        root.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "none"}]})
        assert server.request("GET", f"/{BUCKET}/k").status == 403
        deadline = time.monotonic() + 20
        while not log.read_text().count('"key":"k"') >= 6:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield Day(server, log, user, group, managed)


def replayed(day: Day, tmp_path: Path, policy: str, target: str, *more: str) -> list[tuple[str, str, bool]]:
    """Who would be told otherwise about what: caller, action, and whether it would be allowed."""
    (tmp_path / "policy.json").write_text(policy)
    done = command(
        *("admin", "--endpoint", day.server.endpoint, "policy", "replay", str(day.log)),
        *("--policy", str(tmp_path / "policy.json"), "--as", target, "--json", *more),
        environment=CLI_ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for line in lines:
        assert line["before"]["allowed"] is not line["after"]["allowed"]
    return [(line["after"]["principal"], line["after"]["action"], line["after"]["allowed"]) for line in lines]


def test_the_present_policies_change_nothing(day: Day, tmp_path: Path) -> None:
    same = document(Action="s3:GetObject")
    assert replayed(day, tmp_path, same, day.user) == []
    assert replayed(day, tmp_path, same, day.user, "--instead", "reads") == []
    assert replayed(day, tmp_path, document(Action="s3:ListBucket"), day.managed) == []


def test_a_policy_beside_the_others(day: Day, tmp_path: Path) -> None:
    put = document(Action="s3:PutObject")
    for holder in (day.user, day.group):
        assert replayed(day, tmp_path, put, holder) == [(day.user, "s3:PutObject", True)]
    deny = document(Effect="Deny", Action="s3:GetObject")
    assert replayed(day, tmp_path, deny, day.user) == [(day.user, "s3:GetObject", False)] * 3


def test_a_policy_in_place_of_another(day: Day, tmp_path: Path) -> None:
    put = document(Action="s3:PutObject")
    assert replayed(day, tmp_path, put, day.user, "--instead", "reads") == [
        *[(day.user, "s3:GetObject", False)] * 3,
        (day.user, "s3:PutObject", True),
    ]
    for managed in ("lists", day.managed):
        assert replayed(day, tmp_path, put, day.user, "--instead", managed) == [
            (day.user, "s3:ListBucket", False),
            (day.user, "s3:PutObject", True),
        ]
    assert replayed(day, tmp_path, document(Action="s3:GetObject"), day.managed) == [(day.user, "s3:ListBucket", False)]


def test_a_bucket_policy(day: Day, tmp_path: Path) -> None:
    public = document(Principal="*", Action="s3:GetObject", Resource=f"arn:aws:s3:::{BUCKET}/*")
    found = replayed(day, tmp_path, public, f"bucket:{BUCKET}")
    assert sorted(found) == [
        ("anonymous", "s3:GetObject", True),
        (f"arn:aws:iam::{ALICE.id}:root", "s3:GetObject", True),
    ]
    elsewhere = document(
        Principal="*",
        Effect="Deny",
        Action="s3:*",
        Resource=[f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
        Condition={"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
    )
    assert replayed(day, tmp_path, elsewhere, f"bucket:{BUCKET}") == []
    insecure = elsewhere.replace("NotIpAddress", "Bool").replace("aws:SourceIp", "aws:SecureTransport")
    refused = replayed(day, tmp_path, insecure.replace("127.0.0.0/8", "false"), f"bucket:{BUCKET}")
    assert refused == [(day.user, "s3:GetObject", False)] * 3 + [(day.user, "s3:ListBucket", False)]


def test_for_people(day: Day, tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(
        document(Action="s3:PutObject", Condition={"StringEquals": {"s3:x-amz-acl": "private"}})
    )
    done = command(
        *("admin", "policy", "replay", str(day.log), "--policy", str(tmp_path / "policy.json"), "--as", day.user),
        environment=CLI_ENVIRONMENT | {"OBJSTORE_ENDPOINT": day.server.endpoint, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    assert "0 would be refused" in done.stdout
    assert "1 left out: the log does not tell which keys were to be deleted" in done.stdout
    assert "of other services than S3 the log tells too little" in done.stdout
    assert "what a log does not tell: s3:x-amz-acl" in done.stdout


@pytest.mark.parametrize(
    ("target", "policy", "words"),
    [
        ("bucket:none-there", document(Principal="*", Action="s3:*"), "bucket does not exist"),
        (f"bucket:{BUCKET}", document(Action="s3:*"), "Missing required field Principal"),
        (f"bucket:{BUCKET}", document(Principal="*", Action="s3:*", Resource="arn:aws:s3:::x"), "invalid resource"),
        ("ann", document(Action="s3:*"), "ann is no bucket:NAME"),
        ("arn:aws:iam::000000000000:user/none", document(Action="s3:*"), "cannot be found"),
        ("arn:aws:iam::000000000000:user/ann", "{", "Syntax errors in policy"),
    ],
)
def test_what_cannot_be_tried(day: Day, tmp_path: Path, target: str, policy: str, words: str) -> None:
    (tmp_path / "policy.json").write_text(policy)
    done = command(
        *("admin", "--endpoint", day.server.endpoint, "policy", "replay", str(day.log)),
        *("--policy", str(tmp_path / "policy.json"), "--as", target),
        environment=CLI_ENVIRONMENT,
    )
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr
