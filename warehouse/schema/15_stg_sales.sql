-- staging.stg_sales: one row per line of each order that changed in the window; item_id is null for an order without lines.
CREATE TABLE IF NOT EXISTS staging.stg_sales (
    order_id VARCHAR(15) NOT NULL,
    item_id INT,
    customer_id VARCHAR(15) NOT NULL,
    store_id VARCHAR(15) NOT NULL,
    staff_id VARCHAR(15) NOT NULL,
    product_id VARCHAR(15),
    order_date VARCHAR(8) NOT NULL,
    required_date VARCHAR(8),
    shipped_date VARCHAR(8),
    rejected_date VARCHAR(8),
    order_status_id INT NOT NULL,
    quantity INT,
    discount_percent DECIMAL(15, 2),
    discount_amount DECIMAL(15, 2),
    total_price DECIMAL(15, 2),
    total_price_with_discount DECIMAL(15, 2),
    updated_at TIMESTAMP NOT NULL,
    is_active VARCHAR(1) NOT NULL
)
DISTSTYLE KEY
DISTKEY (order_id)
SORTKEY (order_id, item_id);

COMMENT ON TABLE staging.stg_sales IS 'One row per line of each order that changed in the window; item_id is null for an order without lines';
