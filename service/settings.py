"""Every setting of the service: name, type, default and meaning, read from LATENT_… and nowhere else.

docs/settings.md lists them; a test holds the page to this class.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, SecretStr, WithJsonSchema
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from model_store.errors import BadName
from model_store.files import words
from model_store.versions import near, parse_reference
from service.engines.base import Precision
from service.environment import DEFAULT_PORT, PREFIX, given, is_service_link

OF_OTHERS = ("LATENT_DATA_DIR",)
"""Variables of the same prefix that training reads."""

EngineChoice = Literal["auto", "openvino", "tensorflow"]


# -- kinds of values ---------------------------------------------------------------------------------------

_DAY_S = 86_400
_MOST_ITEMS, _MOST_BYTES = 10**12, 10**15
"""Far more than any machine has, so that a slip of the pen is refused, and a limit can be as good as none."""

Seconds = Annotated[float, Field(gt=0, le=_DAY_S, allow_inf_nan=False)]
SecondsOrNone = Annotated[float, Field(ge=0, le=_DAY_S, allow_inf_nan=False)]
WholeSeconds = Annotated[int, Field(gt=0, le=_DAY_S)]
Items = Annotated[int, Field(gt=0, le=_MOST_ITEMS)]
Bytes = Annotated[int, Field(gt=0, le=_MOST_BYTES)]


def _prefix(path: str) -> str:
    """`/latent`, whichever slashes were written around it."""
    return f"/{path.strip('/')}" if path.strip("/") else ""


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[^\s/?#@:\[\]*]+)(:[0-9]{1,5})?")
_IMPLIED_PORTS = {"http": ":80", "https": ":443"}


def _origins(text: str | None) -> str | None:
    """Origins as browsers write them (RFC 6454, section 6.1): in lower case, without the scheme's own port."""
    origins = [part.strip().lower() for part in (text or "").split(",") if part.strip()]
    if origins == ["*"]:
        return "*"
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise PydanticCustomError(
                "origins",
                "{origin} is no origin: write scheme://host or scheme://host:port without a path, several with commas"
                " between them, or * alone for any",
                {"origin": repr(origin)},
            )
    return ",".join(origin.removesuffix(_IMPLIED_PORTS.get(origin.partition(":")[0], "")) for origin in origins) or None


def _reference(text: str) -> str:
    """A well-formed reference to a model; whether the store has it is another question."""
    try:
        return str(parse_reference(text))
    except BadName as error:
        raise PydanticCustomError("reference", "{reason}", {"reason": str(error)}) from None


def _sendable(secret: SecretStr) -> SecretStr:
    """A secret as a client can send it in a header: no blanks around it, which headers lose, nothing unprintable."""
    text = secret.get_secret_value().strip()
    if not all(character.isprintable() and character <= "\xff" for character in text):
        raise PydanticCustomError(
            "secret", "no header can hold it: it has a line break, another control character or one beyond Latin-1"
        )
    return SecretStr(text)


def _there(path: Path) -> Path:
    """A path of something that is there; whoever reads it says what is wrong with it."""
    try:
        path.stat()
    except OSError as error:
        raise PydanticCustomError("path", "it cannot be read ({reason})", {"reason": words(error)}) from None
    return path


ModelReference = Annotated[str, AfterValidator(_reference)]
Secret = Annotated[SecretStr, AfterValidator(_sendable)]
FileOfKeys = Annotated[Path, AfterValidator(_there), WithJsonSchema({"type": "string", "format": "file-path"})]


# -- the settings ------------------------------------------------------------------------------------------


class _Environment(EnvSettingsSource):
    """The environment variables; what is set and empty counts as not set."""

    def __init__(self, settings: type[BaseSettings]) -> None:
        super().__init__(settings)
        self.env_vars = {name.lower(): value for name, value in given(os.environ).items()}


class Settings(BaseSettings):
    """Read once, when the service starts. Raises pydantic.ValidationError for a value that does not fit."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    store: Path = Field(Path("store"), description="Directory of the model store.")
    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` for every interface.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        DEFAULT_PORT, description="Port to listen on; 0 takes a free one."
    )
    unix_socket: str | None = Field(
        None,
        description="Path of a Unix socket to listen on, which its owner and group may use. With one the service"
        " listens on a port only where `LATENT_PORT` or `--port` is set.",
    )
    root_path: Annotated[str, AfterValidator(_prefix)] = Field(
        "", description="Path prefix under which a proxy serves the application, such as `/latent`."
    )

    cors_origins: Annotated[str | None, AfterValidator(_origins)] = Field(
        None,
        description="Origins whose pages may read the answers, such as `https://lab.example`, separated by commas; `*`"
        " for any. Off without one.",
    )
    cache_dir: Path | None = Field(
        None,
        description="Directory for what was measured of this machine; unset: `latent` in the user's cache directory, if"
        " there is a home. It may be missing, read-only or emptied.",
    )
    workers: Annotated[int, Field(ge=1, le=256)] = Field(
        1, description="Processes that answer on the port; each loads every model, and shares the CPUs with the others."
    )
    watchdog_s: SecondsOrNone = Field(
        30.0,
        description="With several workers: one whose event loop has stood still for this long, seconds, is replaced; 0"
        " never replaces one.",
    )
    model: ModelReference | None = Field(
        None, description="Serve this model alone, as `NAME`, `NAME@3` or `NAME@ALIAS`; every model otherwise."
    )
    default_model: ModelReference | None = Field(
        None, description="What a request without `model` means; otherwise the only model in the store."
    )
    trusted_keys: FileOfKeys | None = Field(
        None,
        description="File of public keys in PEM; only versions that one of them has signed are served. Unset:"
        " signatures are not looked at.",
    )
    load: Literal["eager", "lazy"] = Field(
        "eager", description="`eager` loads each model's served version at start, `lazy` at its first request."
    )
    watch_s: SecondsOrNone = Field(
        2.0, description="Seconds between looks at the store for new versions and moved aliases; 0 never looks."
    )
    memory_budget_bytes: Annotated[int, Field(ge=0, le=_MOST_BYTES)] = Field(
        0, description="Memory of all loaded versions; beyond it the least recently used are unloaded. 0: no limit."
    )
    fast_path: Literal["on", "off"] = Field(
        "on",
        description="`on` answers posted verbs past FastAPI's routing; `off` answers all by its routes, for more CPU.",
    )
    admin_key: Secret | None = Field(
        None, description="Key of `POST /models/NAME/reload`, sent as `Authorization: Bearer KEY`; off without one."
    )
    engine: EngineChoice = Field(
        "auto", description="`auto` takes OpenVINO and falls back to TensorFlow, if installed, where that fails."
    )
    precision: Precision = Field(
        "f32",
        description="`bf16` computes in bfloat16 (OpenVINO): faster where the CPU has it, off by up to a few percent.",
    )
    engine_threads: Annotated[int, Field(ge=0, le=1024)] = Field(
        0, description="Threads of one engine call; 0 takes the usable CPUs divided by the workers."
    )
    max_batch_items: Annotated[int, Field(gt=0, le=65_536)] = Field(
        64, description="Most items in one engine call; larger requests are split."
    )
    queue_items: Items = Field(
        4096, description="Most items that wait for one half of a model; beyond it, 503 at once."
    )

    queue_bytes: Bytes = Field(
        256 * 2**20, description="The same in bytes of their arrays, for models whose items are large."
    )

    timeout_s: Seconds = Field(30.0, description="Deadline of a request without `X-Request-Timeout`, seconds.")
    max_timeout_s: Seconds = Field(300.0, description="Longest deadline that `X-Request-Timeout` may ask for.")
    keep_alive_s: WholeSeconds = Field(
        75,
        description="How long a connection is kept on which nothing is asked, seconds: longer than what stands in front"
        " of the service keeps its own.",
    )
    head_timeout_s: Seconds = Field(
        20.0, description="A request line with its headers that has begun and is not whole after this long is a 408."
    )
    body_timeout_s: Seconds = Field(20.0, description="A body that has not arrived after this long is a 408.")
    max_body_bytes: Bytes = Field(32 * 2**20, description="Largest request body; beyond it, 413.")
    max_output_bytes: Bytes = Field(256 * 2**20, description="Largest answer, before encoding; beyond it, 422.")
    max_items: Items = Field(1024, description="Most items in a request or an answer; beyond it, 422.")
    max_pixels: Items = Field(2**24, description="Most pixels that an image's header may announce; else 413.")
    max_request_pixels: Items = Field(
        2**26, description="Most pixels that all images of a request may announce together; beyond it, 413."
    )
    max_in_flight_bytes: Bytes = Field(
        2**30,
        description="Most bytes that all requests of a process hold together (bodies, decoded items, answers that are"
        " not sent yet); beyond it, 503.",
    )
    write_timeout_s: Seconds = Field(
        20.0, description="A client that takes nothing of its answer for this long is hung up on, seconds."
    )

    drain_s: SecondsOrNone = Field(
        0.0, description="After SIGTERM: seconds of answering with `/readyz` at 503, before the port closes."
    )
    shutdown_timeout_s: WholeSeconds = Field(
        20, description="After the port has closed: seconds that requests in flight have to finish."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`json` lines, or `console` for people; `auto` is `console` on a terminal."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Called by pydantic-settings: arguments win over environment variables, and there is nothing else."""
        del env_settings, dotenv_settings, file_secret_settings
        return init_settings, _Environment(settings_cls)

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """`cors_origins` one by one; none where it is off."""
        return tuple(self.cors_origins.split(",")) if self.cors_origins is not None else ()


def _is_secret(annotation: Any) -> bool:  # noqa: ANN401 - any type
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


SECRETS = frozenset(name for name, field in Settings.model_fields.items() if _is_secret(field.annotation))
"""Settings whose values no message shows."""


def misspelt(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Variables that begin like a setting and are none, each with the one that may have been meant."""
    known = [name.upper() for name in Settings.model_fields]
    found: dict[str, str | None] = {}
    for name in sorted(environment):
        rest = name.removeprefix(PREFIX)
        if rest == name or rest in known or name in OF_OTHERS or is_service_link(name, environment[name]):
            continue
        meant = near(rest, known)
        found[name] = PREFIX + meant[0] if meant else None
    return found
