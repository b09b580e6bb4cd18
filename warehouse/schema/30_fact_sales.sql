-- serving.fact_sales: one row per order line (order_id, item_id); dates are keys of dim_date.
-- Rows lie with their order, because the load replaces whole orders, and are sorted by the date that reports filter on.
CREATE TABLE IF NOT EXISTS serving.fact_sales (
    sales_id INT IDENTITY(1, 1),
    order_id VARCHAR(15) NOT NULL,
    item_id INT NOT NULL,
    product_key INT NOT NULL REFERENCES serving.dim_products (product_key),
    customer_key INT NOT NULL REFERENCES serving.dim_customers (customer_key),
    store_key INT NOT NULL REFERENCES serving.dim_stores (store_key),
    staff_key INT NOT NULL REFERENCES serving.dim_staffs (staff_key),
    order_date VARCHAR(8) NOT NULL REFERENCES serving.dim_date (date_key),
    required_date VARCHAR(8) REFERENCES serving.dim_date (date_key),
    shipped_date VARCHAR(8) REFERENCES serving.dim_date (date_key),
    rejected_date VARCHAR(8) REFERENCES serving.dim_date (date_key),
    order_status_id INT NOT NULL REFERENCES serving.dim_order_status (order_status_id),
    quantity INT NOT NULL,
    discount_percent DECIMAL(15, 2) NOT NULL,
    discount_amount DECIMAL(15, 2) NOT NULL,
    total_price DECIMAL(15, 2) NOT NULL,
    total_price_with_discount DECIMAL(15, 2) NOT NULL,
    PRIMARY KEY (sales_id)
)
DISTSTYLE KEY
DISTKEY (order_id)
SORTKEY (order_date);

COMMENT ON TABLE serving.fact_sales IS 'One row per order line (order_id, item_id)';
