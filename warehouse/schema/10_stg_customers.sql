-- staging.stg_customers: one row per customer that changed in the window.
CREATE TABLE IF NOT EXISTS staging.stg_customers (
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
    updated_at TIMESTAMP NOT NULL,
    is_active VARCHAR(1) NOT NULL
)
DISTSTYLE ALL
SORTKEY (customer_id);

COMMENT ON TABLE staging.stg_customers IS 'One row per customer that changed in the window: its state at the window''s end';
