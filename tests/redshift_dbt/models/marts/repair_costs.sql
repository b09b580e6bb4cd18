{{ config(materialized='ephemeral') }}
select
    r.repair_id,
    r.bike_id,
    r.mechanic_id,
    r.repaired_at,
    r.repaired_on,
    r.status,
    r.minutes,
    (r.minutes / 60.0 * m.hourly_rate + nvl(p.price, 0))::decimal(10, 2) as cost
from {{ ref('stg_repairs') }} r
join {{ ref('mechanics') }} m on m.mechanic_id = r.mechanic_id
left join {{ ref('parts') }} p on p.part_code = r.part_code
