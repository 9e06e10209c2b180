"""The one gate to the API server.

Objects are plain JSON both ways: what is owned wholly is written by server-side apply, all else by create, replace
(guarded by resourceVersion) and merge patches.
https://kubernetes.io/docs/reference/using-api/
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aiohttp
from kubernetes_asyncio.client import ApiClient
from kubernetes_asyncio.client.exceptions import ApiException

from objstore import __version__
from objstore.kubernetes.kinds import Body, Key, Kind

FIELD_MANAGER: Final = "objstore"
PAGE: Final = 500  # objects of a list in one answer
TIMEOUT_S: Final = 30.0

_JSON: Final = "application/json"
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"


class ClusterError(Exception):
    """The API server refused: `status` is HTTP's, `reason` one of Kubernetes' (NotFound, Conflict, Invalid...)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class NotFound(ClusterError):
    """There is no such object, or no such kind."""


class AlreadyExists(ClusterError):
    """An object of that name is there."""


class Conflict(ClusterError):
    """The object was changed since it was read, or is another of that name."""


class Invalid(ClusterError):
    """The object breaks its schema or a rule of admission."""


class Unreachable(ClusterError):
    """The API server gave no answer, or none that it stands by (429, 5xx): try again later."""


class Cluster:
    """The objects of a cluster, through `client`'s credentials."""

    def __init__(self, client: ApiClient) -> None:
        client.user_agent = f"objstore/{__version__}"
        self._client = client

    async def get(self, kind: Kind, key: Key) -> Body | None:
        """One object, None where there is none."""
        try:
            return await self._call("GET", kind.path(*key))
        except NotFound:
            return None

    async def pages(
        self, kind: Kind, namespace: str = "", *, labels: Mapping[str, str] | None = None
    ) -> AsyncIterator[Body]:
        """All objects of a kind, of a namespace or everywhere, that have the labels; none where the kind is unknown."""
        query: list[tuple[str, str]] = [("limit", str(PAGE))]
        if labels:
            query.append(("labelSelector", ",".join(f"{name}={value}" for name, value in labels.items())))
        more = ""
        while True:
            try:
                page = await self._call("GET", kind.path(namespace), [*query, ("continue", more)] if more else query)
            except NotFound:
                return
            for item in page["items"]:
                yield {"apiVersion": kind.api_version, "kind": kind.name, **item}
            more = page["metadata"].get("continue") or ""
            if not more:
                return

    async def create(self, kind: Kind, body: Body) -> Body:
        """Make an object. Raises AlreadyExists."""
        return await self._call("POST", kind.path(_namespace(kind, body)), body=_whole(kind, body))

    async def replace(self, kind: Kind, body: Body, subresource: str = "") -> Body:
        """Write an object as a whole over the one that was read. Raises Conflict, NotFound."""
        path = kind.path(_namespace(kind, body), body["metadata"]["name"], subresource)
        return await self._call("PUT", path, body=_whole(kind, body))

    async def apply(self, kind: Kind, body: Body, subresource: str = "") -> Body:
        """Make an object or make it so: what `body` has is ours from now on, what it no longer has goes."""
        path = kind.path(_namespace(kind, body), body["metadata"]["name"], subresource)
        query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
        return await self._call("PATCH", path, query, _whole(kind, body), _APPLY)

    async def patch(self, kind: Kind, key: Key, patch: Body, subresource: str = "") -> Body:
        """Change members of an object by a merge patch (RFC 7386). Raises NotFound; Conflict where the patch holds a
        resourceVersion or uid that is not the object's."""
        return await self._call("PATCH", kind.path(*key, subresource), body=patch, content=_MERGE)

    async def delete(self, kind: Kind, key: Key, *, uid: str | None = None, propagation: str = "Background") -> bool:
        """Delete an object, or let its finalizers do so; False where there is none, or another than that of `uid`."""
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            await self._call("DELETE", kind.path(*key), body=options)
        except (NotFound, Conflict):
            return False
        return True

    async def _call(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]] | None = None,
        body: Body | None = None,
        content: str = _JSON,
    ) -> Body:
        """The only place from which anything is asked of the API server."""
        try:
            answer = await self._client.call_api(
                path,
                method,
                query_params=query or [],
                header_params={"Accept": _JSON, "Content-Type": content},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=TIMEOUT_S,
            )
            async with answer:
                text = await answer.read()
                status = answer.status
        except ApiException as error:
            status, text = int(error.status or 0), str(error.body or error.reason or "").encode()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(
                0, "Unreachable", f"no answer from the API server: {error or type(error).__name__}"
            ) from None
        if status not in range(200, 300):
            raise _refusal(status, text)
        told: Body = json.loads(text)
        return told


def _whole(kind: Kind, body: Body) -> Body:
    return {"apiVersion": kind.api_version, "kind": kind.name, **body}


def _namespace(kind: Kind, body: Body) -> str:
    return body["metadata"]["namespace"] if kind.namespaced else ""


_TYPES: Final[Mapping[tuple[int, str], type[ClusterError]]] = {
    (409, "AlreadyExists"): AlreadyExists,
    (409, "Conflict"): Conflict,
    (422, "Invalid"): Invalid,
}


def _refusal(status: int, text: bytes) -> ClusterError:
    """The error of an answer, which is a Status object where the API server wrote it."""
    try:
        told = json.loads(text)
        reason, message = str(told.get("reason") or ""), str(told.get("message") or "")
    except (ValueError, AttributeError):
        reason, message = "", text[:200].decode(errors="replace")
    if status == 404:
        return NotFound(status, reason, message)
    if status in (0, 429) or status >= 500:
        return Unreachable(status, reason, message)
    return _TYPES.get((status, reason), ClusterError)(status, reason, message or f"HTTP {status}")
