-- serving.dim_staffs from staging.stg_staffs: one row per staff and the days on which it was like this.
{% from 'load/history.sql' import history -%}
{{ history('staff', [
    'first_name',
    'last_name',
    'email',
    'phone',
    'manager_id',
]) }}
