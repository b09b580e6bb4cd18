"""
# Bike store: setup

Run once by hand, before the first run of `bike_store_pipeline`. It fills the source database and makes the warehouse:

1. **prepare**: `dataset/` in the source bucket becomes `input/`: checked, with audit columns, row by row.
2. **create_source_tables**: schema `store` in the source database, with the extension `aws_s3`.
3. **import**: `input/` into the tables, through `aws_s3.table_import_from_s3`, in one transaction.
4. **triggers_and_rules**: from now on every change leaves its trace, and deletes only mark.
5. **create_warehouse**: schemas `staging` and `serving`, beside all that.

A second run changes nothing: what exists is left as it is, and a source that holds data is not imported into.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import DAG, task

WAREHOUSE = Path(__file__).resolve().parents[2] / "warehouse"
# The warehouse's schema as one text: the operator splits it into statements and runs them in one transaction.
SCHEMA = "\n".join(f"{{% include 'schema/{file.name}' %}}" for file in sorted((WAREHOUSE / "schema").glob("*.sql")))
LOG_NOTICES = {"enable_log_db_messages": True}

with DAG(
    dag_id="bike_store_setup",
    description="Fills the source database and makes the warehouse, once.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10)},
    template_searchpath=[str(Path(__file__).parent / "sql"), str(WAREHOUSE)],
    tags=["bike store"],
):

    @task(retries=0, doc_md="`dataset/` becomes `input/` in the source bucket. An error names file, line and reason.")
    def prepare() -> dict[str, int]:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook
        from airflow.sdk import Variable
        from bike_store import prepare

        return prepare.prepare(S3Hook(), Variable.get("source_bucket"), Variable.get("business_time_zone"))

    create_source_tables = SQLExecuteQueryOperator(
        task_id="create_source_tables",
        conn_id="rds_conn",
        sql=["source/schema.sql", "source/tables.sql"],
        do_xcom_push=False,
    )
    import_data_set = SQLExecuteQueryOperator(
        task_id="import",
        conn_id="rds_conn",
        sql="source/import.sql",
        hook_params=LOG_NOTICES,
        do_xcom_push=False,
        doc_md="All tables in one transaction, or none. A source that holds data is left alone.",
    )
    triggers_and_rules = SQLExecuteQueryOperator(
        task_id="triggers_and_rules",
        conn_id="rds_conn",
        sql=["source/audit.sql", "source/soft_delete.sql", "source/related.sql", "source/window.sql"],
        do_xcom_push=False,
    )
    create_warehouse = SQLExecuteQueryOperator(
        task_id="create_warehouse",
        conn_id="redshift_conn",
        sql=SCHEMA,
        split_statements=True,
        do_xcom_push=False,
    )

    prepare() >> create_source_tables >> import_data_set >> triggers_and_rules
    # Apart from the source: the warehouse needs nothing of it.
    create_warehouse  # noqa: B018
