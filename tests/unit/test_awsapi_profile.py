"""The AWS profile: the same file, the same answers as boto3."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest

from velodrome.awsapi.profile import ProfileError, load, parse

CONFIG = """
# comment
[profile local]
region = us-east-1
services = local
aws_access_key_id = velodrome
aws_secret_access_key = se/cr=et
s3 =
  addressing_style = path

[services local]
s3 =
  endpoint_url = http://127.0.0.1:4566
emr_serverless =
  endpoint_url = http://127.0.0.1:4570

[profile aws]
region = eu-central-1
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config"
    file.write_text(CONFIG, encoding="utf-8")
    return file


def test_local_profile(config: Path) -> None:
    profile = load(config, "local")
    assert (profile.region, profile.access_key_id, profile.path_style) == ("us-east-1", "velodrome", True)
    assert profile.secret_access_key == "se/cr=et"
    assert profile.endpoint("s3") == "http://127.0.0.1:4566"
    assert profile.endpoint("emr-serverless") == profile.endpoint("emr_serverless") == "http://127.0.0.1:4570"
    assert profile.endpoint("sts") is None
    assert "se/cr=et" not in repr(profile)


def test_profile_of_aws_itself_names_no_endpoint(config: Path) -> None:
    profile = load(config, "aws")
    assert (profile.region, profile.endpoint("s3"), profile.path_style) == ("eu-central-1", None, False)
    assert profile.access_key_id is None


def test_agrees_with_botocore(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    session = botocore.session.Session(profile="local")
    ours = load(config, "local")
    for service in ("s3", "emr-serverless"):
        assert session.create_client(service).meta.endpoint_url == ours.endpoint(service)
    theirs = session.get_credentials()
    assert theirs is not None
    assert (theirs.access_key, theirs.secret_key) == (ours.access_key_id, ours.secret_access_key)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[profile other]\nregion = r\n", "AWS_PROFILE local: .* has no section \\[profile local\\]"),
        ("[profile local]\noutput = json\n", "has no region"),
        ("[profile local]\nregion = r\nservices = none\n", "has no section \\[services none\\]"),
        ("region = r\n", "line 1: neither a \\[section\\] nor a setting"),
        ("[profile local\n", "line 1: a section's name ends in \\]"),
        ("[profile local]\nregion = r\n  s3 = x\n", "line 3: s3 is indented"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "config"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ProfileError, match=message):
        load(file, "local")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"AWS_CONFIG_FILE .*nowhere cannot be read"):
        load(tmp_path / "nowhere", "local")


def test_names_of_sections_may_have_more_blanks() -> None:
    assert parse("[profile   local]\nregion=r") == {"profile local": {"region": "r"}}


def test_imports_nothing_heavy() -> None:
    heavy = {"re", "inspect", "pathlib", "urllib.parse", "botocore"}
    code = (
        f"import sys\nsys.path[:0] = {sys.path!r}\n"
        f"import velodrome.awsapi.profile\nprint(*({heavy} & {{*sys.modules}}))"
    )
    ended = subprocess.run([sys.executable, "-S", "-E", "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""
