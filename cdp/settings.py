"""Settings: environment variables with the prefix CDP_, then `cdp.toml`, then defaults. Typed and frozen."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from cdp.errors import ConfigurationError

DATA = Path(__file__).resolve().parent.parent / "data"

Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
MemorySize = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?\s?[KMGT]i?B$")]


class Settings(BaseSettings):
    """What a running system is told. Read once, at the edge, and passed on as an argument."""

    model_config = SettingsConfigDict(
        env_prefix="CDP_", env_nested_delimiter="__", toml_file="cdp.toml", frozen=True, extra="forbid"
    )

    home: Path = Field(Path("var"), description="the folder that holds everything the system owns")
    store_url: str | None = Field(None, description="SQLAlchemy URL of the profile store")
    public_url: str = Field("http://127.0.0.1:8000", description="how clients and providers reach the API")
    default_region: Region = Field("US", description="ISO country of phone numbers without a prefix")
    segments: Path = Field(DATA / "segments.yaml", description="the catalogue of segments")
    source_priority: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="sources whose values win over more recent ones, most trusted first; parted by commas"
    )
    threads: int = Field(os.cpu_count() or 1, ge=1, description="worker threads of the warehouse")
    memory_limit: MemorySize = Field("4GB", description="memory the warehouse may use before it spills to disk")

    @field_validator("source_priority", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def effective_store_url(self) -> str:
        """The store's URL; SQLite below `home` unless another is set."""
        return self.store_url or f"sqlite:///{(self.home / 'store.sqlite').resolve()}"

    @property
    def reference(self) -> Path:
        """The folder of the shipped reference lists."""
        return DATA / "reference"

    @property
    def sample(self) -> Path:
        """The folder of the shipped sample logs."""
        return DATA / "sample"


def load_settings() -> Settings:
    """Read the settings in force.

    Raises:
        ConfigurationError: a value does not fit, or `cdp.toml` is not TOML or has an unknown key.
    """
    try:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"not TOML: {error}", where="cdp.toml") from None
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"the setting {name} is not valid: {first['msg']}",
            where=f"CDP_{name.upper()} or cdp.toml",
            hint="See `cdp config` for what is in force",
        ) from None


def origin_of(name: str) -> str:
    """Where the value of the setting `name` came from: environment, cdp.toml or default."""
    if f"CDP_{name.upper()}" in {key.upper() for key in os.environ}:
        return "environment"
    toml = TomlConfigSettingsSource(Settings)()
    return "cdp.toml" if name in toml else "default"
