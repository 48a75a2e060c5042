"""Loads a service with many clients at once: most are good, some are bad, and one sends the worst that is known."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from latent.chaos.clients import Client
from latent.chaos.ill_formed import ill_formed
from latent.chaos.shots import Manner, Shot
from latent.chaos.tally import Tally
from latent.chaos.target import Target
from latent.chaos.truth import NPY, Array, LearnedTruth, Question, Truth, numbers_of, questions
from latent.chaos.well_formed import ask, well_formed
from latent.chaos.worst import worst
from latent.errors import CommandError
from model_store.manifest import Manifest

_BAD_SHARE = 0.12
_MANNERS = {
    Manner.PLAIN: 0.82,
    Manner.CUT: 0.05,
    Manner.ABANDONED: 0.05,
    Manner.SLOW_WRITE: 0.04,
    Manner.SLOW_READ: 0.04,
}
_STOP_S = 120.0
_LEARN_TRIES = 3


@dataclass(frozen=True)
class Load:
    """What is sent to a service."""

    target: Target
    good: Sequence[Shot]
    bad: Sequence[Shot]
    connections: int
    """Clients at once; one of them sends the worst requests, one after another."""
    seed: int

    @classmethod
    def of(cls, target: Target, asked: Sequence[Question], truth: Truth, *, connections: int, seed: int) -> Load:
        """The requests for a service whose right answers are known."""
        return cls(target, well_formed(asked, truth), ill_formed(target.models), connections, seed)

    def run(self, tally: Tally, until: Callable[[], bool]) -> None:
        """Send until `until()`; return when every client has hung up. Ends early where a client fails."""
        stop = threading.Event()
        failed: list[BaseException] = []

        def client(number: int) -> None:
            try:
                self._client(number, tally, stop)
            except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
                failed.append(error)
                stop.set()

        threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(self.connections)]
        for thread in threads:
            thread.start()
        try:
            while not until() and not stop.is_set():
                stop.wait(0.1)
        except BaseException:  # interrupted: what the clients still wait for is of no interest
            stop.set()
            raise
        stop.set()
        give_up = time.monotonic() + _STOP_S
        for thread in threads:
            thread.join(max(0.0, give_up - time.monotonic()))
        if failed:
            raise failed[0]

    def _client(self, number: int, tally: Tally, stop: threading.Event) -> None:
        rng = random.Random(f"{self.seed}:{number}")  # noqa: S311 - a fixed seed is the point
        shots = _worst(self.target.models) if number == 0 and self.connections > 1 else self._mixed(rng)
        with closing(Client(self.target.address, rng)) as client:
            for shot in shots:
                if stop.is_set():
                    return
                tally.add(client.send(shot))

    def _mixed(self, rng: random.Random) -> Iterator[Shot]:
        manners, weights = list(_MANNERS), list(_MANNERS.values())
        while True:
            shot = rng.choice(self.bad if rng.random() < _BAD_SHARE else self.good)
            manner = rng.choices(manners, weights)[0]
            yield replace(shot, manner=manner) if shot.manner is Manner.PLAIN else shot


def _worst(models: Sequence[Manifest]) -> Iterator[Shot]:
    return itertools.chain.from_iterable(worst(models) for _ in itertools.count())


def learn(target: Target, seed: int) -> tuple[list[Question], LearnedTruth]:
    """Ask every question once, one after another; return them with their answers. Raises CommandError."""
    asked = [question for model in target.models for question in questions(model, seed)]
    with closing(Client(target.address, random.Random(seed))) as client:  # noqa: S311 - a fixed seed is the point
        return asked, LearnedTruth([_learned(client, question) for question in asked])


def _learned(client: Client, question: Question) -> tuple[Question, str, Array]:
    shot = ask(question)
    for _ in range(_LEARN_TRIES):
        outcome = client.send(shot)
        if outcome.answer is not None and outcome.answer.status == 200:
            answer = outcome.answer
            return question, answer.headers.get("x-latent-model", ""), numbers_of(answer, question.verb, NPY)
        time.sleep(1.0)
    raise CommandError(f"{client.url}{shot.path} answers {outcome.status}, so there is nothing to compare with")
