"""Bulk commands: check a verb's data set, model and output first, run it, and print a summary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from latent.bulk.engine import BulkModel
from latent.bulk.labels import Condition, condition
from latent.bulk.session import BulkSession
from latent.bulk.verbs import Verb
from latent.datasets import Dataset, codes_wanted, items_wanted, open_dataset
from latent.labels import listed_labels
from latent.options import Engine
from latent.output import print_json, say
from model_store import Manifest


class Stream:
    """A bulk run before it starts: the data set, the version that answers, and the output file."""

    def __init__(self, session: BulkSession, dataset: Dataset, output: Path) -> None:
        self._session, self.dataset, self._output = session, dataset, output

    @classmethod
    def of_items(
        cls, reference: str, store: Path, engine: Engine, path: Path, output: Path, label_column: str | None
    ) -> Stream:
        """Open a data set of items for the encoder; loads no model yet. Raises StoreError or CommandError."""
        session = BulkSession(reference, store, engine)
        return cls(session, open_dataset(path, items_wanted(lambda: session.manifest, label_column)), output)

    @classmethod
    def of_codes(
        cls, reference: str, store: Path, engine: Engine, path: Path, output: Path, label_column: str | None
    ) -> Stream:
        """Open a data set of codes for the decoder; loads no model yet. Raises StoreError or CommandError."""
        return cls(BulkSession(reference, store, engine), open_dataset(path, codes_wanted(label_column)), output)

    @property
    def manifest(self) -> Manifest:
        """Manifest of the version that answers."""
        return self._session.manifest

    def condition(self, labels: str | None, option: str = "--labels") -> Condition:
        """Labels of the option, else of the data set. Raises CommandError if they do not fit the model."""
        given = None if labels is None else listed_labels(labels, self.manifest)
        return condition(self.manifest, self.dataset, given, option)

    def run(self, verb: Callable[[BulkModel], Verb], *, as_json: bool) -> None:
        """Write all answers to the file and print a summary. Raises CommandError, StoreError or EngineError."""
        summary = self._session.run(self.dataset, verb, self._output, shown=not as_json)
        if as_json:
            print_json(
                {
                    "model": self._session.reference,
                    "items": summary.items,
                    "seconds": summary.seconds,
                    "items_per_second": summary.items / summary.seconds,
                    "file": str(self._output),
                }
            )
        else:
            say(f"{self._output}: {' × '.join(map(str, summary.shape))} from {self._session.reference}")
