-- serving.dim_staffs from staging: history by day, one version of a staff per day at most (the day's last).
--
-- staff_changes: one row per staff whose staged row says something new. The row takes effect on change_date, its
-- eff_date, though never before the latest version's own last change: windows load in order, so a later window is newer
-- whatever its clock said. Then, against the latest version (age 1) and the one before it (age 2):
--   kept_key null         a version of its own; the latest one, if it reaches that far, ends the day before
--   kept_key = latest_key the latest version goes on: reopened, closed by a deletion, or rewritten on the day it began
--   kept_key = age 2's    changed back on the very day: the latest version never was
CREATE TEMP TABLE staff_changes AS
WITH staged AS (
    SELECT
        *,
        ROW_NUMBER() OVER (PARTITION BY staff_id ORDER BY updated_at DESC) AS recency
    FROM staging.stg_staffs
),

compared AS (
    SELECT
        staged.staff_id,
        staged.first_name,
        staged.last_name,
        staged.email,
        staged.phone,
        staged.manager_id,
        staged.is_active,
        version.staff_key,
        version.eff_date,
        version.exp_date,
        version.active_flag,
        GREATEST(
            staged.eff_date,
            version.eff_date,
            CASE WHEN version.active_flag = 'N' THEN version.exp_date END
        ) AS change_date,
        ROW_NUMBER() OVER (PARTITION BY staged.staff_id ORDER BY version.eff_date DESC) AS age,
        -- DECODE takes two nulls as equal
        DECODE(version.first_name, staged.first_name, 0, 1)
            + DECODE(version.last_name, staged.last_name, 0, 1)
            + DECODE(version.email, staged.email, 0, 1)
            + DECODE(version.phone, staged.phone, 0, 1)
            + DECODE(version.manager_id, staged.manager_id, 0, 1) AS differences
    FROM staged
    LEFT JOIN serving.dim_staffs AS version ON staged.staff_id = version.staff_id
    WHERE staged.recency = 1
)

SELECT
    latest.staff_id,
    latest.first_name,
    latest.last_name,
    latest.email,
    latest.phone,
    latest.manager_id,
    latest.is_active,
    latest.change_date,
    CASE WHEN latest.is_active = 'Y' THEN CAST('9999-12-31' AS DATE) ELSE latest.change_date END AS last_date,
    latest.staff_key AS latest_key,
    CASE
        WHEN latest.differences = 0 AND latest.exp_date >= latest.change_date THEN latest.staff_key
        WHEN latest.eff_date = latest.change_date THEN COALESCE(earlier.staff_key, latest.staff_key)
    END AS kept_key
FROM compared AS latest
LEFT JOIN compared AS earlier
    ON latest.staff_id = earlier.staff_id
    AND earlier.age = 2
    AND earlier.differences = 0
    AND earlier.exp_date = latest.change_date - 1
WHERE latest.age = 1
    AND (
        latest.staff_key IS NULL
        -- what a deleted staff goes through later is no version, and neither is an unchanged one
        OR (latest.differences > 0 AND (latest.is_active = 'Y' OR latest.exp_date >= latest.change_date))
        OR latest.active_flag <> latest.is_active
    );

UPDATE serving.dim_staffs
SET
    exp_date = staff_changes.change_date - 1,
    active_flag = 'N'
FROM staff_changes
WHERE dim_staffs.staff_key = staff_changes.latest_key
    AND dim_staffs.exp_date >= staff_changes.change_date
    AND staff_changes.kept_key IS NULL;

INSERT INTO serving.dim_staffs (
    staff_id,
    first_name,
    last_name,
    email,
    phone,
    manager_id,
    eff_date,
    exp_date,
    active_flag
)
SELECT
    staff_id,
    first_name,
    last_name,
    email,
    phone,
    manager_id,
    change_date,
    last_date,
    is_active
FROM staff_changes
WHERE kept_key IS NULL;

UPDATE serving.dim_staffs
SET
    first_name = staff_changes.first_name,
    last_name = staff_changes.last_name,
    email = staff_changes.email,
    phone = staff_changes.phone,
    manager_id = staff_changes.manager_id,
    exp_date = staff_changes.last_date,
    active_flag = staff_changes.is_active
FROM staff_changes
WHERE dim_staffs.staff_key = staff_changes.kept_key;

-- A version that never was hands its facts to the one before it.
UPDATE serving.fact_sales
SET staff_key = staff_changes.kept_key
FROM staff_changes
WHERE fact_sales.staff_key = staff_changes.latest_key
    AND staff_changes.kept_key <> staff_changes.latest_key;

DELETE FROM serving.dim_staffs
USING staff_changes
WHERE dim_staffs.staff_key = staff_changes.latest_key
    AND staff_changes.kept_key <> staff_changes.latest_key;

-- Facts loaded earlier whose order date now belongs to another version.
UPDATE serving.fact_sales
SET staff_key = valid.staff_key
FROM serving.dim_staffs AS present
INNER JOIN staff_changes ON present.staff_id = staff_changes.staff_id
INNER JOIN serving.staff_versions AS valid ON present.staff_id = valid.staff_id
WHERE fact_sales.staff_key = present.staff_key
    AND fact_sales.order_date >= valid.from_date
    AND fact_sales.order_date < valid.before_date
    AND present.staff_key <> valid.staff_key;

DROP TABLE staff_changes;
