-- serving.dim_customers from staging.stg_customers: one row per customer and the days on which it was like this.
{% from 'load/history.sql' import history -%}
{{ history('customer', [
    'first_name',
    'last_name',
    'phone',
    'email',
    'street',
    'city',
    'state',
    'zip_code',
]) }}
