"""awswrangler asks for temporary credentials itself, with the AWS profile alone."""

from __future__ import annotations

import awswrangler
import pandas
import pytest
from botocore.exceptions import ClientError


def test_a_user_who_is_there() -> None:
    with awswrangler.redshift.connect_temp(cluster_identifier="default", user="awsuser", auto_create=False) as con:
        frame = pandas.DataFrame({"id": [1, 2], "name": ["Ada", None]})
        with con.cursor() as cursor:
            cursor.execute("CREATE SCHEMA wrangled_iam")
        awswrangler.redshift.to_sql(frame, con, table="t", schema="wrangled_iam", mode="overwrite")
        read = awswrangler.redshift.read_sql_query("SELECT id, name FROM wrangled_iam.t ORDER BY id", con)
        assert read["id"].tolist() == [1, 2] and read["name"].isna().tolist() == [False, True]
        with con.cursor() as cursor:
            cursor.execute("DROP SCHEMA wrangled_iam CASCADE")
        con.commit()


def test_a_user_who_is_made() -> None:
    with (
        awswrangler.redshift.connect_temp(cluster_identifier="default", user="wrangler_iam", duration=3600) as con,
        con.cursor() as cursor,
    ):
        cursor.execute("SELECT current_user")
        assert cursor.fetchall() == (["wrangler_iam"],)


def test_a_cluster_that_is_not_there() -> None:
    with pytest.raises(ClientError, match="ClusterNotFound"):
        awswrangler.redshift.connect_temp(cluster_identifier="other", user="awsuser")
