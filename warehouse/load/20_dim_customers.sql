-- serving.dim_customers from staging: history by day, one version of a customer per day at most (the day's last).
--
-- customer_changes: one row per customer whose staged row says something new. The row takes effect on change_date, its
-- eff_date, though never before the latest version's own last change: windows load in order, so a later window is newer
-- whatever its clock said. What becomes of the customer's latest version:
--   kept_key null          a version of its own follows it; the latest, if it reaches that far, ends the day before
--   kept_key = latest_key  it goes on: reopened, closed by a deletion, or rewritten on the day it began
--   another kept_key       it never was: on the day it began the customer changed back to the version before
CREATE TEMP TABLE customer_changes AS
WITH compared AS (
    SELECT
        staged.customer_id,
        staged.first_name,
        staged.last_name,
        staged.phone,
        staged.email,
        staged.street,
        staged.city,
        staged.state,
        staged.zip_code,
        staged.updated_at,
        staged.is_active,
        version.customer_key,
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
            + DECODE(version.phone, staged.phone, 0, 1)
            + DECODE(version.email, staged.email, 0, 1)
            + DECODE(version.street, staged.street, 0, 1)
            + DECODE(version.city, staged.city, 0, 1)
            + DECODE(version.state, staged.state, 0, 1)
            + DECODE(version.zip_code, staged.zip_code, 0, 1) AS differences
    FROM staging.stg_customers AS staged
    LEFT JOIN serving.dim_customers AS version ON staged.customer_id = version.customer_id
),

-- per customer: the latest version first, and beside it the one before
ranked AS (
    SELECT
        *,
        ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY updated_at DESC, eff_date DESC) AS recency,
        LEAD(customer_key) OVER (PARTITION BY customer_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_key,
        LEAD(exp_date) OVER (PARTITION BY customer_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_exp_date,
        LEAD(differences) OVER (PARTITION BY customer_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_differences
    FROM compared
)

SELECT
    customer_id,
    first_name,
    last_name,
    phone,
    email,
    street,
    city,
    state,
    zip_code,
    is_active,
    change_date,
    CASE WHEN is_active = 'Y' THEN CAST('9999-12-31' AS DATE) ELSE change_date END AS last_date,
    customer_key AS latest_key,
    CASE
        WHEN differences = 0 AND exp_date >= change_date THEN customer_key
        WHEN eff_date = change_date AND earlier_exp_date = change_date - 1 AND earlier_differences = 0 THEN earlier_key
        WHEN eff_date = change_date THEN customer_key
    END AS kept_key
FROM ranked
WHERE recency = 1
    AND (
        customer_key IS NULL
        -- what a deleted customer goes through later is no version, and neither is an unchanged one
        OR (differences > 0 AND (is_active = 'Y' OR exp_date >= change_date))
        OR active_flag <> is_active
    );

UPDATE serving.dim_customers
SET
    exp_date = customer_changes.change_date - 1,
    active_flag = 'N'
FROM customer_changes
WHERE dim_customers.customer_key = customer_changes.latest_key
    AND dim_customers.exp_date >= customer_changes.change_date
    AND customer_changes.kept_key IS NULL;

INSERT INTO serving.dim_customers (
    customer_id,
    first_name,
    last_name,
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
    customer_id,
    first_name,
    last_name,
    phone,
    email,
    street,
    city,
    state,
    zip_code,
    change_date,
    last_date,
    is_active
FROM customer_changes
WHERE kept_key IS NULL;

UPDATE serving.dim_customers
SET
    first_name = customer_changes.first_name,
    last_name = customer_changes.last_name,
    phone = customer_changes.phone,
    email = customer_changes.email,
    street = customer_changes.street,
    city = customer_changes.city,
    state = customer_changes.state,
    zip_code = customer_changes.zip_code,
    exp_date = customer_changes.last_date,
    active_flag = customer_changes.is_active
FROM customer_changes
WHERE dim_customers.customer_key = customer_changes.kept_key;

-- A version that never was hands its facts to the one before it.
UPDATE serving.fact_sales
SET customer_key = customer_changes.kept_key
FROM customer_changes
WHERE fact_sales.customer_key = customer_changes.latest_key
    AND customer_changes.kept_key <> customer_changes.latest_key;

DELETE FROM serving.dim_customers
USING customer_changes
WHERE dim_customers.customer_key = customer_changes.latest_key
    AND customer_changes.kept_key <> customer_changes.latest_key;

-- Facts loaded earlier whose order date now belongs to another version.
UPDATE serving.fact_sales
SET customer_key = valid.customer_key
FROM serving.dim_customers AS present
INNER JOIN customer_changes ON present.customer_id = customer_changes.customer_id
INNER JOIN serving.customer_versions AS valid ON present.customer_id = valid.customer_id
WHERE fact_sales.customer_key = present.customer_key
    AND fact_sales.order_date >= valid.from_date
    AND fact_sales.order_date < valid.before_date
    AND present.customer_key <> valid.customer_key;

DROP TABLE customer_changes;

ANALYZE serving.dim_customers;
