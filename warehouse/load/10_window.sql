-- First statements of the load: one load at a time, and only the window that follows the last one (or that one again).
{% set lo, hi, changes = ti.xcom_pull(task_ids='window.bounds')[0] -%}
LOCK TABLE serving.load_windows;

CALL serving.check_window({{ lo | int }}, {{ hi | int }});

-- COPY gathers a table's statistics only if it was empty, and to Redshift one that was just deleted from is not.
ANALYZE staging.stg_customers;
ANALYZE staging.stg_products;
ANALYZE staging.stg_staffs;
ANALYZE staging.stg_stores;
ANALYZE staging.stg_date;
ANALYZE staging.stg_sales;
