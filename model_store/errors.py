"""Errors of the model store: one for each clause of the contract, for stores, versions and inputs.

No status codes here: each side says what an error means to its own users.
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of all errors of the model store. `str(error)` is one sentence for a person."""


# -- naming ------------------------------------------------------------------------------------------------


class BadName(StoreError):
    """A model, alias or version is not named as the contract says."""


class UnknownModel(StoreError):
    """The store has no published version of a model of that name."""

    def __init__(self, name: str, near: list[str], known: list[str]) -> None:
        self.name, self.near, self.known = name, near, known
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        listed = f" (the store has {', '.join(known)})" if known and not near else ""
        empty = " (the store is empty)" if not known else ""
        super().__init__(f"unknown model {name!r}{hint}{listed}{empty}")


class UnknownVersion(StoreError):
    """The model exists; this version or alias of it does not."""


# -- the state of the store --------------------------------------------------------------------------------


class _AtPath(StoreError):
    """What is said of a directory; `without_path` says it of a name alone, to those whom paths are no business of."""

    def __init__(self, subject: str, path: str, what: str) -> None:
        super().__init__(f"{subject} {path} {what}".lstrip())
        self.without_path = f"{subject or path.rpartition('/')[2]} {what}"


class StoreMissing(_AtPath):
    """The store's directory does not exist, or holds no model."""

    def __init__(self, path: str, what: str = "does not exist") -> None:
        super().__init__("the store", path, what)


class StoreUnreadable(_AtPath):
    """The store's directory is there, and cannot be read: permissions, an unmounted or a broken file system."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__("the store", path, what)


class ModelUnreadable(_AtPath):
    """A model's directory is there, and cannot be read."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__("", path, what)


class StoreNotWritable(StoreError):
    """The store cannot be written."""


class BadAliases(StoreError):
    """aliases.json cannot be read, was altered, or names a version that does not exist."""


class BadHistory(StoreError):
    """history.json cannot be read or was altered."""


class VersionInUse(StoreError):
    """The version cannot be removed: an alias points at it."""


class NothingToRollBack(StoreError):
    """The alias has no earlier version to go back to."""


# -- a version against its contract ------------------------------------------------------------------------


class VersionDamaged(StoreError):
    """Base of everything that makes a version unfit to be published or served."""


class IncompleteVersion(VersionDamaged):
    """manifest.json or manifest.sha256 is missing: the version was never finished."""


class FileUnreadable(VersionDamaged):
    """A file or a directory of the version is there, and cannot be read. It may pass without the version changing."""


class ManifestAltered(VersionDamaged):
    """manifest.json does not have the digest that manifest.sha256 records."""


class ManifestUnreadable(VersionDamaged):
    """manifest.json is not a valid manifest."""


class SchemaTooNew(VersionDamaged):
    """The manifest's schema version is newer than this release knows."""


class WrongPlace(VersionDamaged):
    """The manifest's name or version is not the directory it stands in."""


class UnsafePath(VersionDamaged):
    """A path in the manifest, or a link in the directory, leads out of the version."""


class FileMissing(VersionDamaged):
    """A file that the manifest lists does not exist."""


class FileAltered(VersionDamaged):
    """A file's size or SHA-256 is not what the manifest records."""


class FileUnlisted(VersionDamaged):
    """A file stands in the version that the manifest does not list."""


class RequiredFileMissing(VersionDamaged):
    """The manifest lists no encoder, decoder, golden.npz, prior.npz or heldout.npz."""


class GoldenInvalid(VersionDamaged):
    """golden.npz lacks an array, holds fewer than eight items, or its shapes are wrong."""


class ToleranceTooWide(VersionDamaged):
    """The manifest's tolerance is so wide that the goldens prove nothing."""


class GoldenMismatch(VersionDamaged):
    """An engine, or preprocessing, does not reproduce the recorded outputs."""


class PriorInvalid(VersionDamaged):
    """prior.npz is no Gaussian mixture over the model's codes."""


class HeldoutInvalid(VersionDamaged):
    """heldout.npz lacks an array, holds too many items, or its shapes are wrong."""


class ArtefactUnreadable(VersionDamaged):
    """A network's file is malformed, can be read in two ways, or is larger than a scan reads."""

    def standing_in(self, file: str) -> ArtefactUnreadable:
        """The same error, with the file that it is about."""
        return ArtefactUnreadable(f"{file}: {self}")


class ForbiddenOperation(VersionDamaged):
    """What is served reaches an operation that is not allowed: of files, network, Python, chance, or unknown."""

    def __init__(self, detail: str, *, operation: str = "", node: str = "", path: str = "") -> None:
        super().__init__(detail)
        self.operation, self.node, self.path = operation, node, path

    def standing_in(self, file: str) -> ForbiddenOperation:
        """The same error, with the file that it is about."""
        return ForbiddenOperation(f"{file}: {self}", operation=self.operation, node=self.node, path=self.path)


class BadSignature(VersionDamaged):
    """manifest.sig is not in the form in which it is written."""


class NotSigned(VersionDamaged):
    """Only versions that a trusted key has signed are used, and this one has no signature."""


class Untrusted(VersionDamaged):
    """Only versions that a trusted key has signed are used, and no valid signature of this one is by such a key."""


# -- keys --------------------------------------------------------------------------------------------------


class KeyUnreadable(StoreError):
    """A key file cannot be read or written, holds no Ed25519 key of the kind that is needed, or others may read it."""


# -- inputs ------------------------------------------------------------------------------------------------


class InputError(StoreError):
    """Base of what can be wrong with a user's image or array.

    `expected` and `got` say both sides; `loc` is the position in the array, where there is one.
    """

    def __init__(self, detail: str, *, expected: str, got: str, loc: tuple[str | int, ...] = ()) -> None:
        super().__init__(detail)
        self.expected, self.got, self.loc = expected, got, loc


class ImageUnreadable(InputError):
    """The bytes are not a complete image of a kind that is accepted."""


class ImageTooLarge(InputError):
    """The image's header announces more pixels than allowed."""


class WrongShape(InputError):
    """The array's rank or shape is not the model's."""


class WrongDtype(InputError):
    """The array's dtype is none that the model accepts."""


class NotFinite(InputError):
    """The array holds a NaN or an infinity."""


class OutOfRange(InputError):
    """A value lies outside the model's value range."""
