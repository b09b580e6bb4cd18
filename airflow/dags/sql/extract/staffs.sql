-- The window's staffs: those that changed in it, and those that its orders need although they changed after it.
{% set lo, hi, changes = ti.xcom_pull(task_ids='window.bounds')[0] -%}
SELECT * FROM aws_s3.query_export_to_s3(
    $query$
        SELECT
            s.staff_id,
            s.first_name,
            s.last_name,
            s.email,
            s.phone,
            s.store_id,
            s.manager_id,
            to_char(s.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS updated_at,
            s.is_active
        FROM store.staffs AS s
        WHERE s.changed_in >= '{{ lo | int }}'
            AND (
                s.changed_in < '{{ hi | int }}'
                OR s.staff_id IN (
                    SELECT o.staff_id FROM store.orders AS o
                    WHERE o.changed_in >= '{{ lo | int }}' AND o.changed_in < '{{ hi | int }}'
                )
            )
        ORDER BY s.staff_id
    $query$,
    aws_commons.create_s3_uri(
        '{{ var.value.raw_bucket }}',
        'staffs/{{ '%020d-%020d' | format(lo | int, hi | int) }}/staffs.csv',
        '{{ var.value.aws_region }}'
    ),
    options := 'format csv, header true'
);
