"""The targets (figures with bounds), and whether a run reached them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.serving.figures import Figures, Spread, ratios, spread
from benchmarks.serving.results import Table

Values = Callable[[Figures], Sequence[float]]

_ENCODE = "latent/dense/encode"
_NAIVE = "naive/dense/encode/json"
_EMPTY = "empty FastAPI route/dense/encode"
_ENGINE = "the engine alone"
_CONVOLUTIONAL_64 = "convolutional/encode/npy/64x4"


@dataclass(frozen=True)
class Target:
    """A figure with a bound. `values` raises KeyError where a figure that it needs was not measured."""

    what: str
    sense: Literal["at least", "at most"]
    bound: float
    values: Values
    unit: str = ""

    @property
    def wanted(self) -> str:
        """The bound as text, such as `≥ 9 ×`."""
        return " ".join(
            ["≥" if self.sense == "at least" else "≤", f"{self.bound:g}", *([self.unit] if self.unit else [])]
        )

    def judge(self, figures: Figures) -> Judgement:
        """Compare the median over the rounds with the bound."""
        try:
            found = spread(self.values(figures))
        except KeyError:
            return Judgement(self, None, reached=None)
        reached = found.median >= self.bound if self.sense == "at least" else found.median <= self.bound
        return Judgement(self, found, reached=reached)


@dataclass(frozen=True)
class Judgement:
    """A target with its measured values."""

    target: Target
    found: Spread | None
    reached: bool | None
    """Whether the target was reached; None where it was not measured."""

    @property
    def verdict(self) -> str:
        """The judgement in words."""
        return {None: "not measured", True: "reached", False: "not reached"}[self.reached]

    @property
    def result(self) -> str:
        """Median, minimum and maximum, in the target's unit."""
        if self.found is None:
            return ""
        return " ".join([str(self.found), *([self.target.unit] if self.target.unit else [])])


def judgements(figures: Figures) -> list[Judgement]:
    """Judge every target, in the order of the page."""
    return [target.judge(figures) for target in TARGETS]


def table(found: Sequence[Judgement]) -> Table:
    """The table of targets, which a run prints last."""
    rows = [[one.target.what, one.target.wanted, one.result, one.verdict] for one in found]
    return Table(title="Figures to reach", headings=["", "wanted", "found", ""], rows=rows)


# -- what a figure is made of ------------------------------------------------------------------------------


def _ratio(ours: str, theirs: str, unit_of_theirs: float = 1.0) -> Values:
    """The ratio of two figures round by round; the second is multiplied by `unit_of_theirs` first."""
    return lambda figures: ratios(figures[ours], [unit_of_theirs * value for value in figures[theirs]])


def _plain(name: str) -> Values:
    return lambda figures: figures[name]


def _worst(name: str) -> Values:
    """The worst value of a figure over all rounds, for targets that every round must reach."""
    return lambda figures: [max(figures[name])]


def _convolutional_cpu(body: str) -> Values:
    """A convolutional request's CPU over its engine time plus 1.15 × a dense request's CPU outside its engine.

    Engine times are measured alone, at the batch size that the service formed, in turns with the services.
    """

    def values(figures: Figures) -> list[float]:
        dense, convolutional = f"dense/encode/{body}/1x64", f"convolutional/encode/{body}/1x64"
        rounds = zip(
            figures[f"latent/{dense}/cpu_us"],
            figures[f"{_ENGINE}/{dense}/us_per_image"],
            figures[f"{_ENGINE}/{convolutional}/us_per_image"],
            strict=True,
        )
        allowed = [own_us + 1.15 * (cpu_us - dense_us) for cpu_us, dense_us, own_us in rounds]
        return ratios(figures[f"latent/{convolutional}/cpu_us"], allowed)

    return values


def _share_of_engine(figures: Figures) -> list[float]:
    images_per_s = [64 * rate for rate in figures[f"latent/{_CONVOLUTIONAL_64}/requests_per_s"]]
    return ratios(images_per_s, [1e6 / us for us in figures[f"{_ENGINE}/{_CONVOLUTIONAL_64}/us_per_image"]])


def bound_at(load: float, refusal_cost: float) -> float:
    """The highest possible goodput at `load` × the capacity, given the cost of refusals: a share of the capacity, >= 0.

    With ρ = cost of a refusal / cost of an answer, g + ρ (load - g) = 1 gives g = (1 - load ρ) / (1 - ρ).
    """
    return max(0.0, (1.0 - load * refusal_cost) / (1.0 - refusal_cost)) if refusal_cost < 1.0 else 0.0


def _beyond_bound(figures: Figures) -> list[float]:
    """Goodput at 4 × the capacity minus its bound (`bound_at`), in percentage points."""
    rounds = zip(
        figures["overload/4/goodput_share"],
        figures["overload/4/sent_share"],
        figures["overload/refusal_cost"],
        strict=True,
    )
    return [100.0 * (share - bound_at(load, cost)) for share, load, cost in rounds]


def _worst_p99_over_p50(figures: Figures) -> list[float]:
    name = f"{_ENCODE}/json/1x1"
    return ratios(figures[f"{name}/p99_ms"], figures[f"{name}/p50_ms"])


def _requests() -> list[Target]:
    bounds = {
        "json": {"empty64": 1.0, "naive64": 9, "empty16": 0.9, "naive1": 3, "many": 12},
        "npy": {"empty64": 1.35, "naive64": 10, "empty16": 0.9, "naive1": 3.3, "many": 35},
    }
    found = []
    for body, bound in bounds.items():
        ours, empty, speed = f"{_ENCODE}/{body}", f"{_EMPTY}/{body}", "requests_per_s"
        found += [
            Target(
                f"{what}, {body}: to {whom}", "at least", bound[key], _ratio(f"{ours}/{load}", f"{other}/{load}"), "×"
            )
            for what, whom, key, load, other in (
                ("encode, 1 image, c=64", "the empty route", "empty64", f"1x64/{speed}", empty),
                ("encode, 1 image, c=64", "the naive service", "naive64", f"1x64/{speed}", _NAIVE),
                ("encode, 1 image, c=16", "the empty route", "empty16", f"1x16/{speed}", empty),
                ("encode, 1 image, c=1", "the naive service", "naive1", f"1x1/{speed}", _NAIVE),
                ("encode, 64 images a request", "the naive service", "many", f"64x4/{speed}", _NAIVE),
            )
        ]
        p99 = f"{ours}/1x64/p99_ms"
        found += [
            Target(f"encode, 1 image, c=64, {body}: p99", "at most", 25, _plain(p99), "ms"),
            Target(
                f"encode, 1 image, c=64, {body}: p99 to the naive service's eighth",
                "at most",
                1,
                _ratio(p99, f"{_NAIVE}/1x64/p99_ms", 1 / 8),
                "×",
            ),
        ]
    return [
        *found,
        Target("encode, 1 image, c=1, json: p99 to p50", "at most", 2, _worst_p99_over_p50, "×"),
    ]


TARGETS: tuple[Target, ...] = (
    *_requests(),
    Target("ready", "at most", 1.0, _plain("start/latent/dense/ready_s"), "s"),
    Target(
        "ready: to a third of the naive service's time",
        "at most",
        1,
        _ratio("start/latent/dense/ready_s", "start/naive/dense/ready_s", 1 / 3),
        "×",
    ),
    Target("resident while idle", "at most", 160, _plain("start/latent/dense/resident_mb"), "MB"),
    *(
        Target(
            f"convolutional, {body}, c=64: CPU to the engine's and 1.15 × the dense model's rest",
            "at most",
            1,
            _convolutional_cpu(body),
            "×",
        )
        for body in ("json", "npy")
    ),
    Target("convolutional, 64 images, npy: to the engine alone", "at least", 0.8, _share_of_engine, "×"),
    Target(
        "2 workers, convolutional, 64 images, npy: CPUs that they use",
        "at least",
        1.5,
        _plain(f"workers/2/{_CONVOLUTIONAL_64}/cpus"),
    ),
    Target("bulk, 70,000 images: to the engine on every CPU", "at least", 0.85, _plain("bulk/share_of_engine"), "×"),
    Target(
        "explorer: pictures while the point is dragged", "at least", 30, _plain("explorer/updates_per_s"), "a second"
    ),
    Target("explorer: first picture", "at most", 1.0, _plain("explorer/first_picture_s"), "s"),
    Target("swaps: failed requests", "at most", 0, _worst("swap/failed_requests")),
    Target("swaps: p99 to the quiet run's", "at most", 4, _ratio("swap/p99_ms", "swap/quiet_p99_ms"), "×"),
    Target("overload, 1.5 ×: goodput to the peak", "at least", 0.7, _plain("overload/1.5/goodput_share"), "×"),
    Target("overload, 4 ×: goodput less what refusing leaves", "at least", -10, _beyond_bound, "points"),
    *(
        target
        for load in ("1.5", "4")
        for target in (
            Target(f"overload, {load} ×: answers past their deadline", "at most", 0, _worst(f"overload/{load}/late")),
            Target(
                f"overload, {load} ×: neither 200 nor 503 with Retry-After",
                "at most",
                0,
                _worst(f"overload/{load}/other"),
            ),
            Target(
                f"overload, {load} ×: until every answer is a 200 again",
                "at most",
                2,
                _worst(f"overload/{load}/recovery_s"),
                "s",
            ),
        )
    ),
)
