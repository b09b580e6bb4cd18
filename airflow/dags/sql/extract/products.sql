-- The window's products: those that changed in it, and those that its orders need although they changed after it.
{% set lo, hi, changes = ti.xcom_pull(task_ids='window.bounds')[0] -%}
SELECT * FROM aws_s3.query_export_to_s3(
    $query$
        SELECT
            p.product_id,
            p.product_name,
            b.brand_name,
            c.category_name,
            p.model_year,
            p.list_price,
            to_char(p.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS updated_at,
            p.is_active
        FROM store.products AS p
        INNER JOIN store.brands AS b ON p.brand_id = b.brand_id
        INNER JOIN store.categories AS c ON p.category_id = c.category_id
        WHERE p.changed_in >= '{{ lo | int }}'
            AND (
                p.changed_in < '{{ hi | int }}'
                OR p.product_id IN (
                    SELECT i.product_id FROM store.orders AS o INNER JOIN store.order_items AS i ON o.order_id = i.order_id
                    WHERE o.changed_in >= '{{ lo | int }}' AND o.changed_in < '{{ hi | int }}'
                )
            )
        ORDER BY p.product_id
    $query$,
    aws_commons.create_s3_uri(
        '{{ var.value.raw_bucket }}',
        'products/{{ '%020d-%020d' | format(lo | int, hi | int) }}/products.csv',
        '{{ var.value.aws_region }}'
    ),
    options := 'format csv, header true'
);
