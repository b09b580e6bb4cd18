{{ config(materialized='table', dist='bike_id', sort=['repaired_at', 'repair_id'], backup=false,
          pre_hook="insert into " ~ target.schema ~ "_log.runs values ('{{ invocation_id }}', 'before repairs', getdate())",
          post_hook=["analyze {{ this }}", {"sql": "vacuum {{ this }}", "transaction": false}]) }}
select *, rank() over (partition by bike_id order by repaired_at) as visit
from {{ ref('repair_costs') }}
