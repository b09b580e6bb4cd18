-- serving.dim_order_status: one row per order status; filled here, once.
CREATE TABLE IF NOT EXISTS serving.dim_order_status (
    order_status_id INT NOT NULL,
    order_status VARCHAR(255) NOT NULL,
    PRIMARY KEY (order_status_id)
)
DISTSTYLE ALL
SORTKEY (order_status_id);

COMMENT ON TABLE serving.dim_order_status IS 'One row per order status';

INSERT INTO serving.dim_order_status (order_status_id, order_status)
SELECT
    named.order_status_id,
    named.order_status
FROM (
    SELECT 1 AS order_status_id, 'Pending' AS order_status
    UNION ALL
    SELECT 2 AS order_status_id, 'Rejected' AS order_status
    UNION ALL
    SELECT 3 AS order_status_id, 'Completed' AS order_status
) AS named
LEFT JOIN serving.dim_order_status AS present ON named.order_status_id = present.order_status_id
WHERE present.order_status_id IS NULL;
