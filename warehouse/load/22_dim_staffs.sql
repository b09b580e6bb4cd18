-- serving.dim_staffs from staging: history by day, one version of a staff per day at most (the day's last).
--
-- staff_changes: one row per staff whose staged row says something new. The row takes effect on change_date, its
-- eff_date, though never before the latest version's own last change: windows load in order, so a later window is newer
-- whatever its clock said. What becomes of the staff's latest version:
--   kept_key null          a version of its own follows it; the latest, if it reaches that far, ends the day before
--   kept_key = latest_key  it goes on: reopened, closed by a deletion, or rewritten on the day it began
--   another kept_key       it never was: on the day it began the staff changed back to the version before
CREATE TEMP TABLE staff_changes AS
WITH compared AS (
    SELECT
        staged.staff_id,
        staged.first_name,
        staged.last_name,
        staged.email,
        staged.phone,
        staged.manager_id,
        staged.updated_at,
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
        -- DECODE takes two nulls as equal
        DECODE(version.first_name, staged.first_name, 0, 1)
            + DECODE(version.last_name, staged.last_name, 0, 1)
            + DECODE(version.email, staged.email, 0, 1)
            + DECODE(version.phone, staged.phone, 0, 1)
            + DECODE(version.manager_id, staged.manager_id, 0, 1) AS differences
    FROM staging.stg_staffs AS staged
    LEFT JOIN serving.dim_staffs AS version ON staged.staff_id = version.staff_id
),

-- per staff: the latest version first, and beside it the one before
ranked AS (
    SELECT
        *,
        ROW_NUMBER() OVER (PARTITION BY staff_id ORDER BY updated_at DESC, eff_date DESC) AS recency,
        LEAD(staff_key) OVER (PARTITION BY staff_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_key,
        LEAD(exp_date) OVER (PARTITION BY staff_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_exp_date,
        LEAD(differences) OVER (PARTITION BY staff_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_differences
    FROM compared
)

SELECT
    staff_id,
    first_name,
    last_name,
    email,
    phone,
    manager_id,
    is_active,
    change_date,
    CASE WHEN is_active = 'Y' THEN CAST('9999-12-31' AS DATE) ELSE change_date END AS last_date,
    staff_key AS latest_key,
    CASE
        WHEN differences = 0 AND exp_date >= change_date THEN staff_key
        WHEN eff_date = change_date AND earlier_exp_date = change_date - 1 AND earlier_differences = 0 THEN earlier_key
        WHEN eff_date = change_date THEN staff_key
    END AS kept_key
FROM ranked
WHERE recency = 1
    AND (
        staff_key IS NULL
        -- what a deleted staff goes through later is no version, and neither is an unchanged one
        OR (differences > 0 AND (is_active = 'Y' OR exp_date >= change_date))
        OR active_flag <> is_active
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

ANALYZE serving.dim_staffs;
