-- depends_on: {{ ref('repairs') }}
{{ config(materialized='view') }}
{{ columns_of('repairs') }}
