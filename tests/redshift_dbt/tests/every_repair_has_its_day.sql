select repair_id from {{ ref('repairs') }} where datediff(day, repaired_on, repaired_at) <> 0
