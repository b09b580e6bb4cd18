"""Passwords and keys in a statement's text: masked where it is shown, left out of errors."""

from __future__ import annotations

import pytest

from velodrome.redshift.masking import masked, without_secrets
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.translate import translate

KEY = "wJalrXUtnFEMI/K7MDENG"
COPY = "COPY t FROM 's3://b/k' "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"CREATE USER u PASSWORD '{KEY}'", "CREATE USER u PASSWORD '***'"),
        (f"ALTER USER u PASSWORD E'{KEY}'", "ALTER USER u PASSWORD '***'"),
        (f"ALTER USER u PASSWORD/* x */'{KEY}'", "ALTER USER u PASSWORD/* x */'***'"),
        (f"ALTER USER u PASSWORD $a${KEY}$a$", "ALTER USER u PASSWORD '***'"),
        (f"{COPY}SECRET_ACCESS_KEY AS '{KEY}' CSV", f"{COPY}SECRET_ACCESS_KEY AS '***' CSV"),
        (f"{COPY}SESSION_TOKEN = '{KEY}", f"{COPY}SESSION_TOKEN = '***'"),
        (f"EXECUTE 'CREATE USER u PASSWORD ''{KEY}'''", "EXECUTE 'CREATE USER u PASSWORD ''***'''"),
        ("SELECT 'password', token FROM t", "SELECT 'password', token FROM t"),
    ],
)
def test_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_errors_of_others() -> None:
    text = f"{COPY}CREDENTIALS 'aws_access_key_id=AKIAEXAMPLE;aws_secret_access_key={KEY}'"
    error = {"M": f'no "{KEY}" of AKIAEXAMPLE, aws_secret_access_key', "P": "8", "C": "XX000"}
    assert without_secrets(error, text) == {"M": 'no "***" of ***, aws_secret_access_key', "C": "XX000"}
    assert without_secrets(error, f"SELECT {KEY}") == error


@pytest.mark.parametrize(
    "statement",
    [
        f"{COPY}CREDENTIALS 'aws_access_key_id=AKIAEXAMPLE;aws_secret_access_key={KEY}' CSV",
        f"{COPY}ACCESS_KEY_ID 'AKIAEXAMPLE' SECRET_ACCESS_KEY '{KEY}' SESSION_TOKEN '{KEY}' PARQUET",
        f"{COPY}SECRET_ACCES_KEY '{KEY}'",
        f"{COPY}'{KEY}'",
        f"COPY t FROM '{KEY}' IAM_ROLE default",
        f"UNLOAD ('SELECT 1') TO 's3://b/k' CREDENTIALS '{KEY}'",
        f"CREATE USER u PASSWORD DISABLE '{KEY}'",
        f"CREATE USER u PASSWROD '{KEY}'",
        f"ALTER USER u PASSWORD '{KEY}' PASSWORD '{KEY}'",
        f"CREATE SUBSCRIPTION s CONNECTION 'password={KEY}' PUBLICATION p",
        f"CREATE EXTERNAL SCHEMA s FROM POSTGRES DATABASE 'd' URI 'h' SECRET_ARN '{KEY}'",
    ],
)
def test_no_refusal_repeats_a_literal(statement: str) -> None:
    with pytest.raises(Refused) as caught:
        translate(statement)
    assert KEY not in caught.value.message and "AKIAEXAMPLE" not in caught.value.message
