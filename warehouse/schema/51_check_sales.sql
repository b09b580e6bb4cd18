-- serving.check_sales: refuses staged order lines that would be lost or doubled in the fact table, naming table and key.
CREATE OR REPLACE PROCEDURE serving.check_sales()
AS $$
DECLARE
    fault RECORD;
BEGIN
    FOR fault IN
        SELECT line.order_id, line.item_id
        FROM staging.stg_sales AS line
        WHERE line.item_id IS NOT NULL
        GROUP BY line.order_id, line.item_id
        HAVING COUNT(*) > 1
        ORDER BY line.order_id, line.item_id
        LIMIT 1
    LOOP
        RAISE EXCEPTION 'staging.stg_sales has order_id %, item_id % more than once', fault.order_id, fault.item_id;
    END LOOP;

    FOR fault IN
        SELECT needed.table_name, needed.column_name, needed.key_value, needed.order_id
        FROM (
            SELECT 'dim_customers' AS table_name, 'customer_id' AS column_name, line.customer_id AS key_value, line.order_id
            FROM staging.stg_sales AS line
            LEFT JOIN serving.dim_customers AS present ON line.customer_id = present.customer_id
            WHERE present.customer_key IS NULL AND line.is_active = 'Y' AND line.item_id IS NOT NULL
            UNION ALL
            SELECT 'dim_products', 'product_id', line.product_id, line.order_id
            FROM staging.stg_sales AS line
            LEFT JOIN serving.dim_products AS present ON line.product_id = present.product_id
            WHERE present.product_key IS NULL AND line.is_active = 'Y' AND line.item_id IS NOT NULL
            UNION ALL
            SELECT 'dim_stores', 'store_id', line.store_id, line.order_id
            FROM staging.stg_sales AS line
            LEFT JOIN serving.dim_stores AS present ON line.store_id = present.store_id
            WHERE present.store_key IS NULL AND line.is_active = 'Y' AND line.item_id IS NOT NULL
            UNION ALL
            SELECT 'dim_staffs', 'staff_id', line.staff_id, line.order_id
            FROM staging.stg_sales AS line
            LEFT JOIN serving.dim_staffs AS present ON line.staff_id = present.staff_id
            WHERE present.staff_key IS NULL AND line.is_active = 'Y' AND line.item_id IS NOT NULL
            UNION ALL
            SELECT 'dim_order_status', 'order_status_id', CAST(line.order_status_id AS VARCHAR(15)), line.order_id
            FROM staging.stg_sales AS line
            LEFT JOIN serving.dim_order_status AS present ON line.order_status_id = present.order_status_id
            WHERE present.order_status_id IS NULL AND line.is_active = 'Y' AND line.item_id IS NOT NULL
            UNION ALL
            SELECT 'dim_date', 'date_key', line.order_date, line.order_id
            FROM staging.stg_sales AS line
            LEFT JOIN serving.dim_date AS present ON line.order_date = present.date_key
            WHERE present.date_key IS NULL AND line.is_active = 'Y' AND line.item_id IS NOT NULL
            UNION ALL
            SELECT 'dim_date', 'date_key', line.required_date, line.order_id
            FROM staging.stg_sales AS line
            LEFT JOIN serving.dim_date AS present ON line.required_date = present.date_key
            WHERE present.date_key IS NULL AND line.required_date IS NOT NULL
                AND line.is_active = 'Y' AND line.item_id IS NOT NULL
            UNION ALL
            SELECT 'dim_date', 'date_key', line.shipped_date, line.order_id
            FROM staging.stg_sales AS line
            LEFT JOIN serving.dim_date AS present ON line.shipped_date = present.date_key
            WHERE present.date_key IS NULL AND line.shipped_date IS NOT NULL
                AND line.is_active = 'Y' AND line.item_id IS NOT NULL
            UNION ALL
            SELECT 'dim_date', 'date_key', line.rejected_date, line.order_id
            FROM staging.stg_sales AS line
            LEFT JOIN serving.dim_date AS present ON line.rejected_date = present.date_key
            WHERE present.date_key IS NULL AND line.rejected_date IS NOT NULL
                AND line.is_active = 'Y' AND line.item_id IS NOT NULL
        ) AS needed
        ORDER BY needed.table_name, needed.key_value, needed.order_id
        LIMIT 1
    LOOP
        RAISE EXCEPTION 'serving.% has no row with % = %, which order % needs',
            fault.table_name, fault.column_name, fault.key_value, fault.order_id;
    END LOOP;
END;
$$ LANGUAGE plpgsql;
