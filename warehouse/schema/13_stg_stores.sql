-- staging.stg_stores: one row per store that changed in the window.
CREATE TABLE IF NOT EXISTS staging.stg_stores (
    store_id VARCHAR(15) NOT NULL,
    store_name VARCHAR(255),
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
SORTKEY (store_id);

COMMENT ON TABLE staging.stg_stores IS 'One row per store that changed in the window: its state at the window''s end';
