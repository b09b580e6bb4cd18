"""The AWS profile a stand-in works with: region, keys and endpoints, read without the SDK.

The file is the one that boto3 reads, so that clients which are not boto3 (S3A, obstore, pyarrow) reach the same
places with the same keys. Format: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html and, for the
``services`` section, https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html.
Reads with the standard library alone: programs that start for one object cannot wait for botocore.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing, pathlib and dataclasses cost more to import than the rest of this file costs to run
    from collections.abc import Mapping
    from pathlib import Path

Section = dict[str, "str | dict[str, str]"]


class ProfileError(Exception):
    """The configuration file is missing, or does not say what it must."""


class Profile:
    """One profile of the configuration file, with the endpoints of its services section."""

    def __init__(
        self,
        name: str,
        region: str,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
        path_style: bool = False,
        endpoint_url: str | None = None,
        endpoints: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.region = region
        self.access_key_id = access_key_id
        self.secret_access_key = secret_access_key
        self.session_token = session_token
        self.path_style = path_style
        self.endpoint_url = endpoint_url
        self.endpoints = dict(endpoints or {})

    def __repr__(self) -> str:
        return f"Profile({self.name!r}, region={self.region!r}, endpoints={self.endpoints!r})"  # never the keys

    def endpoint(self, service: str) -> str | None:
        """The URL for a service named as botocore names it (``s3``, ``emr_serverless``); None is AWS itself."""
        return self.endpoints.get(service.lower().replace("-", "_").replace(" ", "_"), self.endpoint_url)


def load(config_file: Path | None = None, profile: str | None = None) -> Profile:
    """Read a profile; file and name come from the settings when not given.

    >>> load(Path("env/aws/config"), "local").endpoint("s3")  # doctest: +SKIP
    'http://127.0.0.1:4566'
    """
    if config_file is None or profile is None:
        from velodrome.settings import load as load_settings  # here: whoever names both needs no settings

        settings = load_settings()
        config_file = config_file or settings.path("AWS_CONFIG_FILE")
        profile = profile or settings["AWS_PROFILE"]
    try:
        sections = parse(config_file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"AWS_CONFIG_FILE {config_file} cannot be read: {error.strerror}") from error
    wanted = "default" if profile == "default" and "default" in sections else f"profile {profile}"
    if wanted not in sections:
        raise ProfileError(f"AWS_PROFILE {profile}: {config_file} has no section [{wanted}]")
    section = sections[wanted]
    region = _text(section, "region")
    if not region:
        raise ProfileError(f"[{wanted}] in {config_file} has no region")
    s3 = section.get("s3", {})
    return Profile(
        name=profile,
        region=region,
        access_key_id=_text(section, "aws_access_key_id"),
        secret_access_key=_text(section, "aws_secret_access_key"),
        session_token=_text(section, "aws_session_token"),
        path_style=isinstance(s3, dict) and s3.get("addressing_style") == "path",
        endpoint_url=_text(section, "endpoint_url"),
        endpoints=_endpoints(sections, section, config_file),
    )


def parse(text: str) -> dict[str, Section]:
    """Sections of a shared configuration file; an indented line belongs to the setting above it.

    >>> parse("[profile a]\\nregion = r\\ns3 =\\n  addressing_style = path\\n")
    {'profile a': {'region': 'r', 's3': {'addressing_style': 'path'}}}
    """
    sections: dict[str, Section] = {}
    section: Section | None = None
    parent: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.strip()
        if not content or content[0] in "#;":
            continue
        if content.startswith("[") and line[0] == "[":
            if "]" not in content:
                raise ProfileError(f"line {number}: a section's name ends in ]")
            section = sections.setdefault(" ".join(content[1 : content.index("]")].split()), {})
            parent = None
            continue
        if section is None or "=" not in content:
            raise ProfileError(f"line {number}: neither a [section] nor a setting of one")
        name, value = (part.strip() for part in content.split("=", 1))
        if line[0] in " \t":
            nested = section.get(parent or "")
            if not isinstance(nested, dict):
                raise ProfileError(f"line {number}: {name} is indented, but the setting above it has a value")
            nested[name] = value
        else:
            section[name] = value if value else {}
            parent = name
    return sections


def _endpoints(sections: dict[str, Section], section: Section, config_file: Path) -> dict[str, str]:
    name = _text(section, "services")
    if name is None:
        return {}
    services = sections.get(f"services {name}")
    if services is None:
        raise ProfileError(f"{config_file} names services = {name}, but has no section [services {name}]")
    return {
        service: settings["endpoint_url"]
        for service, settings in services.items()
        if isinstance(settings, dict) and settings.get("endpoint_url")
    }


def _text(section: Section, name: str) -> str | None:
    value = section.get(name)
    return value if isinstance(value, str) else None
