{{ config(materialized='incremental', incremental_strategy='append', dist='even') }}
select repair_id, repaired_at, cost from {{ ref('repair_costs') }}
{% if is_incremental() %}
where repaired_at > (select max(repaired_at) from {{ this }})
{% endif %}
