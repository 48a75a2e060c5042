"""Aliases of a model and their history: which version is `production`, and which was before.

history.json is the truth and is written first, as unsettled; aliases.json, which readers use, follows from it; then the
history is settled. A writer that dies in between leaves the old aliases or the new, and the next writer brings them up
to date. Both are written in one canonical form, and history.json carries its own digest, so that one altered byte in
either is found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, PositiveInt, TypeAdapter, ValidationError

from model_store.durable import locked, write_durably
from model_store.errors import BadAliases, BadHistory, NothingToRollBack, StoreError, UnknownVersion, VersionInUse
from model_store.files import read_bounded, words
from model_store.limits import ALIASES_BYTES, HISTORY_BYTES
from model_store.manifest import utc_now
from model_store.versions import check_alias, parse_version

ALIASES = "aliases.json"
HISTORY = "history.json"

Aliases = dict[str, int]
_ALIASES = TypeAdapter(dict[str, PositiveInt])


class Event(BaseModel):
    """One promotion, or the rollback that undid one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: AwareDatetime
    event: Literal["promote", "rollback"]
    alias: str
    version: PositiveInt


class History(BaseModel):
    """history.json: the next version number, promotions and rollbacks in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    next_version: PositiveInt = 1
    settled: bool = True
    events: tuple[Event, ...] = ()

    def with_event(self, event: Literal["promote", "rollback"], alias: str, version: int) -> Self:
        """Return the history with one more event, at the present time."""
        happened = Event(at=utc_now(), event=event, alias=alias, version=version)
        return self.model_copy(update={"events": (*self.events, happened)})

    def stacks(self) -> dict[str, list[int]]:
        """List for each alias the versions that a rollback can return to, the current one last."""
        return _replay(self.events)

    def aliases(self) -> Aliases:
        """Return the version that each alias means after all events."""
        return _current(self.stacks())


def _replay(events: Sequence[Event]) -> dict[str, list[int]]:
    stacks: dict[str, list[int]] = {}
    for event in events:
        stack = stacks.setdefault(event.alias, [])
        if event.event == "promote":
            stack.append(event.version)
        else:
            stack.pop()
    return stacks


def _current(stacks: Mapping[str, Sequence[int]]) -> Aliases:
    return {alias: stack[-1] for alias, stack in stacks.items() if stack}


# -- reading -----------------------------------------------------------------------------------------------


def read_aliases(model: Path) -> Aliases:
    """Read which version each alias of a model means; empty where none was ever set. Raises BadAliases."""
    return parse_aliases(model, read_alias_bytes(model))


def read_alias_bytes(model: Path) -> bytes | None:
    """Read aliases.json, unparsed; None where there is none. Raises BadAliases where it cannot be read."""
    return _read(model / ALIASES, ALIASES_BYTES, BadAliases)


def parse_aliases(model: Path, data: bytes | None) -> Aliases:
    """Read the content of aliases.json. Raises BadAliases."""
    if data is None:
        return {}
    try:
        aliases = _ALIASES.validate_json(data)
    except ValidationError as error:
        raise BadAliases(f"{ALIASES} of {model.name} cannot be read") from error
    if _aliases_json(aliases) != data:
        raise BadAliases(f"{ALIASES} of {model.name} is not in the form in which it was written")
    return aliases


def read_history(model: Path) -> History:
    """Read a model's history; empty where there is none yet. Raises BadHistory."""
    data = _read(model / HISTORY, HISTORY_BYTES, BadHistory)
    if data is None:
        return History()
    try:
        document = json.loads(data)
        document.pop("sha256")
        history = History.model_validate_json(json.dumps(document))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise BadHistory(f"{HISTORY} of {model.name} cannot be read") from error
    if _history_json(history) != data:
        raise BadHistory(f"{HISTORY} of {model.name} was altered: it does not have its own digest")
    try:
        history.stacks()
    except IndexError as error:
        raise BadHistory(f"{HISTORY} of {model.name} rolls back what was never promoted") from error
    return history


def verify_aliases(model: Path) -> None:
    """Check history and aliases against each other and against the versions that exist.

    Where the history is not settled, aliases.json may be one event behind: that is what a writer that was killed
    leaves. Raises BadHistory, BadAliases.
    """
    history, aliases = read_history(model), read_aliases(model)
    while (latest := read_history(model)) != history:  # a writer was at work in between
        history, aliases = latest, read_aliases(model)
    allowed = [history.aliases()]
    if not history.settled:
        allowed.append(_current(_replay(history.events[:-1])))
    if aliases not in allowed:
        raise BadAliases(f"{ALIASES} of {model.name} does not follow from {HISTORY}")
    versions = published_versions(model)
    for alias, version in aliases.items():
        if version not in versions:
            raise BadAliases(f"{ALIASES} of {model.name}: {alias} is version {version}, which does not exist")


def published_versions(model: Path) -> list[int]:
    """List the version numbers in a model's directory, ascending, unfinished versions included."""
    try:
        numbers = [parse_version(path.name) for path in model.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(number for number in numbers if number is not None)


# -- writing: the caller of the first two holds the model's lock ------------------------------------------


def next_version(model: Path) -> int:
    """Return the next version number: larger than that of every version that exists or existed."""
    return max(read_history(model).next_version, *(v + 1 for v in published_versions(model)), 1)


def record_publication(model: Path, version: int) -> None:
    """Record in the history that a version number is taken, so that it is never used again."""
    _settle(model, _recover(model).model_copy(update={"next_version": version + 1}))


def promote(model: Path, version: int, alias: str) -> None:
    """Point an alias at a version. Raises UnknownVersion, BadName, BadHistory or StoreNotWritable."""
    check_alias(alias)
    with locked(model):
        if version not in published_versions(model):
            raise UnknownVersion(f"{model.name} has no version {version}")
        history = _recover(model)
        if history.aliases().get(alias) != version:
            history = history.with_event("promote", alias, version)
        _settle(model, history)


def roll_back(model: Path, alias: str) -> int:
    """Point an alias at the version it had before its last promotion; return that version.

    Raises NothingToRollBack where there was none, UnknownVersion where it was removed since.
    """
    check_alias(alias)
    with locked(model):
        history = _recover(model)
        stack = history.stacks().get(alias, [])
        if len(stack) < 2:
            raise NothingToRollBack(
                f"{alias} of {model.name} has pointed at "
                + (f"version {stack[0]} only" if stack else "no version")
                + ": there is nothing to roll back to"
            )
        if stack[-2] not in published_versions(model):
            raise UnknownVersion(f"{model.name}@{stack[-2]}, which {alias} was before, has been removed")
        _settle(model, history.with_event("rollback", alias, stack[-2]))
        return stack[-2]


def release(model: Path, version: int) -> None:
    """Check that a version may be removed, and keep its number taken; the caller holds the lock.

    Raises VersionInUse where an alias points at it.
    """
    history = _recover(model)
    holders = [alias for alias, pointed in history.aliases().items() if pointed == version]
    if holders:
        raise VersionInUse(
            f"{model.name}@{version} is {' and '.join(holders)}: promote another version before removing it"
        )
    _settle(model, history.model_copy(update={"next_version": next_version(model)}))


def _recover(model: Path) -> History:
    """Read the history and finish the promotion that a killed writer left half done."""
    history = read_history(model)
    if not history.settled:
        _settle(model, history)
    return history


def _settle(model: Path, history: History) -> None:
    """Write the history, then aliases.json if it does not yet follow from the history."""
    aliases = _aliases_json(history.aliases()) if history.events else None
    if aliases is not None and not _holds(model / ALIASES, aliases):
        write_durably(model / HISTORY, _history_json(history.model_copy(update={"settled": False})))
        write_durably(model / ALIASES, aliases)
    write_durably(model / HISTORY, _history_json(history.model_copy(update={"settled": True})))


def _holds(path: Path, data: bytes) -> bool:
    """Whether a file has this content. One that cannot be read has not: it is replaced."""
    try:
        return read_bounded(path, len(data)) == data
    except OSError:
        return False


def _read(path: Path, max_bytes: int, bad: type[StoreError]) -> bytes | None:
    try:
        return read_bounded(path, max_bytes)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise bad(f"{path.name} of {path.parent.name} cannot be read ({words(error)})") from error


def _aliases_json(aliases: Aliases) -> bytes:
    return json.dumps(aliases, sort_keys=True).encode() + b"\n"


def _history_json(history: History) -> bytes:
    document = history.model_dump(mode="json")
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return json.dumps(document | {"sha256": digest}, indent=1).encode() + b"\n"
