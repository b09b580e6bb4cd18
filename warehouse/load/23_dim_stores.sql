-- serving.dim_stores from staging: history by day, one version of a store per day at most (the day's last).
--
-- store_changes: one row per store whose staged row says something new. The row takes effect on change_date, its
-- eff_date, though never before the latest version's own last change: windows load in order, so a later window is newer
-- whatever its clock said. What becomes of the store's latest version:
--   kept_key null          a version of its own follows it; the latest, if it reaches that far, ends the day before
--   kept_key = latest_key  it goes on: reopened, closed by a deletion, or rewritten on the day it began
--   another kept_key       it never was: on the day it began the store changed back to the version before
CREATE TEMP TABLE store_changes AS
WITH compared AS (
    SELECT
        staged.store_id,
        staged.store_name,
        staged.phone,
        staged.email,
        staged.street,
        staged.city,
        staged.state,
        staged.zip_code,
        staged.updated_at,
        staged.is_active,
        version.store_key,
        version.eff_date,
        version.exp_date,
        version.active_flag,
        GREATEST(
            staged.eff_date,
            version.eff_date,
            CASE WHEN version.active_flag = 'N' THEN version.exp_date END
        ) AS change_date,
        -- DECODE takes two nulls as equal
        DECODE(version.store_name, staged.store_name, 0, 1)
            + DECODE(version.phone, staged.phone, 0, 1)
            + DECODE(version.email, staged.email, 0, 1)
            + DECODE(version.street, staged.street, 0, 1)
            + DECODE(version.city, staged.city, 0, 1)
            + DECODE(version.state, staged.state, 0, 1)
            + DECODE(version.zip_code, staged.zip_code, 0, 1) AS differences
    FROM staging.stg_stores AS staged
    LEFT JOIN serving.dim_stores AS version ON staged.store_id = version.store_id
),

-- per store: the latest version first, and beside it the one before
ranked AS (
    SELECT
        *,
        ROW_NUMBER() OVER (PARTITION BY store_id ORDER BY updated_at DESC, eff_date DESC) AS recency,
        LEAD(store_key) OVER (PARTITION BY store_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_key,
        LEAD(exp_date) OVER (PARTITION BY store_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_exp_date,
        LEAD(differences) OVER (PARTITION BY store_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_differences
    FROM compared
)

SELECT
    store_id,
    store_name,
    phone,
    email,
    street,
    city,
    state,
    zip_code,
    is_active,
    change_date,
    CASE WHEN is_active = 'Y' THEN CAST('9999-12-31' AS DATE) ELSE change_date END AS last_date,
    store_key AS latest_key,
    CASE
        WHEN differences = 0 AND exp_date >= change_date THEN store_key
        WHEN eff_date = change_date AND earlier_exp_date = change_date - 1 AND earlier_differences = 0 THEN earlier_key
        WHEN eff_date = change_date THEN store_key
    END AS kept_key
FROM ranked
WHERE recency = 1
    AND (
        store_key IS NULL
        -- what a deleted store goes through later is no version, and neither is an unchanged one
        OR (differences > 0 AND (is_active = 'Y' OR exp_date >= change_date))
        OR active_flag <> is_active
    );

UPDATE serving.dim_stores
SET
    exp_date = store_changes.change_date - 1,
    active_flag = 'N'
FROM store_changes
WHERE dim_stores.store_key = store_changes.latest_key
    AND dim_stores.exp_date >= store_changes.change_date
    AND store_changes.kept_key IS NULL;

INSERT INTO serving.dim_stores (
    store_id,
    store_name,
    phone,
    email,
    street,
    city,
    state,
    zip_code,
    eff_date,
    exp_date,
    active_flag
)
SELECT
    store_id,
    store_name,
    phone,
    email,
    street,
    city,
    state,
    zip_code,
    change_date,
    last_date,
    is_active
FROM store_changes
WHERE kept_key IS NULL;

UPDATE serving.dim_stores
SET
    store_name = store_changes.store_name,
    phone = store_changes.phone,
    email = store_changes.email,
    street = store_changes.street,
    city = store_changes.city,
    state = store_changes.state,
    zip_code = store_changes.zip_code,
    exp_date = store_changes.last_date,
    active_flag = store_changes.is_active
FROM store_changes
WHERE dim_stores.store_key = store_changes.kept_key;

-- A version that never was hands its facts to the one before it.
UPDATE serving.fact_sales
SET store_key = store_changes.kept_key
FROM store_changes
WHERE fact_sales.store_key = store_changes.latest_key
    AND store_changes.kept_key <> store_changes.latest_key;

DELETE FROM serving.dim_stores
USING store_changes
WHERE dim_stores.store_key = store_changes.latest_key
    AND store_changes.kept_key <> store_changes.latest_key;

-- Facts loaded earlier whose order date now belongs to another version.
UPDATE serving.fact_sales
SET store_key = valid.store_key
FROM serving.dim_stores AS present
INNER JOIN store_changes ON present.store_id = store_changes.store_id
INNER JOIN serving.store_versions AS valid ON present.store_id = valid.store_id
WHERE fact_sales.store_key = present.store_key
    AND fact_sales.order_date >= valid.from_date
    AND fact_sales.order_date < valid.before_date
    AND present.store_key <> valid.store_key;

DROP TABLE store_changes;

ANALYZE serving.dim_stores;
