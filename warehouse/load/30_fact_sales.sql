-- serving.fact_sales from staging: one row per order line; a staged order's lines replace what was there of that order.
--
-- sales_lines: one row per line to be there after the load, each with the version of its dimensions that was valid on the
-- order's date. Deleted orders and orders without items have none. The joins lose nothing: check_sales has seen every key.
CALL serving.check_sales();

CREATE TEMP TABLE sales_lines AS
SELECT
    line.order_id,
    line.item_id,
    product.product_key,
    customer.customer_key,
    store.store_key,
    staff.staff_key,
    line.order_date,
    line.required_date,
    line.shipped_date,
    line.rejected_date,
    line.order_status_id,
    line.quantity,
    line.discount_percent,
    line.discount_amount,
    line.total_price,
    line.total_price_with_discount
FROM staging.stg_sales AS line
INNER JOIN serving.product_versions AS product
    ON line.product_id = product.product_id
    AND line.order_date >= product.from_date
    AND line.order_date < product.before_date
INNER JOIN serving.customer_versions AS customer
    ON line.customer_id = customer.customer_id
    AND line.order_date >= customer.from_date
    AND line.order_date < customer.before_date
INNER JOIN serving.store_versions AS store
    ON line.store_id = store.store_id
    AND line.order_date >= store.from_date
    AND line.order_date < store.before_date
INNER JOIN serving.staff_versions AS staff
    ON line.staff_id = staff.staff_id
    AND line.order_date >= staff.from_date
    AND line.order_date < staff.before_date
WHERE line.is_active = 'Y'
    AND line.item_id IS NOT NULL;

DELETE FROM serving.fact_sales
WHERE sales_id IN (
    SELECT fact.sales_id
    FROM serving.fact_sales AS fact
    INNER JOIN staging.stg_sales AS line ON fact.order_id = line.order_id
    LEFT JOIN sales_lines ON fact.order_id = sales_lines.order_id AND fact.item_id = sales_lines.item_id
    WHERE sales_lines.order_id IS NULL
);

UPDATE serving.fact_sales
SET
    product_key = sales_lines.product_key,
    customer_key = sales_lines.customer_key,
    store_key = sales_lines.store_key,
    staff_key = sales_lines.staff_key,
    order_date = sales_lines.order_date,
    required_date = sales_lines.required_date,
    shipped_date = sales_lines.shipped_date,
    rejected_date = sales_lines.rejected_date,
    order_status_id = sales_lines.order_status_id,
    quantity = sales_lines.quantity,
    discount_percent = sales_lines.discount_percent,
    discount_amount = sales_lines.discount_amount,
    total_price = sales_lines.total_price,
    total_price_with_discount = sales_lines.total_price_with_discount
FROM sales_lines
WHERE fact_sales.order_id = sales_lines.order_id
    AND fact_sales.item_id = sales_lines.item_id
    -- DECODE takes two nulls as equal
    AND DECODE(fact_sales.product_key, sales_lines.product_key, 0, 1)
    + DECODE(fact_sales.customer_key, sales_lines.customer_key, 0, 1)
    + DECODE(fact_sales.store_key, sales_lines.store_key, 0, 1)
    + DECODE(fact_sales.staff_key, sales_lines.staff_key, 0, 1)
    + DECODE(fact_sales.order_date, sales_lines.order_date, 0, 1)
    + DECODE(fact_sales.required_date, sales_lines.required_date, 0, 1)
    + DECODE(fact_sales.shipped_date, sales_lines.shipped_date, 0, 1)
    + DECODE(fact_sales.rejected_date, sales_lines.rejected_date, 0, 1)
    + DECODE(fact_sales.order_status_id, sales_lines.order_status_id, 0, 1)
    + DECODE(fact_sales.quantity, sales_lines.quantity, 0, 1)
    + DECODE(fact_sales.discount_percent, sales_lines.discount_percent, 0, 1)
    + DECODE(fact_sales.discount_amount, sales_lines.discount_amount, 0, 1)
    + DECODE(fact_sales.total_price, sales_lines.total_price, 0, 1)
    + DECODE(fact_sales.total_price_with_discount, sales_lines.total_price_with_discount, 0, 1) > 0;

INSERT INTO serving.fact_sales (
    order_id,
    item_id,
    product_key,
    customer_key,
    store_key,
    staff_key,
    order_date,
    required_date,
    shipped_date,
    rejected_date,
    order_status_id,
    quantity,
    discount_percent,
    discount_amount,
    total_price,
    total_price_with_discount
)
SELECT
    sales_lines.order_id,
    sales_lines.item_id,
    sales_lines.product_key,
    sales_lines.customer_key,
    sales_lines.store_key,
    sales_lines.staff_key,
    sales_lines.order_date,
    sales_lines.required_date,
    sales_lines.shipped_date,
    sales_lines.rejected_date,
    sales_lines.order_status_id,
    sales_lines.quantity,
    sales_lines.discount_percent,
    sales_lines.discount_amount,
    sales_lines.total_price,
    sales_lines.total_price_with_discount
FROM sales_lines
LEFT JOIN serving.fact_sales AS present
    ON sales_lines.order_id = present.order_id
    AND sales_lines.item_id = present.item_id
WHERE present.sales_id IS NULL;

DROP TABLE sales_lines;
