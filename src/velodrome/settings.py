"""The one table of settings, and how their values are found: environment, generated secrets, profile file, default."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from velodrome import kinds
from velodrome.env_file import SettingError, read_env_file, write_private
from velodrome.kinds import Kind

__all__ = ["SettingError", "read_env_file", "write_private"]  # theirs are part of what a setting is


@dataclass(frozen=True)
class Setting:
    """One row of the table: a name, its default, what it is for, and what it may be. A default may refer to other
    settings as `${NAME}`; `secret` ones are generated."""

    name: str
    default: str
    help: str
    kind: Kind
    secret: bool = False

    def problem(self, value: str) -> str:
        """Why the value cannot be used, as a sentence; empty when it can. No secret is repeated in it."""
        why = self.kind.problem(value)
        shown = "" if self.secret or "PASSWORD}" in self.default else f"={value!r}"
        return f"setting {self.name}{shown} {why}" if why else ""


def _role(name: str) -> str:
    return "arn:aws:iam::${AWS_ACCOUNT_ID}:role/velodrome-" + name


SETTINGS: tuple[Setting, ...] = (
    Setting("VELODROME_PROJECT", "", "the folder with airflow/, spark/, warehouse/ …; empty: found from where you are", kinds.FOLDER),
    Setting("VELODROME_HOME", "${VELODROME_PROJECT}/.velodrome", "where this copy's data, logs and secrets lie", kinds.FOLDER),
    Setting("VELODROME_INSTALLS", "${VELODROME_HOME}/installs", "virtual environments and jars; copies can share it", kinds.FOLDER),
    Setting("PROFILE", "local", "which profile file is read: env/<PROFILE>.env", kinds.name(r"[A-Za-z0-9._-]+", "a name of a file in env/, without .env")),
    Setting("RUNTIME", "", "host (processes) or compose (containers); empty: compose where an engine answers", kinds.choice("host", "compose")),
    Setting("LISTEN_ADDRESS", "127.0.0.1", "address that every service listens on; containers have 0.0.0.0 inside", kinds.ADDRESS),
    Setting("PORT_OFFSET", "0", "added to each port that is not set from outside: one setting moves them all", kinds.whole(0, 60000)),
    Setting("DATASET", "", "folder with the nine CSV files; empty: a data set is generated", kinds.FOLDER),
    Setting("DATASET_SEED", "1", "seed number of the generated data set", kinds.whole(0, 2**63 - 1)),
    Setting("DATASET_SCALE", "1", "size of the generated data set; 1 is about 1,600 orders", kinds.number(1000)),
    Setting("AWS_PROFILE", "local", "the profile of AWS_CONFIG_FILE that every AWS client uses", kinds.PERSON),
    Setting("AWS_CONFIG_FILE", "${VELODROME_HOME}/aws/config", "AWS shared config; made from env/aws/config", kinds.FILE),
    Setting("AWS_REGION", "us-east-1", "the region of every service", kinds.REGION),
    Setting("AWS_ACCOUNT_ID", "000000000000", "the account in every ARN", kinds.ACCOUNT),
    Setting("AWS_LOCAL_SECRET_ACCESS_KEY", "", "secret key of the local profile ('velodrome')", kinds.KEY, secret=True),
    Setting("S3_PORT", "4566", "port of S3, IAM and STS", kinds.PORT),
    Setting("S3_ENDPOINT_URL", "http://127.0.0.1:${S3_PORT}", "endpoint of S3, IAM and STS", kinds.HTTP_URL),
    Setting("SOURCE_BUCKET", "bike-store-source", "bucket of the data set, the job and the prepared input", kinds.BUCKET),
    Setting("RAW_BUCKET", "bike-store-raw", "bucket of the windows that are exported from the source", kinds.BUCKET),
    Setting("PROCESSED_BUCKET", "bike-store-processed", "bucket of the staging tables and the quarantine", kinds.BUCKET),
    Setting("LOG_BUCKET", "bike-store-log", "bucket of Airflow's and EMR Serverless's logs", kinds.BUCKET),
    Setting("SOURCE_HOST", "127.0.0.1", "host of the source database (RDS PostgreSQL)", kinds.HOST),
    Setting("SOURCE_PORT", "5432", "port of the source database", kinds.PORT),
    Setting("SOURCE_DATABASE", "bikestore", "name of the source database", kinds.DATABASE),
    Setting("SOURCE_USER", "bikestore", "owner of the source database", kinds.RDS_USER),
    Setting("SOURCE_PASSWORD", "", "password of SOURCE_USER", kinds.TEXT, secret=True),
    Setting("RDS_IMPORT_ROLE_ARN", _role("rds-import"), "role with which the source reads from S3", kinds.ROLE_ARN),
    Setting("RDS_EXPORT_ROLE_ARN", _role("rds-export"), "role with which the source writes to S3", kinds.ROLE_ARN),
    Setting("EMR_SERVERLESS_PORT", "4570", "port of EMR Serverless", kinds.PORT),
    Setting("EMR_SERVERLESS_ENDPOINT_URL", "http://127.0.0.1:${EMR_SERVERLESS_PORT}", "endpoint of EMR Serverless", kinds.HTTP_URL),
    Setting("EMR_SERVERLESS_SESSIONS_PORT", "4571", "port of EMR Serverless's sessions (Spark Connect, TLS)", kinds.PORT),
    Setting("EMR_SERVERLESS_SESSIONS_URL", "https://localhost:${EMR_SERVERLESS_SESSIONS_PORT}", "its URL for clients", kinds.HTTP_URL),
    Setting("EMR_SERVERLESS_OVERSIZED", "scale", "a job larger than this machine: scale (it runs smaller) or refuse", kinds.choice("scale", "refuse")),
    Setting("EMR_SERVERLESS_EXECUTORS", "inside", "a job's executors: inside its driver's process, or processes", kinds.choice("inside", "processes")),
    Setting("EMR_SERVERLESS_LOG_INTERVAL", "5", "seconds between two deliveries of a running job's logs", kinds.number(3600)),
    Setting("EMR_SERVERLESS_MINUTE", "60", "seconds that a minute of EMR Serverless's timeouts lasts; less for tests", kinds.number(3600)),
    Setting("EMR_SERVERLESS_DASHBOARD_URL", "${EMR_SERVERLESS_ENDPOINT_URL}", "where browsers reach its dashboards", kinds.HTTP_URL),
    Setting("EMR_RUNTIME_ROLE_ARN", _role("emr-runtime"), "role with which a Spark job runs", kinds.ROLE_ARN),
    Setting("EMR_RELEASE_LABEL", "emr-spark-8.0.0", "release of EMR Serverless: Spark 4.0.2, Delta 4.0.0", kinds.RELEASE_LABEL),
    Setting("EMR_MAXIMUM_CAPACITY", '{"cpu": "16 vCPU", "memory": "64 GB"}', "limit of the application, as JSON", kinds.CAPACITY),
    Setting("EMR_SPARK_PARAMETERS", "--conf spark.sql.shuffle.partitions=2", "the job's sparkSubmitParameters", kinds.TEXT),
    Setting("EMR_WAITER_DELAY", "2", "seconds between two looks at a Spark job", kinds.whole(1, 3600)),
    Setting("REDSHIFT_HOST", "127.0.0.1", "host of the warehouse (Redshift Serverless)", kinds.HOST),
    Setting("REDSHIFT_PORT", "5439", "port of the warehouse", kinds.PORT),
    Setting("REDSHIFT_DATABASE", "dev", "name of the warehouse's database", kinds.DATABASE),
    Setting("REDSHIFT_USER", "awsuser", "administrator of the warehouse", kinds.REDSHIFT_USER),
    Setting("REDSHIFT_PASSWORD", "", "password of REDSHIFT_USER", kinds.TEXT, secret=True),
    Setting("REDSHIFT_SSL", "false", "whether connections to the warehouse are encrypted: true or false", kinds.BOOLEAN),
    Setting("REDSHIFT_API_PORT", "4568", "port of the warehouse's AWS APIs (redshift-serverless, redshift)", kinds.PORT),
    Setting("REDSHIFT_API_ENDPOINT_URL", "http://127.0.0.1:${REDSHIFT_API_PORT}", "endpoint of the warehouse's APIs", kinds.HTTP_URL),
    Setting("REDSHIFT_WORKGROUP", "default", "the warehouse's workgroup, and its name as a cluster", kinds.WAREHOUSE_NAME),
    Setting("REDSHIFT_NAMESPACE", "default", "the warehouse's namespace", kinds.WAREHOUSE_NAME),
    Setting("REDSHIFT_ROLE_ARN", _role("redshift"), "role with which COPY reads from S3", kinds.ROLE_ARN),
    Setting("AIRFLOW_PORT", "8080", "port of Airflow's UI and API", kinds.PORT),
    Setting("AIRFLOW_URL", "http://127.0.0.1:${AIRFLOW_PORT}", "where people reach Airflow's UI and API", kinds.HTTP_URL),
    Setting("AIRFLOW_INTERNAL_URL", "${AIRFLOW_URL}", "where Airflow's own processes reach its API", kinds.HTTP_URL),
    Setting("AIRFLOW_PARALLELISM", "8", "tasks that run at once; the pipeline's widest place has seven", kinds.whole(1, 512)),
    Setting("AIRFLOW_REFRESH_INTERVAL", "10", "seconds between two looks at the folder of DAGs", kinds.whole(1, 3600)),
    Setting("AIRFLOW_DEFERRABLE", "false", "whether operators wait in the triggerer, not in a worker: true or false", kinds.BOOLEAN),
    Setting("AIRFLOW_USER", "admin", "who logs in to Airflow", kinds.PERSON),
    Setting("AIRFLOW_PASSWORD", "", "password of AIRFLOW_USER", kinds.TEXT, secret=True),
    Setting("AIRFLOW_SECRET_KEY", "", "signs Airflow's sessions and tokens", kinds.TEXT, secret=True),
    Setting("AIRFLOW_DATABASE_HOST", "127.0.0.1", "host of Airflow's own database", kinds.HOST),
    Setting("AIRFLOW_DATABASE_PORT", "5433", "port of Airflow's own database", kinds.PORT),
    Setting("AIRFLOW_DATABASE_PASSWORD", "", "password of Airflow's own database", kinds.KEY, secret=True),
    Setting(
        "AIRFLOW_DATABASE_URL",
        "postgresql+psycopg2://airflow:${AIRFLOW_DATABASE_PASSWORD}@${AIRFLOW_DATABASE_HOST}:${AIRFLOW_DATABASE_PORT}/airflow",
        "SQLAlchemy URL of Airflow's own database",
        kinds.DATABASE_URL,
    ),
    Setting("BUSINESS_TIME_ZONE", "UTC", "time zone in which a change belongs to a day", kinds.TIME_ZONE),
)  # fmt: skip

_TABLE = {setting.name: setting for setting in SETTINGS}
_PATHS = ("VELODROME_PROJECT", "VELODROME_HOME", "VELODROME_INSTALLS", "DATASET")
SECRETS_FILE = "secrets.env"
KEPT_FILE = "settings.env"


class Settings(Mapping[str, str]):
    """The resolved settings. Reading one that the table lacks or that has no value raises SettingError."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> str:
        if name not in self._values:
            raise SettingError(f"there is no setting {name}")
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def required(self, name: str) -> str:
        """The setting's value, which must not be empty."""
        value = self[name]
        if not value:
            when = " yet (`velodrome up` generates it)" if _TABLE[name].secret else ""
            raise SettingError(f"setting {name} has no value{when}: {_TABLE[name].help}")
        return value

    def integer(self, name: str) -> int:
        """The setting as a whole number."""
        value = self.required(name)
        try:
            return int(value)
        except ValueError:
            raise SettingError(f"setting {name}={value!r} is not a whole number") from None

    def number(self, name: str) -> float:
        """The setting as a positive number."""
        value = self.required(name)
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            raise SettingError(f"setting {name}={value!r} is not a positive number")
        return number

    def choice(self, name: str, values: Sequence[str]) -> str:
        """The setting, which must be one of the values."""
        value = self.required(name)
        if value not in values:
            raise SettingError(f"setting {name}={value!r} is none of {', '.join(values)}")
        return value

    def flag(self, name: str) -> bool:
        """The setting as true or false."""
        value = self.required(name).lower()
        if value not in ("true", "false"):
            raise SettingError(f"setting {name}={value!r} is neither true nor false")
        return value == "true"

    def path(self, name: str) -> Path:
        """The setting as an absolute path."""
        return Path(self.required(name)).expanduser().absolute()

    @property
    def home(self) -> Path:
        """Where this copy's state lies."""
        return self.path("VELODROME_HOME")

    @property
    def installs(self) -> Path:
        """Where the services' virtual environments and jars lie."""
        return self.path("VELODROME_INSTALLS")

    @property
    def installs_in_use(self) -> Path:
        """The same as this copy uses them: links that no other copy changes; what is there, where nothing made any."""
        mine = self.home / "run" / "installs"
        return mine if mine.is_dir() else self.installs

    @property
    def certificates(self) -> Path:
        """Where this copy's own certificate authority lies (certificates.py)."""
        return self.home / "data" / "certificates"

    @property
    def project(self) -> Path:
        """The folder with airflow/, spark/, warehouse/ and env/."""
        return self.path("VELODROME_PROJECT")


def find_project(environ: Mapping[str, str], start: Path) -> Path | None:
    """VELODROME_PROJECT, else the nearest folder above `start` with env/local.env, else the checkout this package is
    in."""
    if environ.get("VELODROME_PROJECT"):
        return Path(environ["VELODROME_PROJECT"]).absolute()
    for folder in (start, *start.parents, *Path(__file__).resolve().parents):
        if (folder / "env" / "local.env").is_file() and (folder / "airflow").is_dir():
            return folder
    return None


def _expand(values: dict[str, str]) -> dict[str, str]:
    def value_of(name: str, seen: tuple[str, ...]) -> str:
        if name in seen:
            raise SettingError(f"setting {name} refers to itself: {' → '.join((*seen, name))}")
        template = Template(values[name])
        try:
            parts = {inner: value_of(inner, (*seen, name)) for inner in template.get_identifiers() if inner in values}
            return template.substitute(parts)
        except (KeyError, ValueError) as error:
            raise SettingError(f"setting {name}={values[name]!r}: cannot resolve {error}") from None

    return {name: value_of(name, ()) for name in values}


def load(
    environ: Mapping[str, str] | None = None, start: Path | None = None, problems: list[str] | None = None
) -> Settings:
    """Resolve every setting: environment, then what this copy was started with and its generated secrets, then
    env/<PROFILE>.env, then the table's default. Relative paths count from `start` (the current folder).

    A file that cannot be read raises SettingError. For commands that must work even so (`down`, `reset`), give a list
    of `problems`: it is told what is wrong, and defaults stand in for lines and values that cannot be used.
    """
    environ = os.environ if environ is None else environ
    start = start or Path.cwd()
    project = find_project(environ, start)
    given = {name: environ[name] for name in _TABLE if environ.get(name)}
    values = {setting.name: setting.default for setting in SETTINGS}
    if project is not None:
        values["VELODROME_PROJECT"] = str(project)
        file = project / "env" / f"{given.get('PROFILE', values['PROFILE'])}.env"
        if file.is_file():
            found = {name: value for name, value in read_env_file(file, problems).items() if name in _TABLE and value}
            values = _resolvable(values, _usable(found, file, problems), problems)
    taken = {name: _literal(value) for name, value in _usable(given, None, problems).items()}
    home = start / _expand(values | taken)["VELODROME_HOME"]
    for file in (home / KEPT_FILE, home / SECRETS_FILE):
        if file.is_file():
            stored = {name: value for name, value in _stored(file, problems).items() if name in _TABLE}
            taken = {name: _literal(value) for name, value in _usable(stored, file, problems).items()} | taken
    values = _moved(values, taken) | taken
    # Folders become absolute before others are made of them.
    expanded = _expand(values)
    for name in _PATHS:
        if expanded[name]:
            values[name] = _literal(str(start / Path(expanded[name]).expanduser()))
    return Settings(_expand(values))


def _stored(file: Path, problems: list[str] | None) -> dict[str, str]:
    try:
        return read_env_file(file, problems)
    except SettingError as error:
        raise SettingError(
            f"{error}\nThis file is the copy's own: mend that line or remove it; `make reset` forgets the file"
        ) from error


def _literal(value: str) -> str:
    """A value that stands for itself, whatever signs are in it."""
    return value.replace("$", "$$")


def _usable(values: dict[str, str], file: Path | None, problems: list[str] | None) -> dict[str, str]:
    """The values less those that their kinds refuse, which `problems` is told; without such a list, all. A folder is
    never left out: nothing may be done in another one than was meant."""
    if problems is None:
        return values
    wrong = {name: _TABLE[name].problem(value) for name, value in values.items() if "${" not in value}
    wrong = {name: why for name, why in wrong.items() if why and name not in _PATHS}
    problems += [f"{file}: {why}" if file else why for why in wrong.values()]
    return {name: value for name, value in values.items() if name not in wrong}


def _resolvable(defaults: dict[str, str], found: dict[str, str], problems: list[str] | None) -> dict[str, str]:
    """The defaults as a file overrules them; the defaults alone where its references lead nowhere."""
    try:
        _expand(defaults | found)
    except SettingError as error:
        if problems is None:
            raise
        problems.append(str(error))
        return defaults
    return defaults | found


def _moved(values: dict[str, str], taken: dict[str, str]) -> dict[str, str]:
    """The values with PORT_OFFSET added to each port; those that are set from outside are not moved."""
    offset = (values | taken)["PORT_OFFSET"]
    ports = [name for name in values if _TABLE[name].kind is kinds.PORT and values[name].isdecimal()]
    return values | {name: str(int(values[name]) + int(offset)) for name in ports if offset.isdecimal()}


def wrong_values(settings: Settings) -> list[str]:
    """Each value that its kind refuses, as a sentence that names setting, value and what it may be."""
    wrong = {name: why for name, value in settings.items() if value and (why := _TABLE[name].problem(value))}

    def follows(name: str) -> bool:
        """Whether it is wrong only because another that it is made from is."""
        return any(f"${{{other}}}" in _TABLE[name].default and settings[other] in settings[name] for other in wrong)

    return [why for name, why in wrong.items() if not follows(name)]


def kept_settings(settings: Settings) -> dict[str, str]:
    """What this copy was started with, as far as it can be read."""
    file = settings.home / KEPT_FILE
    return read_env_file(file, []) if file.is_file() else {}


def keep_settings(settings: Settings, environ: Mapping[str, str]) -> None:
    """Remember in VELODROME_HOME/settings.env what the environment sets, so that a copy started on other ports is
    found there again by a command that is told nothing but its VELODROME_HOME."""
    passing = (*_PATHS, "PROFILE", "DATASET_SEED", "DATASET_SCALE")
    given = {name for name in environ if environ[name] and name not in passing and not name.startswith("AWS_")}
    kept = kept_settings(settings)
    kept |= {name: settings[name] for name in given if name in _TABLE and not _TABLE[name].secret}
    write_kept(settings, {name: value for name, value in kept.items() if name in _TABLE})


def write_kept(settings: Settings, kept: Mapping[str, str]) -> None:
    """Write VELODROME_HOME/settings.env; there is none where nothing is kept."""
    file = settings.home / KEPT_FILE
    if not kept:
        file.unlink(missing_ok=True)
        return
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(kept.items()))
    title = "# What this copy was started with; an environment variable overrules it, reset forgets it.\n"
    write_private(file, title + lines)


def generate_secrets(settings: Settings) -> Settings:
    """Give every secret without a value a random one, kept in VELODROME_HOME/secrets.env with mode 600."""
    missing = [setting.name for setting in SETTINGS if setting.secret and not settings[setting.name]]
    if not missing:
        return settings
    file = settings.home / SECRETS_FILE
    lines = file.read_text(encoding="utf-8") if file.exists() else "# Generated; keep it private.\n"
    lines += "".join(f"{name}={secrets.token_urlsafe(24)}\n" for name in missing)
    write_private(file, lines)
    values = {name: value for name, value in settings.items() if value and name not in missing}
    # Settings built from a secret (AIRFLOW_DATABASE_URL) are resolved anew.
    for setting in SETTINGS:
        if any(f"${{{name}}}" in setting.default for name in missing):
            values.pop(setting.name, None)
    return load(values, settings.project if settings["VELODROME_PROJECT"] else settings.home)


def user_environ() -> dict[str, str]:
    """The user's environment without AWS's own variables: a shell set up for an account must never steer a local
    stack."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_") or name == "AWS_CA_BUNDLE"}


def secret_settings() -> frozenset[str]:
    """The settings that hold a secret: those that are one, and those that are built from one."""
    own = {setting.name for setting in SETTINGS if setting.secret}
    return frozenset(own | {one.name for one in SETTINGS if any(f"${{{name}}}" in one.default for name in own)})


def service_environ(settings: Settings, secrets: Collection[str] | None = None) -> dict[str, str]:
    """What a service is started with: the user's environment less what could mislead it, every setting, and of the
    secrets those that it is given (all of them where a person's own shell is meant)."""
    misleading = ("AIRFLOW_", "VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "SPARK_", "PG")
    inherited = {name: value for name, value in user_environ().items() if not name.startswith(misleading)}
    kept = secret_settings() - frozenset(secrets if secrets is not None else secret_settings())
    return {name: value for name, value in (inherited | dict(settings)).items() if name not in kept}
