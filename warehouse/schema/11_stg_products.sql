-- staging.stg_products: one row per product that changed in the window.
CREATE TABLE IF NOT EXISTS staging.stg_products (
    product_id VARCHAR(15) NOT NULL,
    product_name VARCHAR(255),
    brand_name VARCHAR(255),
    category_name VARCHAR(255),
    model_year INT,
    list_price DECIMAL(10, 2),
    eff_date DATE NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    is_active VARCHAR(1) NOT NULL
)
DISTSTYLE ALL
SORTKEY (product_id);

COMMENT ON TABLE staging.stg_products IS 'One row per product that changed in the window: its state at the window''s end';
