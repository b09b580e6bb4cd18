-- serving.load_windows: the loaded window, in the transaction of its load. Loaded again, it keeps its first entry.
{% set lo, hi, changes = ti.xcom_pull(task_ids='window.bounds')[0] -%}
INSERT INTO serving.load_windows (lo, hi, run_id, loaded_at, customers, products, staffs, stores, order_lines)
SELECT
    this.lo,
    this.hi,
    '{{ run_id | replace("'", "''") }}',
    GETDATE(),
    (SELECT COUNT(*) FROM staging.stg_customers),
    (SELECT COUNT(*) FROM staging.stg_products),
    (SELECT COUNT(*) FROM staging.stg_staffs),
    (SELECT COUNT(*) FROM staging.stg_stores),
    (SELECT COUNT(item_id) FROM staging.stg_sales)
FROM (SELECT CAST({{ lo | int }} AS BIGINT) AS lo, CAST({{ hi | int }} AS BIGINT) AS hi) AS this
LEFT JOIN serving.load_windows AS present ON this.lo = present.lo AND this.hi = present.hi
WHERE present.hi IS NULL;
