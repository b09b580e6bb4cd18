"""
# Bike store: pipeline

Daily, and whenever it is triggered: what changed in the source since the last load goes into the warehouse.

1. **window**: from where the warehouse ends to what the source has committed by now, counted in transactions, not in
   time. Nothing has changed: the run ends here, as a success.
2. **extract**: the window's rows, all tables from one snapshot, into the raw bucket (`aws_s3.query_export_to_s3`).
3. **transform**: a Spark job, on an EMR Serverless application of its own, writes the staging tables to the processed
   bucket.
4. **load**: `COPY` into schema `staging`; then everything into `serving` in one transaction, the window's end with it.

A run that fails leaves nothing behind: clear its failed tasks, or trigger the next, which takes up the same changes.
Run `bike_store_setup` first, then unpause this one.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.providers.amazon.aws.operators.emr import (
    EmrServerlessCreateApplicationOperator,
    EmrServerlessDeleteApplicationOperator,
    EmrServerlessStartJobOperator,
)
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import DAG, CronTriggerTimetable, TaskGroup, Variable, task

WAREHOUSE = Path(__file__).resolve().parents[2] / "warehouse"
# The load's files as one text: the operator splits it into statements and runs them in one transaction.
LOAD = "\n".join(
    f"{{% include 'load/{file.name}' %}}" for file in sorted((WAREHOUSE / "load").glob("[0-9][0-9]_*.sql"))
)
EXTRACTED = ("customers", "products", "staffs", "stores", "orders")
STAGED = ("customers", "products", "staffs", "stores", "date", "sales")
LOG_NOTICES = {"enable_log_db_messages": True}

# The window as its one row in XCom, and its name in keys and folders: both bounds with 20 digits.
BOUNDS = "ti.xcom_pull(task_ids='window.bounds')[0]"
WINDOW = f"{{{{ '%020d-%020d' | format({BOUNDS}[0] | int, {BOUNDS}[1] | int) }}}}"

# How often EMR Serverless is asked how far it is: its operators take a number, not a template.
POLL = {"waiter_delay": int(Variable.get("emr_waiter_delay", default="2")), "waiter_max_attempts": 3600}


class CreateApplication(EmrServerlessCreateApplicationOperator):
    """Airflow's operator, with its settings taken from variables when the task runs, not when this file is read."""

    template_fields = (*EmrServerlessCreateApplicationOperator.template_fields, "release_label", "config")


with DAG(
    dag_id="bike_store_pipeline",
    description="What changed in the source since the last load, into the warehouse.",
    doc_md=__doc__,
    # Unpaused, it waits for the next midnight: there is nothing to catch up with, the next window holds it all.
    schedule=CronTriggerTimetable(
        "0 0 * * *", timezone="UTC", interval=timedelta(days=1), run_immediately=timedelta(minutes=5)
    ),
    catchup=False,
    max_active_runs=1,
    # Not before the setup has run.
    is_paused_upon_creation=True,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    template_searchpath=[str(Path(__file__).parent / "sql"), str(WAREHOUSE)],
    tags=["bike store"],
):
    with TaskGroup("window", group_display_name="window of changes") as window:
        watermark = SQLExecuteQueryOperator(
            task_id="watermark",
            conn_id="redshift_conn",
            sql="SELECT COALESCE(MAX(hi), 0) FROM serving.load_windows",
            doc_md="Where the last loaded window ended.",
        )
        bounds = SQLExecuteQueryOperator(
            task_id="bounds",
            conn_id="rds_conn",
            sql="SELECT lo, hi, changes FROM store.next_window(%(lo)s::text::bigint)",
            parameters={"lo": "{{ ti.xcom_pull(task_ids='window.watermark')[0][0] }}"},
            hook_params=LOG_NOTICES,
            show_return_value_in_logs=True,
            doc_md="`[lo, hi)` and how many rows changed in it. Waits for transactions that were open before the run.",
        )

        @task.short_circuit(retries=0, doc_md="Without a change all that follows is skipped, and the run succeeds.")
        def any_changes(rows: list[list[int]]) -> bool:
            lo, hi, changes = rows[0]
            print(f"{changes} rows have changed in [{lo}, {hi})")
            return changes > 0

        watermark >> bounds
        window_has_changes = any_changes(bounds.output)

    with TaskGroup("extract", group_display_name="extract: RDS to S3") as extract:
        SQLExecuteQueryOperator(
            task_id="export_to_s3",
            conn_id="rds_conn",
            # One transaction, one snapshot: no order comes without its customer.
            sql=[
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                *(f"extract/{table}.sql" for table in EXTRACTED),
            ],
            hook_params=LOG_NOTICES,
            show_return_value_in_logs=True,
        )

    with TaskGroup("transform", group_display_name="transform: EMR Serverless") as transform:
        create_application = CreateApplication(
            task_id="create_application",
            job_type="SPARK",
            release_label="{{ var.value.emr_release_label }}",
            config={
                "name": "bike-store",
                "maximumCapacity": "{{ var.json.emr_maximum_capacity }}",
                # Should nobody be left to delete it, it costs nothing after five minutes.
                "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 5},
            },
            render_template_as_native_obj=True,  # the capacity is an object
            **POLL,
        ).as_setup()
        run_job = EmrServerlessStartJobOperator(
            task_id="run_job",
            application_id=create_application.output,
            execution_role_arn="{{ var.value.emr_runtime_role_arn }}",
            name=f"bike-store-{WINDOW}",
            job_driver={
                "sparkSubmit": {
                    "entryPoint": "s3://{{ var.value.source_bucket }}/script/spark_job.py",
                    "entryPointArguments": [
                        "--raw",
                        "s3://{{ var.value.raw_bucket }}",
                        "--processed",
                        "s3://{{ var.value.processed_bucket }}",
                        "--window",
                        WINDOW,
                        "--run-id",
                        "{{ run_id }}",
                        "--time-zone",
                        "{{ var.value.business_time_zone }}",
                    ],
                    "sparkSubmitParameters": "{{ var.value.emr_spark_parameters }}",
                }
            },
            configuration_overrides={
                "monitoringConfiguration": {
                    "s3MonitoringConfiguration": {"logUri": "s3://{{ var.value.log_bucket }}/emr-log/"}
                }
            },
            # The task's page leads to Spark's UI and to the driver's log; whoever sees the page may see them.
            enable_application_ui_links=True,
            **POLL,
        )
        delete_application = EmrServerlessDeleteApplicationOperator(
            task_id="delete_application",
            application_id=create_application.output,
            force_stop=True,
            doc_md="Whether the job succeeded or not. The load does not wait for it.",
            **POLL,
        ).as_teardown(setups=create_application)
        create_application >> run_job >> delete_application

    with TaskGroup("load", group_display_name="load: S3 to Redshift") as load:
        serving = SQLExecuteQueryOperator(
            task_id="serving",
            conn_id="redshift_conn",
            sql=LOAD,
            split_statements=True,
            do_xcom_push=False,
            doc_md="Dimensions, facts and the watermark in one transaction.",
        )
        clear_staging = SQLExecuteQueryOperator(
            task_id="clear_staging",
            conn_id="redshift_conn",
            sql="load/clear_staging.sql",
            split_statements=True,
            do_xcom_push=False,
        )
        for table in STAGED:
            copy = SQLExecuteQueryOperator(
                task_id=f"copy_{table}",
                conn_id="redshift_conn",
                sql="load/copy.sql",
                params={"table": f"stg_{table}"},
                split_statements=True,
                do_xcom_push=False,
            )
            copy >> serving
        serving >> clear_staging

    window >> extract >> transform >> load
