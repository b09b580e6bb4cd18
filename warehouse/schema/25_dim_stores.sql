-- serving.dim_stores: one row per store and version; a version is valid from eff_date to exp_date, both included.
CREATE TABLE IF NOT EXISTS serving.dim_stores (
    store_key INT IDENTITY(1, 1),
    store_id VARCHAR(15) NOT NULL,
    store_name VARCHAR(255),
    phone VARCHAR(255),
    email VARCHAR(255),
    street VARCHAR(255),
    city VARCHAR(255),
    state VARCHAR(255),
    zip_code VARCHAR(255),
    eff_date DATE NOT NULL,
    exp_date DATE NOT NULL,
    active_flag VARCHAR(1) NOT NULL,
    PRIMARY KEY (store_key)
)
DISTSTYLE ALL
SORTKEY (store_id, eff_date);

COMMENT ON TABLE serving.dim_stores IS 'One row per store and version: its values from eff_date to exp_date, both included';
