"""The ASGI application of a worker: the server's own pages below `/-/`, and AWS's wire for everything else."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from objstore.aws.domains import Domains
from objstore.aws.exchange import new_request_id
from objstore.catalog.errors import CatalogError
from objstore.s3.website.hosts import Hosts
from objstore.server import metrics, verifying
from objstore.server.access import AccessLog
from objstore.server.accounts import AccountPages, UserPages
from objstore.server.admin_api import AdminOrders, AdminPage, AdminStream, Answer, Parameters
from objstore.server.admission import Admission
from objstore.server.drives import DrivePages
from objstore.server.explanations import explaining, replaying
from objstore.server.given_keys import GivenKey, GivenKeyPages
from objstore.server.inventory import Inventory
from objstore.server.kms_keys import KeyPages, RewrapPages
from objstore.server.ldap_policies import LdapPolicyPages
from objstore.server.node import Node
from objstore.server.parities import ParityPages
from objstore.server.policy_statements import StatementOrder, StatementPages
from objstore.server.protocol import is_crowded
from objstore.server.quotas import QuotaPages
from objstore.server.service_accounts import ServiceAccountPages
from objstore.server.settings import Settings
from objstore.server.snapshots import SnapshotPages
from objstore.server.traffic import Slot
from objstore.store import restriping
from objstore.store.store import now_us

_OWN = "/-/"


def application(node: Node, settings: Settings, log: AccessLog, served: Slot) -> ASGIApp:
    """Starlette's application for our own pages; what it does not know goes to the wire, past its router, and counts as
    `served`."""
    domains = Domains(settings.domains)
    sites = Hosts(settings.website_domains, settings.website_hosts)
    pages = Starlette(
        routes=[
            Mount(
                "/-",
                routes=[
                    Route("/health/live", _live, methods=["GET"]),
                    Route("/health/ready", _Ready(node), methods=["GET"]),
                    Route("/health/redundancy", _Redundancy(node), methods=["GET"]),
                    Route("/metrics", _Metrics(node), methods=["GET"]),
                    Mount("/admin/v1", routes=admin_routes(node, settings, domains)),
                ],
            )
        ]
    )
    wire = node.endpoint(settings, log)
    admission = Admission(settings.limits.requests)

    def _is_ours(host: str) -> bool:
        return domains.bucket_of(host) is None and sites.bucket_of(host) is None

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(_OWN) and _is_ours(_host(scope)):
            await pages(scope, receive, _identified(send))
            return
        if (refusal := admission.refusal(crowded=is_crowded(scope))) is not None:
            await wire.refuse(scope, receive, send, refusal)
            return
        admission.running += 1
        served.begin()
        try:
            await wire(scope, receive, send)
        finally:
            served.end()
            admission.running -= 1

    return dispatch


def admin_routes(node: Node, settings: Settings, domains: Domains) -> list[Route]:
    """The admin API, for root alone: every page of it is of a class that asks who it is."""

    def page(answer: Answer) -> AdminPage:
        return AdminPage(node, settings, domains, answer)

    async def lists(method: str, given: Parameters) -> dict[str, Any]:
        """A bucket's inventory: POST has a list made at once, GET tells how the last one went."""
        inventories, bucket, ident = node.store.inventories, given.get("bucket", ""), given.get("id", "")
        if method == "POST":
            return {"asked_us": await inventories.ask(bucket, ident)}
        return {"last": inventories.find(bucket, ident)[1]}

    async def catalog_snapshots(method: str, _: Parameters) -> dict[str, Any]:
        """Snapshots of the catalog: GET lists them, POST has one taken at once."""
        if method == "POST":
            return {"asked_us": await node.ask_for_snapshot()}
        return {"snapshots": node.catalog.read(node.snapshots)}

    async def restripe(method: str, _: Parameters) -> dict[str, Any]:
        """POST begins to write everything anew that is not in the geometry of today, GET tells how far that is."""
        if method == "POST":
            now = now_us()
            await node.catalog.write(lambda tx: restriping.start(tx, now))
        return {"restriping": node.restriping()}

    async def inventory(_: str, __: Parameters) -> Inventory:
        return await node.inventory()

    return [
        Route("/catalog/snapshots", page(catalog_snapshots), methods=["GET", "POST"]),
        Route("/info", page(inventory), methods=["GET"]),
        Route("/parity", page(ParityPages(node)), methods=["GET", "PUT"]),
        Route("/restripe", page(restripe), methods=["GET", "POST"]),
        Route("/drives", page(DrivePages(node)), methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/accounts", page(AccountPages(node)), methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/users", page(UserPages(node)), methods=["GET", "PUT"]),
        Route("/service-accounts", page(ServiceAccountPages(node)), methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/keys", AdminOrders(node, settings, domains, GivenKey, GivenKeyPages(node)), methods=["POST"]),
        Route("/ldap-policies", page(LdapPolicyPages(node)), methods=["GET", "PUT", "DELETE"]),
        Route("/inventory", page(lists), methods=["GET", "POST"]),
        Route("/kms/keys", page(KeyPages(node)), methods=["GET", "PUT", "POST"]),
        Route("/kms/rewrap", page(RewrapPages(node)), methods=["POST"]),
        Route("/policy/explain", explaining(node, settings, domains), methods=["POST"]),
        Route("/policy/replay", replaying(node, settings, domains), methods=["POST"]),
        Route(
            "/policy/statement",
            AdminOrders(node, settings, domains, StatementOrder, StatementPages(node)),
            methods=["POST"],
        ),
        Route("/scrub", AdminStream(node, settings, domains, lambda _: verifying.scrub_now(node)), methods=["POST"]),
        Route("/verify", AdminStream(node, settings, domains, lambda _: verifying.online(node)), methods=["POST"]),
        Route("/snapshots", page(SnapshotPages(node)), methods=["GET", "PUT", "POST", "DELETE"]),
        Route("/quota", page(QuotaPages(node)), methods=["GET", "PUT", "DELETE"]),
    ]


def _identified(send: Send) -> Send:
    """An answer with an id of its own, as the wire's have one."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-amz-request-id", new_request_id().encode("ascii"))]
        await send(message)

    return sending


def _host(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")


async def _live(_: Request) -> Response:
    return PlainTextResponse("live\n")


class _Ready:
    """200 while the write quorum holds, 503 with the reason while the store is read-only."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._node.read_only_reason()
        answer = PlainTextResponse(f"{reason or 'ready'}\n", 503 if reason else 200)
        await answer(scope, receive, send)


class _Redundancy:
    """200 while everything is stored as safely as promised, and verified; 503 with what is below it otherwise."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            problem = (await asyncio.to_thread(self._node.redundancy)).problem
        except CatalogError as error:
            problem = str(error)
        await PlainTextResponse(f"{problem or 'as promised'}\n", 503 if problem else 200)(scope, receive, send)


class _Metrics:
    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            text = metrics.exposition(await self._node.inventory())
        except CatalogError as error:
            await PlainTextResponse(f"{error}\n", 503)(scope, receive, send)
            return
        await Response(text, media_type="text/plain; version=0.0.4")(scope, receive, send)
