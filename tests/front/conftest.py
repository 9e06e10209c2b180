"""Callers beside root: two accounts, and nobody; and a bucket that one of the accounts owns."""

from __future__ import annotations

import uuid
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from tests.front import people
from tests.harness import Running


@pytest.fixture(scope="session")
def alice(server: Running) -> Any:
    """A boto3 client that signs as Alice."""
    return people.ALICE.client(server)


@pytest.fixture(scope="session")
def bob(server: Running) -> Any:
    """A boto3 client that signs as Bob."""
    return people.BOB.client(server)


@pytest.fixture(scope="session")
def nobody(server: Running) -> Any:
    """A boto3 client that does not sign."""
    config = Config(signature_version=UNSIGNED, retries={"max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1", config=config)


@pytest.fixture
def shelf(alice: Any) -> str:
    """A new, empty bucket that Alice owns."""
    name = f"shelf-{uuid.uuid4().hex[:20]}"
    alice.create_bucket(Bucket=name)
    return name
