-- serving.dim_stores from staging.stg_stores: one row per store and the days on which it was like this.
{% from 'load/history.sql' import history -%}
{{ history('store', [
    'store_name',
    'phone',
    'email',
    'street',
    'city',
    'state',
    'zip_code',
]) }}
