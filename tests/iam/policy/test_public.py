"""Whether a bucket policy is public, as AWS means it: one line a case.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
"""

from __future__ import annotations

import pytest

from objstore.iam.policy import Kind, is_public
from tests.iam.policy.language import policy

GET = "Allow s3:GetObject on b/*"

CASES = [
    (f"{GET} for *", True),
    (f"{GET} for aws*", True),
    ("Allow s3:ListBucket on b for *", True),
    ("Deny s3:GetObject on b/* for *", False),
    ("Deny s3:GetObject on b/* for !home", False),
    (f"{GET} for home", False),
    (f"{GET} for arn:aws:iam::s3tenant1:root", False),
    (f"{GET} for away", False),
    (f"{GET} for alice", False),
    (f"{GET} for alice; {GET} for *", True),
    (f"{GET} for alice,aws*", True),
    (f"{GET} for away-owner", False),
    (f"{GET} for logging", False),
    (f"{GET} for *; Deny s3:* on b,b/* for *", True),
    # networks
    (f"{GET} for * if IpAddress aws:SourceIp=10.0.0.0/32", False),
    (f"{GET} for * if IpAddress aws:SourceIp=203.0.113.7", False),
    (f"{GET} for * if IpAddress aws:SourceIp=10.0.0.0/8", False),
    (f"{GET} for * if IpAddress aws:SourceIp=0.0.0.0/1", True),
    (f"{GET} for * if IpAddress aws:SourceIp=0.0.0.0/0", True),
    (f"{GET} for * if IpAddress aws:SourceIp=12.0.0.0/7", True),
    (f"{GET} for * if IpAddress aws:SourceIp=10.0.0.0/8|0.0.0.0/0", True),
    (f"{GET} for * if IpAddress aws:SourceIp=2001:db8::/32", False),
    (f"{GET} for * if IpAddress aws:SourceIp=2001:db8::/31", True),
    (f"{GET} for * if NotIpAddress aws:SourceIp=10.0.0.0/8", True),
    (f"{GET} for * if IpAddressIfExists aws:SourceIp=10.0.0.0/8", True),
    (f"{GET} for * if StringEquals aws:SourceVpc=vpc-91237329", False),
    (f"{GET} for * if StringLike aws:SourceVpc=vpc-*", True),
    (f"{GET} for * if StringEquals aws:SourceVpce=vpce-1a2b3c4d", False),
    (f"{GET} for * if StringNotEquals aws:SourceVpce=vpce-1a2b3c4d", True),
    # callers
    (f"{GET} for * if StringEquals aws:PrincipalAccount=111122223333", False),
    (f"{GET} for * if StringEqualsIfExists aws:PrincipalAccount=111122223333", True),
    (f"{GET} for * if StringEquals aws:PrincipalOrgID=o-abc", False),
    (f"{GET} for * if StringLike aws:PrincipalOrgID=o-*", True),
    (f"{GET} for * if ForAnyValue:StringLike aws:PrincipalOrgPaths=o-a/r-b/", False),
    (f"{GET} for * if ForAllValues:StringEquals aws:PrincipalOrgPaths=o-a/r-b/", True),
    (f"{GET} for * if ArnEquals aws:PrincipalArn=arn:aws:iam::111122223333:role/r", False),
    (f"{GET} for * if ArnLike aws:PrincipalArn=arn:aws:iam::*:role/r", True),
    (f"{GET} for * if ArnNotEquals aws:PrincipalArn=arn:aws:iam::111122223333:role/r", True),
    (f"{GET} for * if StringEquals aws:userid=AIDAEXAMPLE", False),
    (f"{GET} for * if StringLike aws:userid=AROAEXAMPLEID:*", False),
    (f"{GET} for * if StringLike aws:userid=*", True),
    (f"{GET} for * if StringEquals aws:userid=${{aws:PrincipalTag/x}}", True),
    (f"{GET} for * if StringEquals aws:SourceAccount=111122223333", False),
    (f"{GET} for * if ArnLike aws:SourceArn=arn:aws:s3:::src", False),
    (f"{GET} for * if ArnLike aws:SourceArn=arn:aws:s3:::*", True),
    (f"{GET} for * if StringEquals s3:DataAccessPointAccount=111122223333", False),
    (f"{GET} for * if StringLike s3:DataAccessPointArn=arn:aws:s3:us-west-2:111122223333:accesspoint/*", False),
    (f"{GET} for * if StringLike s3:DataAccessPointArn=arn:aws:s3:us-west-2:*:accesspoint/*", True),
    # what anybody can have
    (f"{GET} for * if StringEquals aws:Referer=http://www.example.com/", True),
    (f"{GET} for * if StringEquals s3:ExistingObjectTag/a=b", True),
    (f"{GET} for * if Bool aws:SecureTransport=true", True),
    (f"{GET} for * if Bool aws:SecureTransport=true and IpAddress aws:SourceIp=10.0.0.0/8", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "public"), CASES)
def test_whether_a_policy_is_public(text: str, public: bool) -> None:
    assert is_public(policy(text, Kind.RESOURCE)) is public
