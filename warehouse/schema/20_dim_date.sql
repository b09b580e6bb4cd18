-- serving.dim_date: one row per date that occurred in any window.
CREATE TABLE IF NOT EXISTS serving.dim_date (
    date_key VARCHAR(8) NOT NULL,
    date DATE NOT NULL,
    year INT NOT NULL,
    month INT NOT NULL,
    day INT NOT NULL,
    quarter INT NOT NULL,
    day_of_week VARCHAR(255) NOT NULL,
    month_name VARCHAR(255) NOT NULL,
    week_of_year INT NOT NULL,
    PRIMARY KEY (date_key)
)
DISTSTYLE ALL
SORTKEY (date_key);

COMMENT ON TABLE serving.dim_date IS 'One row per date that occurred in any window; week_of_year is the ISO week';
