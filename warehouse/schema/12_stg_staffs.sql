-- staging.stg_staffs: one row per staff that changed in the window.
CREATE TABLE IF NOT EXISTS staging.stg_staffs (
    staff_id VARCHAR(15) NOT NULL,
    first_name VARCHAR(255),
    last_name VARCHAR(255),
    email VARCHAR(255),
    phone VARCHAR(255),
    store_id VARCHAR(15),
    manager_id VARCHAR(15),
    eff_date DATE NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    is_active VARCHAR(1) NOT NULL
)
DISTSTYLE ALL
SORTKEY (staff_id);

COMMENT ON TABLE staging.stg_staffs IS 'One row per staff that changed in the window: its state at the window''s end';
