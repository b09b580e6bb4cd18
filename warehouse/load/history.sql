-- What the dimensions have in common: history by day, one version of a key per day at most (the day's last).
--
--   history(entity, columns)   serving.dim_<entity>s from staging.stg_<entity>s, which keep these columns of each key
--
-- <entity>_changes: one row per key whose staged row says something new. The row takes effect on change_date, its
-- eff_date, though never before the latest version's own last change: windows load in order, so a later window is newer
-- whatever its clock said. What becomes of the key's latest version:
--   kept_key null          a version of its own follows it; the latest, if it reaches that far, ends the day before
--   kept_key = latest_key  it goes on: reopened, closed by a deletion, or rewritten on the day it began
--   another kept_key       it never was: on the day it began the key changed back to the version before
{% macro history(entity, columns) -%}
CREATE TEMP TABLE {{ entity }}_changes AS
WITH compared AS (
    SELECT
        staged.{{ entity }}_id,
        {% for name in columns -%}
        staged.{{ name }},
        {% endfor -%}
        staged.updated_at,
        staged.is_active,
        version.{{ entity }}_key,
        version.eff_date,
        version.exp_date,
        version.active_flag,
        GREATEST(
            staged.eff_date,
            version.eff_date,
            CASE WHEN version.active_flag = 'N' THEN version.exp_date END
        ) AS change_date,
        -- DECODE takes two nulls as equal
        {% for name in columns -%}
        {{ '+ ' if not loop.first }}DECODE(version.{{ name }}, staged.{{ name }}, 0, 1)
        {% endfor -%}
        AS differences
    FROM staging.stg_{{ entity }}s AS staged
    LEFT JOIN serving.dim_{{ entity }}s AS version ON staged.{{ entity }}_id = version.{{ entity }}_id
),

-- per key: the latest version first, and beside it the one before
ranked AS (
    SELECT
        *,
        ROW_NUMBER() OVER (PARTITION BY {{ entity }}_id ORDER BY updated_at DESC, eff_date DESC) AS recency,
        LEAD({{ entity }}_key) OVER (PARTITION BY {{ entity }}_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_key,
        LEAD(exp_date) OVER (PARTITION BY {{ entity }}_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_exp_date,
        LEAD(differences) OVER (PARTITION BY {{ entity }}_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_differences
    FROM compared
)

SELECT
    {{ entity }}_id,
    {% for name in columns -%}
    {{ name }},
    {% endfor -%}
    is_active,
    change_date,
    CASE WHEN is_active = 'Y' THEN CAST('9999-12-31' AS DATE) ELSE change_date END AS last_date,
    {{ entity }}_key AS latest_key,
    CASE
        WHEN differences = 0 AND exp_date >= change_date THEN {{ entity }}_key
        WHEN eff_date = change_date AND earlier_exp_date = change_date - 1 AND earlier_differences = 0 THEN earlier_key
        WHEN eff_date = change_date THEN {{ entity }}_key
    END AS kept_key
FROM ranked
WHERE recency = 1
    AND (
        {{ entity }}_key IS NULL
        -- what a deleted key goes through later is no version, and neither is an unchanged one
        OR (differences > 0 AND (is_active = 'Y' OR exp_date >= change_date))
        OR active_flag <> is_active
    );

UPDATE serving.dim_{{ entity }}s
SET
    exp_date = {{ entity }}_changes.change_date - 1,
    active_flag = 'N'
FROM {{ entity }}_changes
WHERE dim_{{ entity }}s.{{ entity }}_key = {{ entity }}_changes.latest_key
    AND dim_{{ entity }}s.exp_date >= {{ entity }}_changes.change_date
    AND {{ entity }}_changes.kept_key IS NULL;

INSERT INTO serving.dim_{{ entity }}s (
    {{ entity }}_id,
    {% for name in columns -%}
    {{ name }},
    {% endfor -%}
    eff_date,
    exp_date,
    active_flag
)
SELECT
    {{ entity }}_id,
    {% for name in columns -%}
    {{ name }},
    {% endfor -%}
    change_date,
    last_date,
    is_active
FROM {{ entity }}_changes
WHERE kept_key IS NULL;

UPDATE serving.dim_{{ entity }}s
SET
    {% for name in columns -%}
    {{ name }} = {{ entity }}_changes.{{ name }},
    {% endfor -%}
    exp_date = {{ entity }}_changes.last_date,
    active_flag = {{ entity }}_changes.is_active
FROM {{ entity }}_changes
WHERE dim_{{ entity }}s.{{ entity }}_key = {{ entity }}_changes.kept_key;

-- A version that never was hands its facts to the one before it.
UPDATE serving.fact_sales
SET {{ entity }}_key = {{ entity }}_changes.kept_key
FROM {{ entity }}_changes
WHERE fact_sales.{{ entity }}_key = {{ entity }}_changes.latest_key
    AND {{ entity }}_changes.kept_key <> {{ entity }}_changes.latest_key;

DELETE FROM serving.dim_{{ entity }}s
USING {{ entity }}_changes
WHERE dim_{{ entity }}s.{{ entity }}_key = {{ entity }}_changes.latest_key
    AND {{ entity }}_changes.kept_key <> {{ entity }}_changes.latest_key;

-- Facts loaded earlier whose order date now belongs to another version.
UPDATE serving.fact_sales
SET {{ entity }}_key = valid.{{ entity }}_key
FROM serving.dim_{{ entity }}s AS present
INNER JOIN {{ entity }}_changes ON present.{{ entity }}_id = {{ entity }}_changes.{{ entity }}_id
INNER JOIN serving.{{ entity }}_versions AS valid ON present.{{ entity }}_id = valid.{{ entity }}_id
WHERE fact_sales.{{ entity }}_key = present.{{ entity }}_key
    AND fact_sales.order_date >= valid.from_date
    AND fact_sales.order_date < valid.before_date
    AND present.{{ entity }}_key <> valid.{{ entity }}_key;

DROP TABLE {{ entity }}_changes;

ANALYZE serving.dim_{{ entity }}s;
{%- endmacro %}
