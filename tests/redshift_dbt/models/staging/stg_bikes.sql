select bike_id, trim(frame) as frame, nvl(colour, 'unpainted') as colour, updated_at
from {{ source('counter', 'bikes') }}
