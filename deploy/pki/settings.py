"""What the ceremony's file may say: names, authorities and lifetimes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from deploy.pki.refusals import SettingsMalformed

_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
_AUTHORITY = re.compile(r"[0-9]{2}|national")
_DAYS = ("root", "issuing", "tls", "signing", "revocation_list")
_RENEWAL = ("tls", "recertify")


@dataclass(frozen=True, slots=True, kw_only=True)
class CeremonySettings:
    """What the ceremony makes; the same settings and state directory always lead to the same end."""

    trust_domain: str
    """The network's name; each authority's trust domain is a label under it."""
    development: bool
    """Whether server certificates carry `localhost` and 127.0.0.1 too."""
    authorities: tuple[str, ...]
    """The issuing authorities: prefecture codes of two digits, and `national`."""
    root_lifetime: timedelta
    issuing_lifetime: timedelta
    tls_lifetime: timedelta
    signing_lifetime: timedelta
    revocation_list_lifetime: timedelta
    """How long readers may rely on one revocation list."""
    tls_renewal: timedelta
    """How long before its end a TLS certificate is replaced, with a new key."""
    recertify: timedelta
    """How long before its end an issuing or signing certificate is replaced, for the same key."""

    def domain_of(self, authority: str) -> str:
        """Returns an authority's trust domain, `13.juki.example`."""
        return f"{authority}.{self.trust_domain}"


def load_settings(path: Path) -> CeremonySettings:
    """Reads a ceremony's TOML file; refuses PKI_SETTINGS_MALFORMED."""
    try:
        return parse_settings(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsMalformed("name a settings file that exists", key=str(path)) from None
    except UnicodeDecodeError:
        raise SettingsMalformed("write the settings in UTF-8", key=str(path)) from None


def parse_settings(text: str) -> CeremonySettings:
    """Reads a ceremony's settings from TOML text; refuses PKI_SETTINGS_MALFORMED."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsMalformed(f"correct the TOML: {error}", key="") from None
    _exactly(table, ("trust_domain", "development", "authorities", "days", "renewal"), "")
    days, renewal = _lengths(table, "days", _DAYS), _lengths(table, "renewal", _RENEWAL)
    if renewal["tls"] >= days["tls"]:
        raise SettingsMalformed("renew a TLS certificate after less than its whole life", key="renewal.tls")
    if renewal["recertify"] >= min(days["issuing"], days["signing"]):
        raise SettingsMalformed("recertify a key after less than its certificate's life", key="renewal.recertify")
    return CeremonySettings(
        trust_domain=_trust_domain(table["trust_domain"]),
        development=_boolean(table["development"]),
        authorities=_authorities(table["authorities"]),
        root_lifetime=days["root"],
        issuing_lifetime=days["issuing"],
        tls_lifetime=days["tls"],
        signing_lifetime=days["signing"],
        revocation_list_lifetime=days["revocation_list"],
        tls_renewal=renewal["tls"],
        recertify=renewal["recertify"],
    )


def _exactly(table: Mapping[str, object], keys: tuple[str, ...], prefix: str) -> None:
    for missing in (key for key in keys if key not in table):
        raise SettingsMalformed("add the missing setting", key=prefix + missing)
    for strange in (key for key in table if key not in keys):
        raise SettingsMalformed("remove the unknown setting", key=prefix + strange)


def _lengths(table: Mapping[str, object], name: str, keys: tuple[str, ...]) -> dict[str, timedelta]:
    section = table[name]
    if not isinstance(section, dict):
        raise SettingsMalformed("write a table of days", key=name)
    _exactly(section, keys, f"{name}.")
    for key, days in section.items():
        if type(days) is not int or not 1 <= days <= 36_500:
            raise SettingsMalformed("give a whole number of days from 1 to 36500", key=f"{name}.{key}")
    return {key: timedelta(days=days) for key, days in section.items()}


def _trust_domain(value: object) -> str:
    # RFC 5280 takes 64 characters for a common name, and a node's name must fit in a DNS name beside it.
    if not isinstance(value, str) or len(value) > 40 or not _DOMAIN.fullmatch(value):
        raise SettingsMalformed("give a lower-case DNS name of at most 40 characters", key="trust_domain")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingsMalformed("say true or false", key="development")
    return value


def _authorities(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or len(set(map(str, value))) != len(value):
        raise SettingsMalformed("list each authority once", key="authorities")
    for label in value:
        if not isinstance(label, str) or not _AUTHORITY.fullmatch(label):
            raise SettingsMalformed("name authorities by prefecture code or `national`", key="authorities")
    return tuple(value)
