{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='repaired_at', batch_size='day',
          begin=var('first_day'), lookback=1, concurrent_batches=false, sort='repaired_at') }}
select repair_id, bike_id, repaired_at, status from {{ ref('stg_repairs') }}
