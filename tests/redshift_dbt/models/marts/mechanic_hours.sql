{{ config(materialized='materialized_view', auto_refresh=var('auto_refresh', true), dist='mechanic_id', sort='mechanic_id', backup=false) }}
select mechanic_id, count(*) as repairs, sum(minutes) as minutes
from {{ source('counter', 'repairs') }}
group by mechanic_id
