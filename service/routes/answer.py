"""Answers the verb requests of FastAPI's routes through `verbs.answering`."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request, Response
from starlette.types import Receive

from service.observability.access_log import record_of
from service.verbs.answering import Services, respond, too_late
from service.verbs.options import O
from service.verbs.verb import Verb
from service.wire.head import head_of


@dataclass(slots=True)
class _Messages:
    """The source of a request's body as ASGI messages, for `verbs.answering`."""

    receive: Receive
    body: bytes | None = None
    held_bytes: int = 0


async def answer(request: Request, services: Services, verb: Verb[O]) -> Response:
    """Answer one FastAPI request of a verb, or shed it. Raises ServiceError or ClientDisconnect."""
    head, settings = head_of(request.scope), services.settings
    timeout_s = head.timeout_s(settings.timeout_s, settings.max_timeout_s)
    if services.admission.should_shed(timeout_s):
        services.admission.shedder.record_shed(timeout_s)
        raise too_late()
    reply = await respond(head, _Messages(request.receive), services, verb, record_of(request.scope), timeout_s)
    response = Response(reply.content, reply.status)
    response.raw_headers = reply.headers
    return response
