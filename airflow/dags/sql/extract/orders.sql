-- The window's orders, one line per item; an order without items has one line, with no item_id.
{% set lo, hi, changes = ti.xcom_pull(task_ids='window.bounds')[0] -%}
SELECT * FROM aws_s3.query_export_to_s3(
    $query$
        SELECT
            o.order_id,
            i.item_id,
            o.customer_id,
            o.order_status_id AS order_status,
            o.order_date,
            o.required_date,
            o.shipped_date,
            o.store_id,
            o.staff_id,
            i.product_id,
            i.quantity,
            i.list_price,
            i.discount,
            to_char(o.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS updated_at,
            o.is_active
        FROM store.orders AS o
        LEFT JOIN store.order_items AS i ON o.order_id = i.order_id
        WHERE o.changed_in >= '{{ lo | int }}'
            AND o.changed_in < '{{ hi | int }}'
        ORDER BY o.order_id, i.item_id
    $query$,
    aws_commons.create_s3_uri(
        '{{ var.value.raw_bucket }}',
        'orders/{{ '%020d-%020d' | format(lo | int, hi | int) }}/orders.csv',
        '{{ var.value.aws_region }}'
    ),
    options := 'format csv, header true'
);
