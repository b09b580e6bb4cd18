-- The window's customers: those that changed in it, and those that its orders need although they changed after it.
{% set lo, hi, changes = ti.xcom_pull(task_ids='window.bounds')[0] -%}
SELECT * FROM aws_s3.query_export_to_s3(
    $query$
        SELECT
            c.customer_id,
            c.first_name,
            c.last_name,
            c.phone,
            c.email,
            c.street,
            c.city,
            c.state,
            c.zip_code,
            to_char(c.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS updated_at,
            c.is_active
        FROM store.customers AS c
        WHERE c.changed_in >= '{{ lo | int }}'
            AND (
                c.changed_in < '{{ hi | int }}'
                OR c.customer_id IN (
                    SELECT o.customer_id FROM store.orders AS o
                    WHERE o.changed_in >= '{{ lo | int }}' AND o.changed_in < '{{ hi | int }}'
                )
            )
        ORDER BY c.customer_id
    $query$,
    aws_commons.create_s3_uri(
        '{{ var.value.raw_bucket }}',
        'customers/{{ '%020d-%020d' | format(lo | int, hi | int) }}/customers.csv',
        '{{ var.value.aws_region }}'
    ),
    options := 'format csv, header true'
);
