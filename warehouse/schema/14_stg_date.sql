-- staging.stg_date: one row per date that occurs in the window.
CREATE TABLE IF NOT EXISTS staging.stg_date (
    date_key VARCHAR(8) NOT NULL,
    date DATE NOT NULL,
    year INT NOT NULL,
    month INT NOT NULL,
    day INT NOT NULL,
    quarter INT NOT NULL,
    day_of_week VARCHAR(255) NOT NULL,
    month_name VARCHAR(255) NOT NULL,
    week_of_year INT NOT NULL
)
DISTSTYLE ALL
SORTKEY (date_key);

COMMENT ON TABLE staging.stg_date IS 'One row per date that occurs in the window: ordered, required, shipped or updated';
