"""The warehouse through awswrangler: runs tests/redshift-clients/wrangler_cases.py in the environment of clients."""

from __future__ import annotations

from redshift_clients import run_cases

from velodrome.settings import Settings


def test_awswrangler(redshift_with_s3: Settings) -> None:
    profile = ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_REGION")
    given = {name: redshift_with_s3[name] for name in profile}
    run_cases("wrangler_cases", redshift_with_s3, given | {"ROLE": redshift_with_s3["REDSHIFT_ROLE_ARN"]})
