"""Which bucket's website a host name is: `photos.s3-website.example.com`, or `www.example.com` for the bucket of that
name.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteEndpoints.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/website-hosting-custom-domain-walkthrough.html
"""

from __future__ import annotations

from collections.abc import Iterable

from objstore.aws.domains import Domains, without_port


class Hosts:
    """The domains below which every bucket has a website's host, and further hosts, each of the bucket so named."""

    def __init__(self, domains: Iterable[str] = (), hosts: Iterable[str] = ()) -> None:
        self._domains = Domains(domains)
        self._hosts = frozenset(host.strip().strip(".").lower() for host in hosts)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._hosts or self._domains)

    def bucket_of(self, host: str) -> str | None:
        """The bucket whose website a Host header names; None when it is no website's."""
        name = without_port(host).lower().rstrip(".")
        return name if name in self._hosts else self._domains.bucket_of(name)
