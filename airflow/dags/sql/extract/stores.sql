-- The window's stores: those that changed in it, and those that its orders need although they changed after it.
{% set lo, hi, changes = ti.xcom_pull(task_ids='window.bounds')[0] -%}
SELECT * FROM aws_s3.query_export_to_s3(
    $query$
        SELECT
            s.store_id,
            s.store_name,
            s.phone,
            s.email,
            s.street,
            s.city,
            s.state,
            s.zip_code,
            to_char(s.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS updated_at,
            s.is_active
        FROM store.stores AS s
        WHERE s.changed_in >= '{{ lo | int }}'
            AND (
                s.changed_in < '{{ hi | int }}'
                OR s.store_id IN (
                    SELECT o.store_id FROM store.orders AS o
                    WHERE o.changed_in >= '{{ lo | int }}' AND o.changed_in < '{{ hi | int }}'
                )
            )
        ORDER BY s.store_id
    $query$,
    aws_commons.create_s3_uri(
        '{{ var.value.raw_bucket }}',
        'stores/{{ '%020d-%020d' | format(lo | int, hi | int) }}/stores.csv',
        '{{ var.value.aws_region }}'
    ),
    options := 'format csv, header true'
);
