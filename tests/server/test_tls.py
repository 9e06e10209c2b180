"""TLS: what clients get over plain HTTP they get over TLS, from a certificate that they can check."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import json
import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import SSLError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.faults.cluster import CLI_ENVIRONMENT, command, refused_start
from tests.front.test_access_logging import parse
from tests.front.wire import refused, until
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running, serving

MIB = 1 << 20


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for the loopback that signs itself, and its key."""
    folder.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "objstore test")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "tls.crt", folder / "tls.key"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return chain, private


class Secure(Running):
    """A server that speaks TLS."""

    @property
    def certificate(self) -> Path:
        return Path(self.arguments[self.arguments.index("--tls-cert") + 1])

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        context = ssl.create_default_context(cafile=str(self.certificate))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            response.data = response.read()  # type: ignore[attr-defined]
            return response
        finally:
            connection.close()

    def client(self, service: str = "s3", access: str = ROOT_USER, secret: str = ROOT_PASSWORD, **config: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            verify=config.pop("verify", str(self.certificate)),
            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}, **config),
        )


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder = tmp_path_factory.mktemp("tls")
    chain, private = certificate(folder)
    drives = [folder / f"drive{number}" for number in range(2)]
    settings = folder / "settings.toml"
    settings.write_text('log_delivery = 0.0\nsse_c_over_http = "never"\n')
    arguments = ("--config", str(settings), "--tls-cert", str(chain), "--tls-key", str(private))
    running = Secure(drives=drives, log=folder / "log", arguments=arguments)
    yield running.start()
    running.stop()


def test_objects_go_both_ways(secure: Secure, tmp_path: Path) -> None:
    s3 = secure.client()
    s3.create_bucket(Bucket="bucket")
    small, large = os.urandom(1000), tmp_path / "large"
    large.write_bytes(os.urandom(20 * MIB))
    s3.put_object(Bucket="bucket", Key="small", Body=small)  # over TLS, boto3 sends it unsigned with a trailer
    assert s3.get_object(Bucket="bucket", Key="small")["Body"].read() == small
    parts = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)
    s3.upload_file(str(large), "bucket", "large", Config=parts)
    s3.download_file("bucket", "large", str(tmp_path / "back"), Config=parts)
    assert (tmp_path / "back").read_bytes() == large.read_bytes()


def test_addresses_that_are_signed_name_the_scheme(secure: Secure) -> None:
    s3 = secure.client()
    s3.create_bucket(Bucket="presigned")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "presigned", "Key": "key"})
    assert url.startswith("https://")
    assert secure.request("PUT", url.removeprefix(secure.endpoint), b"body").status == 200
    assert s3.get_object(Bucket="presigned", Key="key")["Body"].read() == b"body"


def test_policies_ask_for_tls_and_its_version(secure: Secure) -> None:
    s3 = secure.client()
    s3.create_bucket(Bucket="policies")
    s3.put_object(Bucket="policies", Key="key", Body=b"body")
    for condition, status in (
        ({"Bool": {"aws:SecureTransport": "true"}}, 200),
        ({"Bool": {"aws:SecureTransport": "false"}}, 403),
        ({"NumericGreaterThanEquals": {"s3:TlsVersion": "1.2"}}, 200),
        ({"NumericLessThan": {"s3:TlsVersion": "1.2"}}, 403),
    ):
        allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::policies/*"}
        text = json.dumps({"Version": "2012-10-17", "Statement": [allow | {"Condition": condition}]})
        s3.put_bucket_policy(Bucket="policies", Policy=text)
        assert secure.request("GET", "/policies/key").status == status, condition


def test_access_logs_tell_version_and_cipher(secure: Secure) -> None:
    s3 = secure.client()
    s3.create_bucket(Bucket="logs", ACL="log-delivery-write")
    s3.create_bucket(Bucket="logged")
    wanted = {"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": ""}}
    s3.put_bucket_logging(Bucket="logged", BucketLoggingStatus=wanted)
    s3.put_object(Bucket="logged", Key="key", Body=b"body")
    found = until(lambda: s3.list_objects_v2(Bucket="logs").get("Contents"), "a log object")
    line = parse(s3.get_object(Bucket="logs", Key=found[0]["Key"])["Body"].read().decode())
    assert (line["tls"], line["cipher"][:4]) == ("TLSv1.3", "TLS_")


def test_admin_info_checks_the_certificate(secure: Secure) -> None:
    asked = ("admin", "--endpoint", secure.endpoint)
    shown = command(*asked, "--ca-file", str(secure.certificate), "info", "--json", environment=CLI_ENVIRONMENT)
    assert json.loads(shown.stdout)["writable"] is True
    unchecked = command(*asked, "info", environment=CLI_ENVIRONMENT)
    assert unchecked.returncode != 0 and "certificate" in unchecked.stderr


def test_another_certificate_is_not_trusted(secure: Secure, tmp_path: Path) -> None:
    other, _ = certificate(tmp_path)
    with pytest.raises(SSLError):
        secure.client(verify=str(other)).list_buckets()


def test_plain_http_is_not_answered(secure: Secure) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", secure.port, timeout=30)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        connection.request("GET", "/-/health/live")
        connection.getresponse()
    connection.close()


def shown(running: Running) -> bytes:
    """The certificate that a new connection is shown."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", running.port)))


def test_a_renewed_certificate_is_used_without_a_start(tmp_path: Path) -> None:
    chain, private = certificate(tmp_path / "used")
    first = ssl.PEM_cert_to_DER_cert(chain.read_text())
    arguments = ("--tls-cert", str(chain), "--tls-key", str(private))
    running = Secure(drives=[tmp_path / "drive"], log=tmp_path / "log", arguments=arguments).start()
    try:
        assert shown(running) == first
        renewed, key = certificate(tmp_path / "renewed")
        chain.write_bytes(renewed.read_bytes())  # the key is still that of the first
        until(lambda: "the one before is kept in use" in running.output(), "a warning")
        assert shown(running) == first
        private.write_bytes(key.read_bytes())
        until(lambda: shown(running) == ssl.PEM_cert_to_DER_cert(renewed.read_text()), "the renewed certificate")
        running.client().list_buckets()
    finally:
        running.stop()


def test_who_says_no_good_bye_does_not_hold_up_an_end(tmp_path: Path) -> None:
    """Clients keep connections for later, and do not look at them meanwhile."""
    chain, private = certificate(tmp_path / "used")
    arguments = ("--tls-cert", str(chain), "--tls-key", str(private))
    running = Secure(drives=[tmp_path / "drive"], log=tmp_path / "log", arguments=arguments).start()
    try:
        context = ssl.create_default_context(cafile=str(chain))
        kept = http.client.HTTPSConnection("127.0.0.1", running.port, timeout=30, context=context)
        kept.request("GET", "/-/health/live")
        kept.getresponse().read()
        assert running.process is not None
        running.process.terminate()
        assert running.process.wait(20) == 0  # it would be 30 seconds
        running.process = None
        assert kept.sock is not None and kept.sock.recv(1) == b""
        kept.close()
    finally:
        running.stop()


@pytest.mark.parametrize("wrong", ["missing", "nonsense", "another"])
def test_a_certificate_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path, wrong: str) -> None:
    chain, private = certificate(tmp_path / "one")
    if wrong == "missing":
        chain.unlink()
    elif wrong == "nonsense":
        chain.write_text("nonsense")
    else:
        _, private = certificate(tmp_path / "two")
    said = refused_start(
        Running(drives=[tmp_path / "drive"], log=tmp_path / "log"),
        *("--tls-cert", str(chain), "--tls-key", str(private)),
    )
    assert str(chain) in said and "TLS" in said
    assert not (tmp_path / "drive").exists(), "nothing was made before"


def test_keys_of_customers_come_over_tls_alone_where_the_settings_say_so(secure: Secure, tmp_path: Path) -> None:
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
    source = {f"CopySource{name}": value for name, value in key.items()}
    config = tmp_path / "settings.toml"
    config.write_text('sse_c_over_http = "never"\n')
    with serving(tmp_path, drives=1, arguments=("--config", str(config))) as plain:
        s3, over_tls = plain.client(), secure.client()
        for one in (s3, over_tls):
            one.create_bucket(Bucket="keys")
        s3.put_object(Bucket="keys", Key="plain", Body=b"x")
        for call in (
            lambda: s3.put_object(Bucket="keys", Key="k", Body=b"x", **key),
            lambda: s3.get_object(Bucket="keys", Key="plain", **key),
            lambda: s3.create_multipart_upload(Bucket="keys", Key="k", **key),
            lambda: s3.copy_object(Bucket="keys", Key="k", CopySource="keys/plain", **key),
            lambda: s3.copy_object(Bucket="keys", Key="k", CopySource="keys/plain", **source),
        ):
            with refused("InvalidRequest", 400):
                call()
        assert s3.list_objects_v2(Bucket="keys")["KeyCount"] == 1
    over_tls.put_object(Bucket="keys", Key="k", Body=b"x", **key)
    assert over_tls.get_object(Bucket="keys", Key="k", **key)["Body"].read() == b"x"
