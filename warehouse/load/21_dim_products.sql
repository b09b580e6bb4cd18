-- serving.dim_products from staging: history by day, one version of a product per day at most (the day's last).
--
-- product_changes: one row per product whose staged row says something new. The row takes effect on change_date, its
-- eff_date, though never before the latest version's own last change: windows load in order, so a later window is newer
-- whatever its clock said. What becomes of the product's latest version:
--   kept_key null          a version of its own follows it; the latest, if it reaches that far, ends the day before
--   kept_key = latest_key  it goes on: reopened, closed by a deletion, or rewritten on the day it began
--   another kept_key       it never was: on the day it began the product changed back to the version before
CREATE TEMP TABLE product_changes AS
WITH compared AS (
    SELECT
        staged.product_id,
        staged.product_name,
        staged.brand_name,
        staged.category_name,
        staged.model_year,
        staged.list_price,
        staged.updated_at,
        staged.is_active,
        version.product_key,
        version.eff_date,
        version.exp_date,
        version.active_flag,
        GREATEST(
            staged.eff_date,
            version.eff_date,
            CASE WHEN version.active_flag = 'N' THEN version.exp_date END
        ) AS change_date,
        -- DECODE takes two nulls as equal
        DECODE(version.product_name, staged.product_name, 0, 1)
            + DECODE(version.brand_name, staged.brand_name, 0, 1)
            + DECODE(version.category_name, staged.category_name, 0, 1)
            + DECODE(version.model_year, staged.model_year, 0, 1)
            + DECODE(version.list_price, staged.list_price, 0, 1) AS differences
    FROM staging.stg_products AS staged
    LEFT JOIN serving.dim_products AS version ON staged.product_id = version.product_id
),

-- per product: the latest version first, and beside it the one before
ranked AS (
    SELECT
        *,
        ROW_NUMBER() OVER (PARTITION BY product_id ORDER BY updated_at DESC, eff_date DESC) AS recency,
        LEAD(product_key) OVER (PARTITION BY product_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_key,
        LEAD(exp_date) OVER (PARTITION BY product_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_exp_date,
        LEAD(differences) OVER (PARTITION BY product_id ORDER BY updated_at DESC, eff_date DESC) AS earlier_differences
    FROM compared
)

SELECT
    product_id,
    product_name,
    brand_name,
    category_name,
    model_year,
    list_price,
    is_active,
    change_date,
    CASE WHEN is_active = 'Y' THEN CAST('9999-12-31' AS DATE) ELSE change_date END AS last_date,
    product_key AS latest_key,
    CASE
        WHEN differences = 0 AND exp_date >= change_date THEN product_key
        WHEN eff_date = change_date AND earlier_exp_date = change_date - 1 AND earlier_differences = 0 THEN earlier_key
        WHEN eff_date = change_date THEN product_key
    END AS kept_key
FROM ranked
WHERE recency = 1
    AND (
        product_key IS NULL
        -- what a deleted product goes through later is no version, and neither is an unchanged one
        OR (differences > 0 AND (is_active = 'Y' OR exp_date >= change_date))
        OR active_flag <> is_active
    );

UPDATE serving.dim_products
SET
    exp_date = product_changes.change_date - 1,
    active_flag = 'N'
FROM product_changes
WHERE dim_products.product_key = product_changes.latest_key
    AND dim_products.exp_date >= product_changes.change_date
    AND product_changes.kept_key IS NULL;

INSERT INTO serving.dim_products (
    product_id,
    product_name,
    brand_name,
    category_name,
    model_year,
    list_price,
    eff_date,
    exp_date,
    active_flag
)
SELECT
    product_id,
    product_name,
    brand_name,
    category_name,
    model_year,
    list_price,
    change_date,
    last_date,
    is_active
FROM product_changes
WHERE kept_key IS NULL;

UPDATE serving.dim_products
SET
    product_name = product_changes.product_name,
    brand_name = product_changes.brand_name,
    category_name = product_changes.category_name,
    model_year = product_changes.model_year,
    list_price = product_changes.list_price,
    exp_date = product_changes.last_date,
    active_flag = product_changes.is_active
FROM product_changes
WHERE dim_products.product_key = product_changes.kept_key;

-- A version that never was hands its facts to the one before it.
UPDATE serving.fact_sales
SET product_key = product_changes.kept_key
FROM product_changes
WHERE fact_sales.product_key = product_changes.latest_key
    AND product_changes.kept_key <> product_changes.latest_key;

DELETE FROM serving.dim_products
USING product_changes
WHERE dim_products.product_key = product_changes.latest_key
    AND product_changes.kept_key <> product_changes.latest_key;

-- Facts loaded earlier whose order date now belongs to another version.
UPDATE serving.fact_sales
SET product_key = valid.product_key
FROM serving.dim_products AS present
INNER JOIN product_changes ON present.product_id = product_changes.product_id
INNER JOIN serving.product_versions AS valid ON present.product_id = valid.product_id
WHERE fact_sales.product_key = present.product_key
    AND fact_sales.order_date >= valid.from_date
    AND fact_sales.order_date < valid.before_date
    AND present.product_key <> valid.product_key;

DROP TABLE product_changes;

ANALYZE serving.dim_products;
