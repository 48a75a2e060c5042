"""Every setting of the service: name, type, default and meaning, read from LATENT_… and nowhere else.

docs/settings.md lists them; a test holds the page to this class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, SecretStr
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from model_store.versions import near
from service.engines.base import Precision

PREFIX = "LATENT_"
OF_OTHERS = ("LATENT_DATA_DIR",)
"""Variables of the same prefix that training reads."""

EngineChoice = Literal["auto", "openvino", "tensorflow"]


def _prefix(path: str) -> str:
    """`/latent`, whichever slashes were written around it."""
    return f"/{path.strip('/')}" if path.strip("/") else ""


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[^\s/?#@:\[\]*]+)(:[0-9]{1,5})?")
_IMPLIED_PORTS = {"http": ":80", "https": ":443"}


def _origins(given: str | None) -> str | None:
    """Origins as browsers write them (RFC 6454, section 6.1): in lower case, without the scheme's own port."""
    origins = [part.strip().lower() for part in (given or "").split(",") if part.strip()]
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


class Settings(BaseSettings):
    """Read once, when the service starts. Raises pydantic.ValidationError for a value that does not fit."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    store: Path = Field(Path("store"), description="Directory of the model store.")
    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` for every interface.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="Port to listen on; 0 takes a free one.")
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
        description="Directory for what was measured of this machine; unset: `latent` in the user's cache directory."
        " It may be missing, read-only or emptied.",
    )
    workers: Annotated[int, Field(ge=1, le=256)] = Field(
        1, description="Processes that answer on the port; each loads every model, and shares the CPUs with the others."
    )
    model: str | None = Field(
        None, description="Serve this model alone, as `NAME`, `NAME@3` or `NAME@ALIAS`; every model otherwise."
    )
    default_model: str | None = Field(
        None, description="What a request without `model` means; otherwise the only model in the store."
    )
    load: Literal["eager", "lazy"] = Field(
        "eager", description="`eager` loads each model's served version at start, `lazy` at its first request."
    )
    watch_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        2.0, description="Seconds between looks at the store for new versions and moved aliases; 0 never looks."
    )
    memory_budget_bytes: Annotated[int, Field(ge=0)] = Field(
        0, description="Memory of all loaded versions; beyond it the least recently used are unloaded. 0: no limit."
    )
    fast_path: Literal["on", "off"] = Field(
        "on",
        description="`on` answers posted verbs past FastAPI's routing; `off` answers all by its routes, for more CPU.",
    )
    admin_key: SecretStr | None = Field(
        None, description="Key of `POST /models/NAME/reload`, sent as `Authorization: Bearer KEY`; off without one."
    )
    engine: EngineChoice = Field(
        "auto", description="`auto` takes OpenVINO and falls back to TensorFlow, if installed, where that fails."
    )
    precision: Precision = Field(
        "f32",
        description="`bf16` computes in bfloat16 (OpenVINO): faster where the CPU has it, off by up to a few percent.",
    )
    engine_threads: Annotated[int, Field(ge=0)] = Field(
        0, description="Threads of one engine call; 0 takes the usable CPUs divided by the workers."
    )
    max_batch_items: PositiveInt = Field(64, description="Most items in one engine call; larger requests are split.")
    queue_items: PositiveInt = Field(
        4096, description="Most items that wait for one half of a model; beyond it, 503 at once."
    )

    queue_bytes: PositiveInt = Field(
        256 * 2**20, description="The same in bytes of their arrays, for models whose items are large."
    )

    timeout_s: PositiveFloat = Field(30.0, description="Deadline of a request without `X-Request-Timeout`, seconds.")
    max_timeout_s: PositiveFloat = Field(300.0, description="Longest deadline that `X-Request-Timeout` may ask for.")
    keep_alive_s: PositiveInt = Field(
        75,
        description="How long a connection is kept on which nothing is asked, seconds: longer than what stands in front"
        " of the service keeps its own.",
    )
    head_timeout_s: PositiveFloat = Field(
        20.0, description="A request line with its headers that has begun and is not whole after this long is a 408."
    )
    body_timeout_s: PositiveFloat = Field(20.0, description="A body that has not arrived after this long is a 408.")
    max_body_bytes: PositiveInt = Field(32 * 2**20, description="Largest request body; beyond it, 413.")
    max_output_bytes: PositiveInt = Field(256 * 2**20, description="Largest answer, before encoding; beyond it, 422.")
    max_items: PositiveInt = Field(1024, description="Most items in a request or an answer; beyond it, 422.")
    max_pixels: PositiveInt = Field(2**24, description="Most pixels that an image's header may announce; else 413.")
    max_request_pixels: PositiveInt = Field(
        2**26, description="Most pixels that all images of a request may announce together; beyond it, 413."
    )
    write_timeout_s: PositiveFloat = Field(
        20.0, description="A client that takes nothing of its answer for this long is hung up on, seconds."
    )

    drain_s: Annotated[float, Field(ge=0)] = Field(
        0.0, description="After SIGTERM: seconds of answering with `/readyz` at 503, before the port closes."
    )
    shutdown_timeout_s: PositiveInt = Field(
        20, description="After the port has closed: seconds that requests in flight have to finish."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`json` lines, or `console` for people; `auto` is `console` on a terminal."
    )

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """`cors_origins` one by one; none where it is off."""
        return tuple(self.cors_origins.split(",")) if self.cors_origins is not None else ()


def misspelt(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Variables that begin like a setting and are none, each with the one that may have been meant."""
    known = [name.upper() for name in Settings.model_fields]
    found: dict[str, str | None] = {}
    for name in sorted(environment):
        rest = name.removeprefix(PREFIX)
        if rest != name and rest not in known and name not in OF_OTHERS:
            meant = near(rest, known)
            found[name] = PREFIX + meant[0] if meant else None
    return found
