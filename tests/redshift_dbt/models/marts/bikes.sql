{{ config(materialized='table', dist='all', sort='bike_id', contract={'enforced': true}) }}
select bike_id, frame::varchar(20) as frame, colour::varchar(20) as colour, updated_at
from {{ ref('stg_bikes') }}
