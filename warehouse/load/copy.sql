-- One staging table from the window's Parquet file (params.table); what a failed run left in it goes.
{% set lo, hi, changes = ti.xcom_pull(task_ids='window.bounds')[0] -%}
DELETE FROM staging.{{ params.table }};

COPY staging.{{ params.table }}
FROM 's3://{{ var.value.processed_bucket }}/staging/{{ '%020d-%020d' | format(lo | int, hi | int) }}/{{ params.table }}/'
IAM_ROLE '{{ var.value.redshift_role_arn }}'
FORMAT AS PARQUET;
