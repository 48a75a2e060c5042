"""Answers POST requests of a verb without FastAPI: from a request's head and body to the bytes of its response.

The framework's layers between a request and its route cost 30 µs and more, as much as the rest of a request. The verbs
are FastAPI routes too: for the OpenAPI document, and for every request that the fast path does not take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from fastapi import FastAPI
from starlette.requests import ClientDisconnect

from service.connections.answer import Answer
from service.errors import ServiceError
from service.fast_path.known_heads import KnownHeads, VerbHead
from service.observability.access_log import CLIENT_GONE, RequestRecord, given_id, request_id_of
from service.verbs.answering import Services, Source, respond, too_late
from service.verbs.verb import Verb
from service.wire.head import Head
from service.wire.problems import RenderedProblem, as_problem, logged_problem

_TOO_LATE = RenderedProblem(too_late())


class Dispatch:
    """Answers POST requests of the verbs of a FastAPI application without calling the application."""

    def __init__(
        self, app: FastAPI, posts: Mapping[str, Verb[Any]], root_path: str = "", origins: Sequence[str] = ()
    ) -> None:
        """`posts` has the verb of each path; clients may put `root_path` before the path.

        Where pages of other `origins` may read the answers, the application answers every request: it handles CORS.
        """
        self._app, self._access_log = app, app.state.access_log
        prefixes = set() if origins else {"", root_path}
        self._posts = {(prefix + path).encode(): (path, verb) for path, verb in posts.items() for prefix in prefixes}
        self.known_heads = KnownHeads()

    def parse_head(self, path: bytes, query: bytes, headers: Sequence[tuple[bytes, bytes]]) -> VerbHead | None:
        """Parse the head of a POST request; None where the request has to go through the application."""
        found = self._posts.get(path)
        if found is None:
            return None
        route, verb = found
        head = Head(headers, query)
        try:
            timeout_s = self._timeout_s(head)
        except ServiceError:
            timeout_s = None
        return VerbHead(verb, path.decode("ascii"), route, head, given_id(headers), timeout_s)

    def should_shed(self, posted: VerbHead) -> bool:
        """Whether a request would wait too long."""
        admission, timeout_s = self.services.admission, posted.timeout_s
        if not (admission.deadlines.requests or admission.turns.begun) or timeout_s is None:
            return False  # no other request is in flight
        return admission.should_shed(timeout_s)

    def shed(self, posted: VerbHead) -> bytes:
        """Refuse a request that would wait, or has waited, too long: log it, and return the 503 response."""
        self.services.admission.shedder.record_shed(posted.timeout_s or 0.0)
        request_id = request_id_of(posted.request_id)
        self._access_log.record_refused(request_id, "POST", posted.path, posted.route, _TOO_LATE.error.status)
        return _TOO_LATE.rendered(request_id)

    async def answer(self, posted: VerbHead, source: Source, arrived_at: float) -> Answer | None:
        """Answer and log one request, which arrived at `arrived_at` (time.monotonic); None where its client hung up."""
        record, timeout_s = RequestRecord(posted.request_id, arrived_at), posted.timeout_s
        try:
            if timeout_s is None:
                timeout_s = self._timeout_s(posted.head)  # raises the error of a bad header
            reply = await respond(posted.head, source, self.services, posted.verb, record, timeout_s)
        except ClientDisconnect:
            self._access_log.record(record, "POST", posted.path, posted.route, CLIENT_GONE)
            return None
        except Exception as error:  # noqa: BLE001 - whatever was raised, the client gets an answer
            # Not kept in a local: error -> frame -> error would be a cycle, which keeps the body in memory.
            return self._answer(
                Answer(*logged_problem(as_problem(error), record.request_id, posted.path, error)), posted, record
            )
        return self._answer(Answer(reply.status, reply.headers, reply.content), posted, record)

    def record_disconnect(self, posted: VerbHead, arrived_at: float) -> None:
        """Log a request whose client hung up while the request waited for its turn."""
        record = RequestRecord(posted.request_id, arrived_at)
        self._access_log.record(record, "POST", posted.path, posted.route, CLIENT_GONE)

    def _timeout_s(self, head: Head) -> float:
        settings = self.services.settings
        return head.timeout_s(settings.timeout_s, settings.max_timeout_s)

    def _answer(self, answer: Answer, posted: VerbHead, record: RequestRecord) -> Answer:
        """Add the headers with the request's id and the model to an answer, and log the request."""
        answer.headers.append((b"x-request-id", record.request_id.encode()))
        if record.model:
            answer.headers.append((b"x-latent-model", record.model.encode()))
        self._access_log.record(record, "POST", posted.path, posted.route, answer.status)
        return answer

    @cached_property
    def services(self) -> Services:
        """The application's services; they exist once its lifespan has begun."""
        services: Services = self._app.state.services
        return services
