"""From a posted verb's head and body to the bytes of its answer, past FastAPI.

The framework's layers between a request and its route cost 30 µs and more, as much as the rest of one. The verbs are
FastAPI routes all the same: for the OpenAPI document, and for every request that is out of the ordinary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from fastapi import FastAPI
from starlette.requests import ClientDisconnect

from service.connections.answer import Answer
from service.errors import ServiceError
from service.fast_path.known_heads import KnownHeads, PostedHead
from service.observability.access_log import CLIENT_GONE, RequestRecord, given_id, request_id_of
from service.verbs.answering import Services, Source, respond, too_late
from service.verbs.verb import Verb
from service.wire.head import Head
from service.wire.problems import RenderedProblem, as_problem, logged_problem

_TOO_LATE = RenderedProblem(too_late())


class Dispatch:
    """Answers the posted verbs of an application without it."""

    def __init__(
        self, app: FastAPI, posts: Mapping[str, Verb[Any]], root_path: str = "", origins: Sequence[str] = ()
    ) -> None:
        """`posts` are the verbs by the path that they are posted to, below `root_path` or not.

        Where pages of other `origins` may read the answers, the application answers everything: it knows CORS.
        """
        self._app, self._access_log = app, app.state.access_log
        prefixes = set() if origins else {"", root_path}
        self._posts = {(prefix + path).encode(): (path, verb) for path, verb in posts.items() for prefix in prefixes}
        self.known_heads = KnownHeads()

    def posted(self, path: bytes, query: bytes, headers: Sequence[tuple[bytes, bytes]]) -> PostedHead | None:
        """What the head of a POST asks for; None where it goes through the application."""
        found = self._posts.get(path)
        if found is None:
            return None
        route, verb = found
        head = Head(headers, query)
        try:
            timeout_s = self._timeout_s(head)
        except ServiceError:
            timeout_s = None
        return PostedHead(verb, path.decode("ascii"), route, head, given_id(headers), timeout_s)

    def refusal(self, posted: PostedHead) -> bytes | None:
        """The answer to a request that would wait too long, noted down: what comes after the server's own headers.

        None for all others.
        """
        admission, timeout_s = self.services.admission, posted.timeout_s
        if not (admission.deadlines.requests or admission.turns.begun) or timeout_s is None:
            return None  # nobody to wait for
        return self.shed(posted, timeout_s) if admission.should_shed(timeout_s) else None

    def shed(self, posted: PostedHead, timeout_s: float) -> bytes:
        """The answer to a request that would wait, or has waited, too long; noted down."""
        self.services.admission.shedder.record_shed(timeout_s)
        request_id = request_id_of(posted.request_id)
        self._access_log.record_refused(request_id, "POST", posted.path, posted.route, _TOO_LATE.error.status)
        return _TOO_LATE.rendered(request_id)

    async def answer(self, posted: PostedHead, source: Source, came: float) -> Answer | None:
        """Answer one request that `came` then (time.monotonic), and note it down; None where its client has gone."""
        record, timeout_s = RequestRecord(posted.request_id, came), posted.timeout_s
        try:
            if timeout_s is None:
                timeout_s = self._timeout_s(posted.head)  # which raises what is wrong with it
            reply = await respond(posted.head, source, self.services, posted.verb, record, timeout_s)
        except ClientDisconnect:
            self.gone(posted, record)
            return None
        except Exception as error:  # noqa: BLE001 - whatever was raised, the client gets an answer
            # Not kept in a local: the error has this frame, and the frame would have the error and the body.
            return self._answer(
                Answer(*logged_problem(as_problem(error), record.request_id, posted.path, error)), posted, record
            )
        return self._answer(Answer(reply.status, reply.headers, reply.content), posted, record)

    def gone(self, posted: PostedHead, record: RequestRecord) -> None:
        """Note down a request whose client has hung up."""
        self._access_log.record(record, "POST", posted.path, posted.route, CLIENT_GONE)

    def _timeout_s(self, head: Head) -> float:
        settings = self.services.settings
        return head.timeout_s(settings.timeout_s, settings.max_timeout_s)

    def _answer(self, answer: Answer, posted: PostedHead, record: RequestRecord) -> Answer:
        """Say who asked and who answered, and note it down."""
        answer.headers.append((b"x-request-id", record.request_id.encode()))
        if record.model:
            answer.headers.append((b"x-latent-model", record.model.encode()))
        self._access_log.record(record, "POST", posted.path, posted.route, answer.status)
        return answer

    @cached_property
    def services(self) -> Services:
        """What a request may ask for; there once the application's lifespan has begun."""
        services: Services = self._app.state.services
        return services
