-- First statements of the load: one load at a time, and only the window that follows the last one (or that one again).
{% set lo, hi, changes = ti.xcom_pull(task_ids='window.bounds')[0] -%}
LOCK TABLE serving.load_windows;

CALL serving.check_window({{ lo | int }}, {{ hi | int }});
