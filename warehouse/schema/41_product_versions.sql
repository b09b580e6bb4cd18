-- serving.product_versions: one row per product version, with the order dates (yyyyMMdd) whose facts belong to it.
-- The first version also takes the orders older than it; one that was closed by a deletion also those up to its successor.
CREATE OR REPLACE VIEW serving.product_versions AS
SELECT
    product_key,
    product_id,
    CASE
        WHEN ROW_NUMBER() OVER (PARTITION BY product_id ORDER BY eff_date) = 1 THEN '00000000'
        ELSE TO_CHAR(eff_date, 'YYYYMMDD')
    END AS from_date,
    COALESCE(TO_CHAR(LEAD(eff_date) OVER (PARTITION BY product_id ORDER BY eff_date), 'YYYYMMDD'), '99999999') AS before_date
FROM serving.dim_products;
