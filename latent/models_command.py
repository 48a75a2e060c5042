"""`latent models`: list, show, verify, scan, sign, promote and remove versions of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import typer

from latent import scan_command, signing_command
from latent.errors import CommandError
from latent.options import (
    DEFAULT_STORE,
    JsonOption,
    ReferenceArgument,
    StoreOption,
    TrustedKeysOption,
    VersionArgument,
    named,
)
from latent.output import Cell, on_terminal, print_json, print_pairs, print_table, say
from model_store import Manifest, ModelStore
from model_store.errors import StoreError, StoreMissing
from model_store.manifest import InputSpec
from model_store.signatures import TrustedKeys
from model_store.store import Listing
from model_store.versions import PRODUCTION, parse_reference

app = typer.Typer(help="List, show, verify, scan, sign, promote and remove the versions in the store.")

scan_command.register(app)
signing_command.register(app)

AliasOption = Annotated[str, typer.Option("--alias", metavar="ALIAS", help="The alias that is meant.")]

_MEBIBYTE = 2**20
_DATE = len("2026-01-01")
_TOO_LONG = ("anomaly.levels", "anomaly.quantiles")


@dataclass(frozen=True)
class ListedVersion:
    """One line of `latent models list`."""

    version: int
    aliases: list[str] = field(default_factory=list)
    family: str | None = None
    input: str | None = None
    latent: str | None = None
    bytes: int | None = None
    created_at: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    """Why its manifest or its aliases cannot be read; the other fields are empty then."""


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List, show, verify, scan, sign, promote and remove the versions in the store."""
    if context.invoked_subcommand is None:
        say(context.get_help())


@app.command("list")
def list_models(*, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Every model and version."""
    keeper = ModelStore(store)
    try:
        found = keeper.listing()
    except StoreMissing:
        found = Listing({}, {})
    listed = {name: [_listed(keeper, name, number) for number in numbers] for name, numbers in found.readable.items()}
    listed = {name: versions for name, versions in listed.items() if versions}
    if as_json:
        models = [{"name": name, "versions": [asdict(version) for version in listed[name]]} for name in listed]
        unreadable = [{"name": name, "error": str(error)} for name, error in found.unreadable.items()]
        print_json({"models": models, **({"unreadable": unreadable} if unreadable else {})})
    elif listed:
        _print_list(listed)
    elif not found.unreadable:
        say(f"The store {store} has no model. Train one: latent train mnist-vae --store {store}")
    if found.unreadable:
        number = len(found.unreadable)
        told = "1 directory cannot" if number == 1 else f"{number} directories cannot"
        raise CommandError(f"{told} be read: {_joined(list(found.unreadable.values()))}")


def _print_list(listed: dict[str, list[ListedVersion]]) -> None:
    print_table(
        ["model", "aliases", "input", "code", "mse", "PCA's", "published"],
        [
            [
                f"{name}@{version.version}",
                " ".join(version.aliases),
                version.error or version.input,
                version.latent,
                version.metrics.get("mse"),
                version.metrics.get("pca_mse"),
                version.created_at and version.created_at[: _DATE if on_terminal() else None],
            ]
            for name, versions in listed.items()
            for version in versions
        ],
        folding=["input"],
    )


@app.command()
def show(
    reference: ReferenceArgument,
    version: VersionArgument = None,
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """What a version is: input, code, quality, data, files."""
    keeper = ModelStore(store)
    name, number = keeper.resolve(named(reference, version))
    manifest, aliases = keeper.manifest(name, number), _aliases_of(keeper, name, number)
    if as_json:
        print_json({"aliases": aliases, "manifest": manifest.model_dump(mode="json")})
        return
    metrics, anomaly, size = manifest.metrics, manifest.anomaly, _bytes(manifest) / _MEBIBYTE
    say(f"{name}@{number}  {manifest.intended_use}\n")
    print_pairs(
        [
            ("aliases", " ".join(aliases) or None),
            ("published", manifest.created_at.isoformat()),
            ("family", manifest.family),
            ("input", _input_text(manifest.input)),
            ("classes", ", ".join(manifest.input.class_names or ()) or None),
            ("code", _latent_text(manifest)),
            ("likelihood", _likelihood_text(manifest)),
            (
                "anomaly above",
                f"mse {anomaly.threshold:g} ({anomaly.threshold_level:.1%} of held-out items are below)",
            ),
            ("data", f"{manifest.dataset.name} ({manifest.dataset.licence}), {_items_text(manifest)}"),
            ("engines", " ".join(manifest.engines) or None),
            ("seed", manifest.seed),
            ("libraries", ", ".join(f"{library} {used}" for library, used in manifest.libraries.items())),
            ("files", f"{len(manifest.files)}, {size:.2f} MiB, in {keeper.directory(name, number)}"),
        ]
    )
    say("")
    print_table(
        ["on held-out items", "model", "PCA, same dimension"],
        [[key, value, metrics.get(f"pca_{key}")] for key, value in metrics.items() if not key.startswith("pca_")],
    )


@app.command()
def verify(
    reference: Annotated[
        str | None, typer.Argument(metavar="[NAME[@VERSION]]", help="Everything in the store without it.")
    ] = None,
    version: VersionArgument = None,
    *,
    trusted_keys: TrustedKeysOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Check every byte of a version, of a model, or of the whole store."""
    findings = list(
        ModelStore(store, TrustedKeys.read(trusted_keys)).verify(
            None if reference is None else named(reference, version)
        )
    )
    if as_json:
        print_json(
            [
                {
                    "subject": finding.subject,
                    "error": type(finding.error).__name__ if finding.error else None,
                    "detail": str(finding.error) if finding.error else None,
                }
                for finding in findings
            ]
        )
    else:
        for finding in findings:
            verdict = f"{type(finding.error).__name__}: {finding.error}" if finding.error else "sound"
            say(f"{finding.subject}: {verdict}")
    damaged = [finding.subject for finding in findings if finding.error]
    if damaged:
        raise CommandError(f"{len(damaged)} of {len(findings)} damaged: {', '.join(damaged)}")


@app.command()
def promote(
    reference: ReferenceArgument,
    version: VersionArgument = None,
    *,
    alias: AliasOption = PRODUCTION,
    trusted_keys: TrustedKeysOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Point an alias at a version (the newest, where none is named)."""
    name, number = ModelStore(store, TrustedKeys.read(trusted_keys)).promote(named(reference, version), alias)
    _say_alias(name, number, alias, f"{name}@{number} is {alias}", as_json=as_json)


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model.", show_default=False)],
    *,
    alias: AliasOption = PRODUCTION,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Point an alias at what it was before its last promotion."""
    if parse_reference(name).selector is not None:
        raise CommandError(f"rollback takes a model's name and --alias, not {name!r}")
    name, number = ModelStore(store).roll_back(name, alias)
    _say_alias(name, number, alias, f"{name}@{number} is {alias} again", as_json=as_json)


@app.command()
def diff(
    left: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="One version.", show_default=False)],
    right: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="The other.", show_default=False)],
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """What differs between two versions."""
    keeper = ModelStore(store)
    sides = [keeper.resolve(named(left)), keeper.resolve(named(right))]
    flat = [_flat(keeper.manifest(*side).model_dump(mode="json")) for side in sides]
    headings = [f"{name}@{number}" for name, number in sides]
    differing = [key for key in {**flat[0], **flat[1]} if flat[0].get(key) != flat[1].get(key)]
    if as_json:
        fields = {key: [side.get(key) for side in flat] for key in differing}
        print_json({"left": headings[0], "right": headings[1], "differing": fields})
        return
    shown = [key for key in differing if key not in _TOO_LONG and not key.startswith("files.")]
    if not shown:
        say(f"{headings[0]} and {headings[1]} say the same of themselves")
        return
    rows = [[key, *(_value(side.get(key)) for side in flat)] for key in shown]
    print_table(["field", *headings], rows, folding=headings)


@app.command("rm")
def remove(
    reference: ReferenceArgument,
    version: VersionArgument = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every version of NAME that no alias points at.")] = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Remove a version. Its number is never given again."""
    keeper = ModelStore(store)
    wanted = named(reference, version)
    parsed = parse_reference(wanted)
    if every and parsed.selector is not None:
        raise CommandError("--all takes a model's name alone")
    if not every and parsed.selector is None:
        known = ", ".join(map(str, keeper.versions(parsed.name)))
        raise CommandError(f"say which version of {parsed.name} to remove, such as {parsed.name}@N (it has {known})")
    if every:
        held = set(keeper.aliases(parsed.name).values())
        doomed = [(parsed.name, number) for number in keeper.versions(parsed.name) if number not in held]
    else:
        doomed = [keeper.resolve(parsed)]
    for name, number in doomed:
        keeper.remove(name, number)
        if not as_json:
            say(f"removed {name}@{number}")
    if as_json:
        print_json({"removed": [f"{name}@{number}" for name, number in doomed]})
    elif not doomed:
        say(f"nothing to remove: an alias points at every version of {parsed.name}")


@app.command("gc")
def collect_garbage(*, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Remove what killed publishers left behind."""
    collected = ModelStore(store).collect_garbage()
    if as_json:
        print_json({"removed": [str(path) for path in collected.removed]})
    else:
        for path in collected.removed:
            say(f"removed {path}")
        if not collected.removed and not collected.failed:
            say("nothing to remove")
    if collected.failed:
        raise CommandError(f"{len(collected.failed)} not looked at or not removed: {_joined(collected.failed)}")


def _joined(errors: Sequence[StoreError]) -> str:
    return "; ".join(map(str, errors))


def _say_alias(name: str, version: int, alias: str, sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "version": version, "alias": alias})
    else:
        say(sentence)


def _aliases_of(store: ModelStore, name: str, version: int) -> list[str]:
    return sorted(alias for alias, number in store.aliases(name).items() if number == version)


def _listed(store: ModelStore, name: str, version: int) -> ListedVersion:
    try:
        manifest, aliases = store.manifest(name, version), _aliases_of(store, name, version)
    except StoreError as error:
        return ListedVersion(version, error=f"{type(error).__name__}: {error}")
    return ListedVersion(
        version,
        aliases=aliases,
        family=manifest.family,
        input=_input_text(manifest.input),
        latent=_latent_text(manifest),
        bytes=_bytes(manifest),
        created_at=manifest.created_at.isoformat(),
        metrics=manifest.metrics,
    )


def _bytes(manifest: Manifest) -> int:
    return sum(file.size for file in manifest.files.values())


def _input_text(spec: InputSpec) -> str:
    shape = "×".join(map(str, spec.shape))
    given = " with labels" if spec.conditional else ""
    return f"{spec.kind} {shape}{given}"


def _latent_text(manifest: Manifest) -> str:
    return f"{manifest.latent.dim} {manifest.latent.distribution}"


def _likelihood_text(manifest: Manifest) -> str:
    sigma = manifest.likelihood.sigma
    return manifest.likelihood.kind + (f", sigma {sigma:g}" if sigma is not None else "")


def _items_text(manifest: Manifest) -> str:
    data = manifest.dataset
    return f"{data.train_items} training, {data.validation_items} validation, {data.test_items} test items"


def _flat(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _value(value: Any) -> Cell:  # noqa: ANN401 - whatever a manifest holds
    return value if isinstance(value, float | int | str | None) and not isinstance(value, bool) else str(value)
