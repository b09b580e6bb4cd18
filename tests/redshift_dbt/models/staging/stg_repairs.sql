{{ config(bind=false) }}
select
    repair_id,
    bike_id,
    mechanic_id,
    part_code,
    minutes,
    repaired_at,
    date_trunc('day', repaired_at)::date as repaired_on,
    decode(status, 'd', 'done', 'w', 'waiting', 'unknown')::varchar(10) as status
from {{ source('counter', 'repairs') }}
