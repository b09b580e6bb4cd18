{{ config(materialized='incremental', incremental_strategy='merge', unique_key=['bike_id', 'frame'],
          merge_exclude_columns=['first_seen'], on_schema_change='append_new_columns') }}
select bike_id, frame, colour, updated_at as first_seen, updated_at as last_seen
    {%- if var('with_note', false) %}, 'note of ' || bike_id::varchar as note {%- endif %}
from {{ ref('stg_bikes') }}
