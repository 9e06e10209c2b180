"""Webhooks: every message is the body of an HTTP POST, and counts when a 2xx has come back."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from objstore.outbound.addresses import AllowList, NotAllowed
from objstore.outbound.http import AnswerTooLarge, client, fetch
from objstore.targets.settings import Webhook
from objstore.targets.target import Message, TargetError


class WebhookTarget:
    """`allowed` judges the address; the host of the setting itself is listed by being there."""

    def __init__(self, settings: Webhook, allowed: AllowList) -> None:
        self._settings = settings
        self._client = client(allowed, ca_file=settings.ca_file)
        self._headers = {"content-type": "application/json"}
        if settings.authorization:
            self._headers["authorization"] = settings.authorization

    async def send(self, message: Message, headers: Mapping[str, str] | None = None) -> None:
        """Deliver, with further headers or others."""
        url, joined = self._settings.endpoint, {**self._headers, **(headers or {})}
        try:
            status, _ = await fetch(self._client, "POST", url, content=message.body, headers=joined)
        except (httpx.HTTPError, httpx.InvalidURL, NotAllowed, AnswerTooLarge) as error:
            raise TargetError(f"{url}: {error or type(error).__name__}") from error
        if not 200 <= status < 300:
            raise TargetError(f"{url} answered {status}")

    async def close(self) -> None:
        await self._client.aclose()
