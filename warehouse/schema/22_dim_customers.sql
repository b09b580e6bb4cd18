-- serving.dim_customers: one row per customer and version; a version is valid from eff_date to exp_date, both included.
CREATE TABLE IF NOT EXISTS serving.dim_customers (
    customer_key INT IDENTITY(1, 1),
    customer_id VARCHAR(15) NOT NULL,
    first_name VARCHAR(255),
    last_name VARCHAR(255),
    phone VARCHAR(255),
    email VARCHAR(255),
    street VARCHAR(255),
    city VARCHAR(255),
    state VARCHAR(255),
    zip_code VARCHAR(255),
    eff_date DATE NOT NULL,
    exp_date DATE NOT NULL,
    active_flag VARCHAR(1) NOT NULL,
    PRIMARY KEY (customer_key)
)
DISTSTYLE ALL
SORTKEY (customer_id, eff_date);

COMMENT ON TABLE serving.dim_customers IS 'One row per customer and version: its values from eff_date to exp_date, both included';
