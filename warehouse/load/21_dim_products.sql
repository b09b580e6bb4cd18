-- serving.dim_products from staging.stg_products: one row per product and the days on which it was like this.
{% from 'load/history.sql' import history -%}
{{ history('product', [
    'product_name',
    'brand_name',
    'category_name',
    'model_year',
    'list_price',
]) }}
