{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='bike_id', sort='bike_id') }}
select bike_id, count(*) as repairs, sum(cost) as cost, max(repaired_at) as last_repair
from {{ ref('repair_costs') }}
group by 1
{% if is_incremental() %}
having max(repaired_at) > (select max(last_repair) from {{ this }})
{% endif %}
