-- serving.dim_products: one row per product and version; a version is valid from eff_date to exp_date, both included.
CREATE TABLE IF NOT EXISTS serving.dim_products (
    product_key INT IDENTITY(1, 1),
    product_id VARCHAR(15) NOT NULL,
    product_name VARCHAR(255),
    brand_name VARCHAR(255),
    category_name VARCHAR(255),
    model_year INT,
    list_price DECIMAL(10, 2),
    eff_date DATE NOT NULL,
    exp_date DATE NOT NULL,
    active_flag VARCHAR(1) NOT NULL,
    PRIMARY KEY (product_key)
)
DISTSTYLE ALL
SORTKEY (product_id, eff_date);

COMMENT ON TABLE serving.dim_products IS 'One row per product and version: its values from eff_date to exp_date, both included';
