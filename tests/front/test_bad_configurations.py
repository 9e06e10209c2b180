"""Documents that configure a bucket or an object: what is wrong with one is refused, and what was set stays as it was.

Every setting starts from a document that has all that it may have. Each element of it is left out, doubled, joined by
one that nobody knows, and filled with what it cannot mean. An answer is either a success, and then the same comes back,
or an error of the client's with a code, and then nothing has changed.
"""

from __future__ import annotations

import copy
import json
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.docs.test_settings import SHOWN
from tests.front.wire import Answer, send
from tests.harness import Running

ACL = """<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList><Grant>
    <Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>{owner}</ID></Grantee>
    <Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>"""


@dataclass(frozen=True)
class Setting:
    """Where a document goes, and one that is taken, with all that it may have."""

    query: str
    document: str
    key: str = ""


SETTINGS: Final = {
    "PutBucketAcl": Setting("acl=", ACL),
    "PutBucketCors": Setting(
        "cors=",
        """<CORSConfiguration><CORSRule><ID>one</ID><AllowedHeader>x-*</AllowedHeader><AllowedMethod>GET</AllowedMethod>
        <AllowedOrigin>https://*.example.com</AllowedOrigin><ExposeHeader>etag</ExposeHeader>
        <MaxAgeSeconds>5</MaxAgeSeconds></CORSRule></CORSConfiguration>""",
    ),
    "PutBucketEncryption": Setting(
        "encryption=",
        """<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>
        <SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>alias/aws/s3</KMSMasterKeyID>
        </ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled>
        <BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule>
        </ServerSideEncryptionConfiguration>""",
    ),
    "PutBucketInventoryConfiguration": Setting(
        "id=one&inventory=",
        """<InventoryConfiguration><Destination><S3BucketDestination><AccountId>1</AccountId>
        <Bucket>arn:aws:s3:::{other}</Bucket><Format>CSV</Format><Prefix>lists</Prefix>
        <Encryption><SSE-KMS><KeyId>alias/aws/s3</KeyId></SSE-KMS></Encryption></S3BucketDestination></Destination>
        <IsEnabled>false</IsEnabled><Filter><Prefix>a/</Prefix></Filter><Id>one</Id>
        <IncludedObjectVersions>All</IncludedObjectVersions><OptionalFields><Field>Size</Field></OptionalFields>
        <Schedule><Frequency>Daily</Frequency></Schedule></InventoryConfiguration>""",
    ),
    "PutBucketLifecycleConfiguration": Setting(
        "lifecycle=",
        """<LifecycleConfiguration><Rule><ID>one</ID><Filter><And><Prefix>a/</Prefix>
        <Tag><Key>k</Key><Value>v</Value></Tag><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan>
        <ObjectSizeLessThan>500</ObjectSizeLessThan></And></Filter><Status>Disabled</Status>
        <Expiration><Days>9</Days></Expiration>
        <Transition><Days>3</Days><StorageClass>REDUCED_REDUNDANCY</StorageClass></Transition>
        <NoncurrentVersionTransition><NoncurrentDays>2</NoncurrentDays>
        <NewerNoncurrentVersions>3</NewerNoncurrentVersions><StorageClass>REDUCED_REDUNDANCY</StorageClass>
        </NoncurrentVersionTransition><NoncurrentVersionExpiration><NoncurrentDays>5</NoncurrentDays>
        <NewerNoncurrentVersions>4</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>
        <Rule><ID>two</ID><Filter><Prefix>b/</Prefix></Filter><Status>Disabled</Status>
        <Expiration><Date>2040-01-01T00:00:00.000Z</Date></Expiration>
        <AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload>
        </Rule></LifecycleConfiguration>""",
    ),
    "PutBucketLogging": Setting(
        "logging=",
        """<BucketLoggingStatus><LoggingEnabled><TargetBucket>{other}</TargetBucket><TargetGrants><Grant>
        <Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>{owner}</ID>
        </Grantee><Permission>READ</Permission></Grant></TargetGrants><TargetPrefix>log/</TargetPrefix>
        <TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource>
        </PartitionedPrefix></TargetObjectKeyFormat></LoggingEnabled></BucketLoggingStatus>""",
    ),
    "PutBucketNotificationConfiguration": Setting(
        "notification=",
        """<NotificationConfiguration><TopicConfiguration><Id>one</Id><Topic>{topic}</Topic>
        <Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>a/</Value></FilterRule>
        </S3Key></Filter></TopicConfiguration></NotificationConfiguration>""",
    ),
    "PutBucketOwnershipControls": Setting(
        "ownershipControls=",
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>",
    ),
    "PutBucketRequestPayment": Setting(
        "requestPayment=", "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>"
    ),
    "PutBucketTagging": Setting(
        "tagging=", "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"
    ),
    "PutBucketVersioning": Setting(
        "versioning=",
        "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Disabled</MfaDelete></VersioningConfiguration>",
    ),
    "PutBucketWebsite": Setting(
        "website=",
        """<WebsiteConfiguration><IndexDocument><Suffix>i.html</Suffix></IndexDocument><ErrorDocument><Key>e</Key>
        </ErrorDocument><RoutingRules><RoutingRule><Condition><KeyPrefixEquals>a/</KeyPrefixEquals>
        <HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>h</HostName>
        <HttpRedirectCode>302</HttpRedirectCode><Protocol>https</Protocol>
        <ReplaceKeyPrefixWith>b/</ReplaceKeyPrefixWith></Redirect></RoutingRule></RoutingRules>
        </WebsiteConfiguration>""",
    ),
    "PutObjectLockConfiguration": Setting(
        "object-lock=",
        """<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>
        <Mode>GOVERNANCE</Mode><Days>3</Days></DefaultRetention></Rule></ObjectLockConfiguration>""",
    ),
    "PutPublicAccessBlock": Setting(
        "publicAccessBlock=",
        """<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>
        <IgnorePublicAcls>false</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>
        <RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>""",
    ),
    "PutObjectAcl": Setting("acl=", ACL, "k"),
    "PutObjectLegalHold": Setting("legal-hold=", "<LegalHold><Status>OFF</Status></LegalHold>", "k"),
    "PutObjectRetention": Setting(
        "retention=",
        "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2040-01-01T00:00:00Z</RetainUntilDate></Retention>",
        "k",
    ),
    "PutObjectTagging": Setting(
        "tagging=", "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>", "k"
    ),
}

NONSENSE: Final = ("", "?", "-1", "0", str(1 << 31), str(1 << 70), "x" * 5000, "9999-12-31T23:59:59Z", "\U0001f511*/")


@pytest.fixture(scope="module")
def words(server: Running, s3: Any) -> dict[str, str]:
    """What the documents speak of: a bucket that takes logs, a topic, the owner of all."""
    other = f"other-{uuid.uuid4().hex[:16]}"
    s3.create_bucket(Bucket=other)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{other}/*",
    }
    s3.put_bucket_policy(Bucket=other, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    topic = server.client("sns").create_topic(Name=f"topic-{uuid.uuid4().hex[:8]}")["TopicArn"]
    return {"other": other, "topic": topic, "owner": s3.get_bucket_acl(Bucket=other)["Owner"]["ID"]}


@pytest.fixture
def locked(s3: Any) -> str:
    """A bucket with object lock, in which there is one object."""
    name = f"locked-{uuid.uuid4().hex[:16]}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    return name


@dataclass(frozen=True)
class Place:
    """The document of a setting, on one server."""

    server: Running
    path: str

    def put(self, document: str) -> Answer:
        bypass = {"x-amz-bypass-governance-retention": "true"} if "retention" in self.path else {}
        return send(self.server, "PUT", self.path, document.encode(), bypass)

    def get(self) -> bytes:
        """What is told of it, without what differs from answer to answer."""
        answer = send(self.server, "GET", self.path)
        return answer.body if answer.status == 200 else answer.code.encode()


@pytest.fixture
def place(request: pytest.FixtureRequest, server: Running, s3: Any, bucket: str, locked: str) -> Place:
    name = request.param
    setting = SETTINGS[name]
    where = locked if "Lock" in name or "Retention" in name or "Hold" in name else bucket
    if where == bucket and setting.key:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return Place(server, f"/{where}" + (f"/{setting.key}" if setting.key else "") + f"?{setting.query}")


def documents(full: str) -> Iterator[tuple[str, str]]:
    """Variants of a document, one thing wrong or at least unusual in each, with what was done to it."""
    root = ET.fromstring(full)
    count = sum(1 for _ in root.iter())
    for index in range(count):
        changed = copy.deepcopy(root)
        element = list(changed.iter())[index]
        ET.SubElement(element, "Unheard")
        yield f"Unheard in {element.tag}", ET.tostring(changed, "unicode")
        if index:
            changed = copy.deepcopy(root)
            element = list(changed.iter())[index]
            parent = next(one for one in changed.iter() if element in list(one))
            parent.remove(element)
            yield f"no {element.tag}", ET.tostring(changed, "unicode")
            parent.append(element)
            parent.append(copy.deepcopy(element))
            yield f"two {element.tag}", ET.tostring(changed, "unicode")
        for text in NONSENSE if not len(list(root.iter())[index]) else ():
            changed = copy.deepcopy(root)
            element = list(changed.iter())[index]
            element.text = text
            yield f"{element.tag} {text[:30]}", ET.tostring(changed, "unicode")


def test_every_setting_is_walked() -> None:
    assert set(SHOWN) - {"PutBucketPolicy"} <= set(SETTINGS), "policies have tests of their own"


each = pytest.mark.parametrize(("name", "place"), [(name, name) for name in sorted(SETTINGS)], indirect=["place"])


def leaves(document: str | bytes) -> set[tuple[str, str]]:
    """Every element that holds text, and the text; times without the milliseconds that answers add."""
    found = ((one.tag.rpartition("}")[2], (one.text or "").strip()) for one in ET.fromstring(document).iter())
    return {(tag, text.replace(".000Z", "Z")) for tag, text in found if text}


@each
def test_what_was_put_comes_back(name: str, place: Place, words: dict[str, str]) -> None:
    """Canonicalised: what AWS adds is added, and MFA delete is told where it is on."""
    full = SETTINGS[name].document.format(**words)
    assert place.put(full).status in (200, 204)
    added = {("DisplayName", "root")} if "Grant" in full or "Acl" in name else set()
    assert leaves(place.get()) == leaves(full) - {("MfaDelete", "Disabled")} | added


@each
def test_what_is_wrong_changes_nothing(name: str, place: Place, words: dict[str, str]) -> None:
    full = SETTINGS[name].document.format(**words)
    assert place.put(full).status in (200, 204), place.put(full).body
    first = place.get()
    for what, document in documents(full):
        before, answer = place.get(), place.put(document)
        if answer.status in (200, 204):
            assert "Unheard" not in what, f"{what} was taken"
            place.put(full)
            assert place.get() == first, f"after {what}"
            continue
        assert answer.status in (400, 403, 404, 501), f"{what}: {answer.error}"
        assert answer.code and answer.code != "InternalError", f"{what}: {answer.body!r}"
        assert place.get() == before, f"{what} was refused, and changed something"
    assert place.get() == first


@each
def test_what_is_no_such_document_changes_nothing(name: str, place: Place, words: dict[str, str]) -> None:
    full = SETTINGS[name].document.format(**words)
    assert place.put(full).status in (200, 204)
    first = place.get()
    root = ET.fromstring(full).tag
    malformed = "MalformedACLError" if name.endswith("Acl") else "MalformedXML"
    for wrong in (
        "no document",
        full[:-5],
        full.replace(root, "Another"),
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><{root}>&e;</{root}>',
        f"<{root}>\0</{root}>",
        f"<{root}>" * 200,
        full + full,
    ):
        assert place.put(wrong).error == (malformed, 400), wrong[:60]
        assert place.get() == first
    assert place.put(full + " " * (1 << 20)).error == ("MaxMessageLengthExceeded", 400)
    assert place.put("").status == 400
    assert place.get() == first


def cors(*rules: str) -> str:
    rest = "<AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>"
    return f"<CORSConfiguration>{''.join(f'<CORSRule>{rule}{rest}</CORSRule>' for rule in rules)}</CORSConfiguration>"


def lifecycle(*rules: str) -> str:
    rest = "<Status>Enabled</Status>"
    told = "".join(f"<Rule>{rule}{rest}</Rule>" for rule in rules)
    return f"<LifecycleConfiguration>{told}</LifecycleConfiguration>"


def expiring(condition: str, action: str = "<Expiration><Days>1</Days></Expiration>") -> str:
    return lifecycle(f"<Filter>{condition}</Filter>{action}")


def notification(*rules: str) -> str:
    told = "".join(f"<TopicConfiguration><Topic>{{topic}}</Topic>{rule}</TopicConfiguration>" for rule in rules)
    return f"<NotificationConfiguration>{told}</NotificationConfiguration>"


def tagging(*tags: tuple[str, str]) -> str:
    told = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in tags)
    return f"<Tagging><TagSet>{told}</TagSet></Tagging>"


def retention(period: str) -> str:
    return (
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
        f"<Mode>COMPLIANCE</Mode>{period}</DefaultRetention></Rule></ObjectLockConfiguration>"
    )


def website(condition: str, redirect: str) -> str:
    return (
        "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules><RoutingRule><Condition>"
        f"{condition}</Condition><Redirect>{redirect}</Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>"
    )


PUT = "<Event>s3:ObjectCreated:Put</Event>"
POST = "<Event>s3:ObjectCreated:Post</Event>"
PREFIX = "<Filter><S3Key>{}</S3Key></Filter>"
RULE = "<FilterRule><Name>{}</Name><Value>{}</Value></FilterRule>"
DAY = "<Expiration><Days>1</Days></Expiration>"
ALL = "<Filter/>"
SMALLER = "<Transition><Days>{}</Days><StorageClass>REDUCED_REDUNDANCY</StorageClass></Transition>"

WRONG: Final = {
    "cors, an id twice": ("PutBucketCors", cors("<ID>a</ID>", "<ID>a</ID>"), "InvalidRequest"),
    "cors, 101 rules": ("PutBucketCors", cors(*[""] * 101), "InvalidRequest"),
    "cors, no rule": ("PutBucketCors", cors(), "MalformedXML"),
    "cors, a long id": ("PutBucketCors", cors(f"<ID>{'x' * 256}</ID>"), "InvalidArgument"),
    "cors, a method": ("PutBucketCors", cors("<AllowedMethod>PATCH</AllowedMethod>"), "InvalidRequest"),
    "cors, two stars": ("PutBucketCors", cors("<AllowedOrigin>http://*.a*</AllowedOrigin>"), "InvalidRequest"),
    "cors, an age": ("PutBucketCors", cors("<MaxAgeSeconds>-1</MaxAgeSeconds>"), "InvalidRequest"),
    "lifecycle, an id twice": (
        "PutBucketLifecycleConfiguration",
        lifecycle(*[f"<ID>a</ID><Prefix>{prefix}</Prefix>{DAY}" for prefix in "ab"]),
        "InvalidArgument",
    ),
    "lifecycle, 1001 rules": (
        "PutBucketLifecycleConfiguration",
        lifecycle(*[f"<ID>{n}</ID><Prefix/>{DAY}" for n in range(1001)]),
        "MalformedXML",
    ),
    "lifecycle, a long id": (
        "PutBucketLifecycleConfiguration",
        lifecycle(f"<ID>{'x' * 256}</ID>{ALL}{DAY}"),
        "InvalidArgument",
    ),
    "lifecycle, no action": ("PutBucketLifecycleConfiguration", lifecycle(ALL), "InvalidRequest"),
    "lifecycle, no filter": ("PutBucketLifecycleConfiguration", lifecycle(DAY), "MalformedXML"),
    "lifecycle, day 0": ("PutBucketLifecycleConfiguration", expiring("", DAY.replace("1", "0")), "InvalidArgument"),
    "lifecycle, at noon": (
        "PutBucketLifecycleConfiguration",
        expiring("", "<Expiration><Date>2040-01-01T12:00:00Z</Date></Expiration>"),
        "InvalidArgument",
    ),
    "lifecycle, a number for a date": (
        "PutBucketLifecycleConfiguration",
        expiring("", "<Expiration><Date>0</Date></Expiration>"),
        "MalformedXML",
    ),
    "lifecycle, days and date": (
        "PutBucketLifecycleConfiguration",
        expiring("", "<Expiration><Days>1</Days><Date>2040-01-01T00:00:00Z</Date></Expiration>"),
        "MalformedXML",
    ),
    "lifecycle, gone before it moves": (
        "PutBucketLifecycleConfiguration",
        expiring("", DAY + SMALLER.format(1)),
        "InvalidArgument",
    ),
    "lifecycle, no such class": (
        "PutBucketLifecycleConfiguration",
        expiring("", SMALLER.format(1).replace("REDUCED_REDUNDANCY", "GLACIER")),
        "InvalidStorageClass",
    ),
    "lifecycle, one class twice": (
        "PutBucketLifecycleConfiguration",
        expiring("", SMALLER.format(1) + SMALLER.format(2)),
        "InvalidRequest",
    ),
    "lifecycle, a tag twice": (
        "PutBucketLifecycleConfiguration",
        expiring("<And>" + "<Tag><Key>k</Key><Value>v</Value></Tag>" * 2 + "</And>"),
        "InvalidRequest",
    ),
    "lifecycle, a long prefix": (
        "PutBucketLifecycleConfiguration",
        expiring(f"<Prefix>{'x' * 1025}</Prefix>"),
        "InvalidRequest",
    ),
    "lifecycle, the key of a tag": (
        "PutBucketLifecycleConfiguration",
        expiring(f"<Tag><Key>{'x' * 129}</Key><Value>v</Value></Tag>"),
        "InvalidRequest",
    ),
    "lifecycle, the value of a tag": (
        "PutBucketLifecycleConfiguration",
        expiring(f"<Tag><Key>k</Key><Value>{'x' * 257}</Value></Tag>"),
        "InvalidRequest",
    ),
    "lifecycle, sizes crossed": (
        "PutBucketLifecycleConfiguration",
        expiring(
            "<And><ObjectSizeGreaterThan>9</ObjectSizeGreaterThan><ObjectSizeLessThan>5</ObjectSizeLessThan></And>"
        ),
        "InvalidRequest",
    ),
    "lifecycle, markers by tag": (
        "PutBucketLifecycleConfiguration",
        expiring(
            "<Tag><Key>k</Key><Value>v</Value></Tag>",
            "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
        ),
        "InvalidRequest",
    ),
    "lifecycle, 101 newer": (
        "PutBucketLifecycleConfiguration",
        expiring(
            "",
            "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>"
            "<NewerNoncurrentVersions>101</NewerNoncurrentVersions></NoncurrentVersionExpiration>",
        ),
        "InvalidArgument",
    ),
    "notification, an id twice": (
        "PutBucketNotificationConfiguration",
        notification(f"<Id>a</Id>{PUT}", f"<Id>a</Id>{POST}"),
        "InvalidArgument",
    ),
    "notification, a long id": (
        "PutBucketNotificationConfiguration",
        notification(f"<Id>{'x' * 256}</Id>{PUT}"),
        "InvalidArgument",
    ),
    "notification, an overlap": (
        "PutBucketNotificationConfiguration",
        notification(f"<Id>a</Id>{PUT}", "<Id>b</Id><Event>s3:ObjectCreated:*</Event>"),
        "InvalidArgument",
    ),
    "notification, an event": (
        "PutBucketNotificationConfiguration",
        notification("<Event>s3:Nothing</Event>"),
        "InvalidArgument",
    ),
    "notification, a star": ("PutBucketNotificationConfiguration", notification("<Event>*</Event>"), "InvalidArgument"),
    "notification, what never happens": (
        "PutBucketNotificationConfiguration",
        notification("<Event>s3:ObjectRestore:*</Event>"),
        "NotImplemented",
    ),
    "notification, two prefixes": (
        "PutBucketNotificationConfiguration",
        notification(PUT + PREFIX.format(RULE.format("prefix", "a") + RULE.format("Prefix", "b"))),
        "InvalidArgument",
    ),
    "notification, a name of a rule": (
        "PutBucketNotificationConfiguration",
        notification(PUT + PREFIX.format(RULE.format("infix", "a"))),
        "InvalidArgument",
    ),
    "notification, a long value": (
        "PutBucketNotificationConfiguration",
        notification(PUT + PREFIX.format(RULE.format("suffix", "x" * 1025))),
        "InvalidArgument",
    ),
    "notification, 101 rules": (
        "PutBucketNotificationConfiguration",
        notification(*[PUT + PREFIX.format(RULE.format("prefix", f"{n:03}")) for n in range(101)]),
        "InvalidArgument",
    ),
    "tags, one twice": ("PutBucketTagging", tagging(("k", "a"), ("k", "b")), "InvalidTag"),
    "tags, 51": ("PutBucketTagging", tagging(*[(str(n), "") for n in range(51)]), "BadRequest"),
    "tags, a long key": ("PutBucketTagging", tagging(("k" * 129, "")), "InvalidTag"),
    "tags, a long value": ("PutBucketTagging", tagging(("k", "v" * 257)), "InvalidTag"),
    "tags, AWS's": ("PutBucketTagging", tagging(("aws:k", "v")), "InvalidTag"),
    "an object's tags, one twice": ("PutObjectTagging", tagging(("k", "a"), ("k", "b")), "InvalidTag"),
    "an object's tags, 11": ("PutObjectTagging", tagging(*[(str(n), "") for n in range(11)]), "InvalidTag"),
    "locks, day 0": ("PutObjectLockConfiguration", retention("<Days>0</Days>"), "InvalidRetentionPeriod"),
    "locks, many days": ("PutObjectLockConfiguration", retention("<Days>36501</Days>"), "InvalidRetentionPeriod"),
    "locks, many years": ("PutObjectLockConfiguration", retention("<Years>101</Years>"), "InvalidRetentionPeriod"),
    "locks, days and years": (
        "PutObjectLockConfiguration",
        retention("<Days>1</Days><Years>1</Years>"),
        "MalformedXML",
    ),
    "a retention in the past": (
        "PutObjectRetention",
        "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2020-01-01T00:00:00Z</RetainUntilDate></Retention>",
        "InvalidArgument",
    ),
    "website, a code": (
        "PutBucketWebsite",
        website("<KeyPrefixEquals>a</KeyPrefixEquals>", "<HttpRedirectCode>200</HttpRedirectCode>"),
        "InvalidRequest",
    ),
    "website, an error": (
        "PutBucketWebsite",
        website("<HttpErrorCodeReturnedEquals>200</HttpErrorCodeReturnedEquals>", "<ReplaceKeyWith>b</ReplaceKeyWith>"),
        "InvalidRequest",
    ),
    "website, two ways": (
        "PutBucketWebsite",
        website(
            "<KeyPrefixEquals>a</KeyPrefixEquals>",
            "<ReplaceKeyWith>b</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith>",
        ),
        "InvalidRequest",
    ),
    "website, 51 rules": (
        "PutBucketWebsite",
        "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules>"
        + "<RoutingRule><Redirect><ReplaceKeyWith>b</ReplaceKeyWith></Redirect></RoutingRule>" * 51
        + "</RoutingRules></WebsiteConfiguration>",
        "InvalidRequest",
    ),
    "website, an index with a slash": (
        "PutBucketWebsite",
        "<WebsiteConfiguration><IndexDocument><Suffix>a/i</Suffix></IndexDocument></WebsiteConfiguration>",
        "InvalidArgument",
    ),
    "logging, no such bucket": (
        "PutBucketLogging",
        SETTINGS["PutBucketLogging"].document.replace("{other}", "there-is-no-such-bucket-anywhere"),
        "InvalidTargetBucketForLogging",
    ),
    "logging, a long prefix": (
        "PutBucketLogging",
        SETTINGS["PutBucketLogging"].document.replace("log/", "x" * 513),
        "InvalidArgument",
    ),
    "inventory, another id": (
        "PutBucketInventoryConfiguration",
        SETTINGS["PutBucketInventoryConfiguration"].document.replace("<Id>one", "<Id>two"),
        "IdMismatch",
    ),
    "inventory, a field twice": (
        "PutBucketInventoryConfiguration",
        SETTINGS["PutBucketInventoryConfiguration"].document.replace("<Field>Size", "<Field>ETag</Field><Field>ETag"),
        "InvalidArgument",
    ),
    "inventory, no key": (
        "PutBucketInventoryConfiguration",
        SETTINGS["PutBucketInventoryConfiguration"].document.replace("alias/aws/s3", ""),
        "MalformedXML",
    ),
    "inventory, a long filter": (
        "PutBucketInventoryConfiguration",
        SETTINGS["PutBucketInventoryConfiguration"].document.replace("a/</Prefix>", f"{'a' * 1025}</Prefix>"),
        "InvalidArgument",
    ),
    "inventory, ORC": (
        "PutBucketInventoryConfiguration",
        SETTINGS["PutBucketInventoryConfiguration"].document.replace("CSV", "ORC"),
        "NotImplemented",
    ),
    "ownership, two rules": (
        "PutBucketOwnershipControls",
        f"<OwnershipControls>{'<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>' * 2}</OwnershipControls>",
        "MalformedXML",
    ),
    "versioning, MFA delete": (
        "PutBucketVersioning",
        "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>",
        "NotImplemented",
    ),
    "an ACL of 101 grants": (
        "PutBucketAcl",
        ACL[: ACL.index("<Grant>")]
        + ACL[ACL.index("<Grant>") : ACL.index("</AccessControlList>")] * 101
        + ACL[ACL.index("</AccessControlList>") :],
        "MalformedACLError",
    ),
}


@pytest.mark.parametrize(
    ("name", "place", "document", "code"),
    [(name, name, document, code) for name, document, code in WRONG.values()],
    ids=list(WRONG),
    indirect=["place"],
)
def test_values_that_cannot_be_are_named(
    name: str, place: Place, words: dict[str, str], document: str, code: str
) -> None:
    before = place.get()
    answer = place.put(document.format(**words))
    assert answer.error == (code, 501 if code == "NotImplemented" else 400), answer.body
    assert place.get() == before
