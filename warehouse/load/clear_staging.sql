-- Empties staging after the load. DELETE, because TRUNCATE would commit.
DELETE FROM staging.stg_customers;
DELETE FROM staging.stg_products;
DELETE FROM staging.stg_staffs;
DELETE FROM staging.stg_stores;
DELETE FROM staging.stg_date;
DELETE FROM staging.stg_sales;
