-- serving.dim_date from staging: dates it does not have yet.
INSERT INTO serving.dim_date (date_key, date, year, month, day, quarter, day_of_week, month_name, week_of_year)
SELECT
    staged.date_key,
    staged.date,
    staged.year,
    staged.month,
    staged.day,
    staged.quarter,
    staged.day_of_week,
    staged.month_name,
    staged.week_of_year
FROM staging.stg_date AS staged
LEFT JOIN serving.dim_date AS present ON staged.date_key = present.date_key
WHERE present.date_key IS NULL;
