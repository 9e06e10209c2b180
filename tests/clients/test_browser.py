"""A real browser: a page of a website here uploads with a form and with `fetch` to another origin, and reads back.

Needs Debian's `chromium` and `chromium-driver`; skipped where they are not.
"""

from __future__ import annotations

import hashlib
import html
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.harness import Running, serving

DOMAIN = "s3-website.localhost"  # browsers take every name below localhost for the loopback
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromium-driver")

SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE *.localhost",
)
FETCH = """
const [method, url, headers, body, done] = arguments;
fetch(url, {method, headers, body}).then(async (answer) => done({
    status: answer.status, etag: answer.headers.get("etag"), hidden: answer.headers.get("x-amz-id-2"),
    text: await answer.text()
})).catch((error) => done({error: String(error)}));
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    environment = {"OBJSTORE_WEBSITE_DOMAIN": DOMAIN}
    with serving(tmp_path_factory.mktemp("website"), drives=1, environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def s3(server: Running) -> Any:
    return server.client(signature_version="s3v4")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(switch)
    driver = webdriver.Chrome(options, webdriver.ChromeService(executable_path=str(DRIVER)))
    try:
        driver.set_script_timeout(30)
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def origin(server: Running, s3: Any) -> str:
    """The origin of a website."""
    s3.create_bucket(Bucket="pages", ACL="public-read")
    s3.put_bucket_website(Bucket="pages", WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    page(s3, "index.html", "<title>empty</title>")
    page(s3, "done.html", "<title>done</title>")
    return f"http://pages.{DOMAIN}:{server.port}"


def page(s3: Any, key: str, text: str) -> None:
    s3.put_object(Bucket="pages", Key=key, Body=text.encode(), ContentType="text/html", ACL="public-read")


def test_a_page_uploads_with_a_form(
    server: Running, s3: Any, browser: webdriver.Chrome, origin: str, tmp_path: Path
) -> None:
    s3.create_bucket(Bucket="inbox")
    data = bytes(range(256)) * 8_000
    picture = tmp_path / "sea 1.bin"
    picture.write_bytes(data)
    told = {"success_action_redirect": f"{origin}/done.html", "x-amz-meta-from": "a page"}
    fields = s3.generate_presigned_post("inbox", "album/${filename}", told, [{k: v} for k, v in told.items()])["fields"]
    inputs = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )
    page(
        s3,
        "form.html",
        f'<form action="{server.endpoint}/inbox" method="post" enctype="multipart/form-data">{inputs}'
        '<input type="file" name="file"><button>send</button></form>',
    )
    browser.get(f"{origin}/form.html")
    browser.find_element(By.NAME, "file").send_keys(str(picture))
    browser.find_element(By.TAG_NAME, "button").click()
    WebDriverWait(browser, 30).until(lambda seen: seen.title == "done")
    etag = f'"{hashlib.md5(data).hexdigest()}"'
    answered = parse_qs(urlsplit(browser.current_url).query)
    assert answered == {"bucket": ["inbox"], "key": ["album/sea 1.bin"], "etag": [etag]}
    found = s3.get_object(Bucket="inbox", Key="album/sea 1.bin")
    assert (found["Body"].read(), found["ETag"], found["Metadata"]) == (data, etag, {"from": "a page"})


def test_a_page_uploads_to_another_origin(s3: Any, browser: webdriver.Chrome, origin: str) -> None:
    s3.create_bucket(Bucket="shared")
    put = s3.generate_presigned_url("put_object", {"Bucket": "shared", "Key": "note", "ContentType": "text/plain"})
    get = s3.generate_presigned_url("get_object", {"Bucket": "shared", "Key": "note"})
    headers = {"content-type": "text/plain", "x-custom": "1"}

    def fetch(method: str, url: str, given: dict[str, str], body: str | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = browser.execute_async_script(FETCH, method, url, given, body)  # type: ignore[no-untyped-call]
        return answer

    browser.get(origin)
    assert "error" in fetch("PUT", put, headers, "hello"), "no rule allows it yet"
    rule = {
        "AllowedOrigins": [origin],
        "AllowedMethods": ["PUT", "GET"],
        "AllowedHeaders": ["content-type"],
        "ExposeHeaders": ["ETag"],
    }
    s3.put_bucket_cors(Bucket="shared", CORSConfiguration={"CORSRules": [rule]})
    assert "error" in fetch("PUT", put, headers, "hello"), "x-custom is not allowed"
    assert "Contents" not in s3.list_objects_v2(Bucket="shared")
    text = json.dumps({"größe": "♥" * 1000})
    sent = fetch("PUT", put, {"content-type": "text/plain"}, text)
    assert (sent["status"], sent["hidden"]) == (200, None)
    assert sent["etag"] == s3.head_object(Bucket="shared", Key="note")["ETag"]
    read = fetch("GET", get, {})
    assert (read["status"], read["text"]) == (200, text)
    missing = s3.generate_presigned_url("get_object", {"Bucket": "shared", "Key": "none"})
    told = fetch("GET", missing, {})
    assert (told["status"], "<Code>NoSuchKey</Code>" in told["text"]) == (404, True)
