"""Explanations for administrators: POST a question in JSON to `/-/admin/v1/policy/explain` or `/replay` beside it."""

from __future__ import annotations

import msgspec
from starlette.types import ASGIApp

from objstore.aws.domains import Domains
from objstore.iam.context import Context
from objstore.iam.explaining import people, questions
from objstore.iam.explaining.questions import Question
from objstore.iam.explaining.replaying import Change, Logged, Replayed, compiled
from objstore.iam.explaining.replaying import replay as replay_one
from objstore.server.admin_api import AdminQuestions
from objstore.server.node import Node
from objstore.server.settings import Settings


class Explain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """May `principal` do that, and why; without one, who may. `keys` are condition keys with their values."""

    action: str
    resource: str
    principal: str | None = None
    version_id: str | None = None
    keys: dict[str, list[str]] = {}


class Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines of an access log, and the policy that is tried."""

    change: Change
    requests: list[Logged]


class Answers(msgspec.Struct, frozen=True):
    """Answers to one question, each about another principal."""

    answers: list[questions.Answer]


class Outcomes(msgspec.Struct, frozen=True):
    """One outcome for each request, in their order."""

    outcomes: list[Replayed]


def explain(context: Context, asked: Explain) -> Answers:
    """Of one principal; or of everybody, those who may. Raises NoSuchBucket, NoSuchEntity."""
    keys = {name.lower(): tuple(values) for name, values in asked.keys.items()}
    question = Question(asked.action, asked.resource, asked.version_id, keys)
    if asked.principal is not None:
        return Answers([questions.answer(context, people.named(context, asked.principal), question)])
    found = (questions.answer(context, principal, question) for principal in people.everybody(context))
    return Answers([one for one in found if one.allowed])


def replay(context: Context, asked: Replay) -> Outcomes:
    """Raises MalformedPolicy, NoSuchBucket, NoSuchEntity."""
    changed = compiled(context, asked.change)
    return Outcomes([replay_one(context, changed, one) for one in asked.requests])


def explaining(node: Node, settings: Settings, domains: Domains) -> ASGIApp:
    """The page that explains."""
    context = node.context(settings)
    return AdminQuestions(node, settings, domains, Explain, lambda asked: explain(context, asked))


def replaying(node: Node, settings: Settings, domains: Domains) -> ASGIApp:
    """The page that replays."""
    context = node.context(settings)
    return AdminQuestions(node, settings, domains, Replay, lambda asked: replay(context, asked))
