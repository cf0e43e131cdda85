"""Settings: environment variables with the prefix CDP_, then `cdp.toml`, then defaults. Typed and frozen."""

from __future__ import annotations

import os
import stat
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from cdp.errors import ConfigurationError

DATA = Path(__file__).resolve().parent.parent / "data"

Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
HTTP_URL = r"^https?://[^\s/?#]+(/[^\s?#]*)?$"
HttpUrlText = Annotated[str, StringConstraints(pattern=HTTP_URL)]
MemorySize = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?\s?[KMGT]i?B$")]


def _secret_text(value: object) -> object:
    """Join a list with commas. An empty secret counts as unset, because nothing may be verified with it."""
    text = ",".join(map(str, value)) if isinstance(value, list) else value
    return (text.strip() or None) if isinstance(text, str) else text


# Provider → secret → value, None if empty. `cdp.providers.secrets` knows the secrets that exist.
WebhookSecrets = dict[str, dict[str, Annotated[SecretStr | None, BeforeValidator(_secret_text)]]]


class Settings(BaseSettings):
    """The settings of a running system. Read once, at the edge, and passed on as an argument."""

    model_config = SettingsConfigDict(
        env_prefix="CDP_", env_nested_delimiter="__", toml_file="cdp.toml", frozen=True, extra="forbid"
    )

    home: Path = Field(Path("var"), description="the folder of all data that the system writes")
    store_url: str | None = Field(None, description="SQLAlchemy URL of the profile store")
    public_url: HttpUrlText = Field(
        "http://127.0.0.1:8000", description="URL at which clients and providers reach the API"
    )
    default_region: Region = Field("US", description="ISO country of phone numbers without a country code")
    segments: Path = Field(DATA / "segments.yaml", description="the catalogue of segments")
    templates: Path = Field(DATA / "templates", description="the folder of message templates")
    brand: Path = Field(DATA / "brand.yaml", description="the brand: names, colours, legal lines, words")
    policy: Path = Field(DATA / "policy.yaml", description="the contact policy: quiet hours, caps, consent, scores")
    identifier_values: Path | None = Field(None, description="an additional list of junk and generic identifier values")
    model: str | None = Field(
        None,
        description="the identity model: `shipped`, or a version in `models/`; by default the runs train their own",
    )
    source_priority: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="sources whose values win over more recent ones, most trusted first; comma-separated"
    )
    oidc_issuer: HttpUrlText | None = Field(
        None, description="an authorisation server whose access tokens are also accepted"
    )
    rate_limit: int = Field(300_000, ge=1, description="requests per minute and client")
    analytics_js: Path | None = Field(
        None, description="the file of analytics.js that Segment's snippet loads, from @segment/analytics-next"
    )
    webhooks: WebhookSecrets = Field({}, description="secrets that verify the providers' webhooks")
    providers: WebhookSecrets = Field({}, description="what the providers' senders need: `cdp send list` shows it")
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
        """The store's URL; by default a SQLite file in `home`."""
        return self.store_url or f"sqlite:///{(self.home / 'store.sqlite').resolve()}"

    @property
    def reference(self) -> Path:
        """The folder of the shipped reference lists."""
        return DATA / "reference"

    @property
    def identifier_value_lists(self) -> tuple[Path, ...]:
        """The lists of patterns of junk and generic values: the shipped one, then the configured one."""
        own = (self.identifier_values,) if self.identifier_values else ()
        return (self.reference / "identifier_values.csv", *own)

    @property
    def sample(self) -> Path:
        """The folder of the shipped sample logs."""
        return DATA / "sample"


_NESTED_HINT = "Set each value separately, such as CDP_WEBHOOKS__TWILIO__AUTH_TOKEN"


def load_settings() -> Settings:
    """Read the settings in force.

    Raises:
        ConfigurationError: a value is invalid, or `cdp.toml` is not TOML or has an unknown key.
    """
    try:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"not TOML: {error}", where="cdp.toml") from None
    except UnicodeDecodeError:
        raise ConfigurationError("not UTF-8", where="cdp.toml") from None
    except SettingsError:
        raise ConfigurationError("a nested setting is not JSON", where="CDP_WEBHOOKS", hint=_NESTED_HINT) from None
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"the setting {name} is not valid: {first['msg']}",
            where=f"{variable_of(name)} or cdp.toml",
            hint="`cdp config` shows the settings in force",
        ) from None


def variable_of(name: str) -> str:
    """The environment variable of a setting; the name of a nested one is dotted: webhooks.twilio.auth_token."""
    return f"CDP_{name.replace('.', '__').upper()}"


def origin_of(name: str) -> str:
    """The origin of the value of the setting `name`: environment, cdp.toml or default."""
    if variable_of(name) in {key.upper() for key in os.environ}:
        return "environment"
    content: object = TomlConfigSettingsSource(Settings)()
    for part in name.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return "default" if content is None else "cdp.toml"


def keep_private(home: Path) -> None:
    """Have this process make files for its user alone, and close what an earlier version left open in `home`."""
    os.umask(0o077)
    for path in (home, *home.rglob("*")) if home.exists() else ():
        # Files come and go; those of another user stay as that user wants them.
        with suppress(FileNotFoundError, PermissionError):
            mode = path.lstat().st_mode
            if mode & 0o077 and not path.is_symlink():
                path.chmod(stat.S_IMODE(mode) & ~0o077)
