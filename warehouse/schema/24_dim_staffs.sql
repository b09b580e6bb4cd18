-- serving.dim_staffs: one row per staff and version; a version is valid from eff_date to exp_date, both included.
CREATE TABLE IF NOT EXISTS serving.dim_staffs (
    staff_key INT IDENTITY(1, 1),
    staff_id VARCHAR(15) NOT NULL,
    first_name VARCHAR(255),
    last_name VARCHAR(255),
    email VARCHAR(255),
    phone VARCHAR(255),
    manager_id VARCHAR(15),
    eff_date DATE NOT NULL,
    exp_date DATE NOT NULL,
    active_flag VARCHAR(1) NOT NULL,
    PRIMARY KEY (staff_key)
)
DISTSTYLE ALL
SORTKEY (staff_id, eff_date);

COMMENT ON TABLE serving.dim_staffs IS 'One row per staff and version: its values from eff_date to exp_date, both included';
