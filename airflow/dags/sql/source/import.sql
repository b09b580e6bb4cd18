-- The prepared data set into the source, all tables in one transaction, in the order of their foreign keys.
-- https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PostgreSQL.S3Import.Reference.html
--
-- A source that holds anything is left alone. The triggers come after this: the rows keep the data set's own dates.
DO $import$
BEGIN
    IF EXISTS (SELECT FROM store.brands)
        OR EXISTS (SELECT FROM store.categories)
        OR EXISTS (SELECT FROM store.stores)
        OR EXISTS (SELECT FROM store.products)
        OR EXISTS (SELECT FROM store.customers)
        OR EXISTS (SELECT FROM store.orders)
    THEN
        RAISE WARNING 'the source holds data already: nothing is imported';
        RETURN;
    END IF;

    PERFORM aws_s3.table_import_from_s3(
        'store.brands',
        'brand_id,brand_name',
        '(format csv, header true)',
        aws_commons.create_s3_uri('{{ var.value.source_bucket }}', 'input/brands.csv', '{{ var.value.aws_region }}')
    );

    PERFORM aws_s3.table_import_from_s3(
        'store.categories',
        'category_id,category_name',
        '(format csv, header true)',
        aws_commons.create_s3_uri('{{ var.value.source_bucket }}', 'input/categories.csv', '{{ var.value.aws_region }}')
    );

    PERFORM aws_s3.table_import_from_s3(
        'store.order_status',
        'order_status_id,order_status',
        '(format csv, header true)',
        aws_commons.create_s3_uri('{{ var.value.source_bucket }}', 'input/order_status.csv', '{{ var.value.aws_region }}')
    );

    PERFORM aws_s3.table_import_from_s3(
        'store.stores',
        'store_id,store_name,phone,email,street,city,state,zip_code,created_at,updated_at,is_active',
        '(format csv, header true)',
        aws_commons.create_s3_uri('{{ var.value.source_bucket }}', 'input/stores.csv', '{{ var.value.aws_region }}')
    );

    PERFORM aws_s3.table_import_from_s3(
        'store.staffs',
        'staff_id,first_name,last_name,email,phone,store_id,manager_id,created_at,updated_at,is_active',
        '(format csv, header true)',
        aws_commons.create_s3_uri('{{ var.value.source_bucket }}', 'input/staffs.csv', '{{ var.value.aws_region }}')
    );

    PERFORM aws_s3.table_import_from_s3(
        'store.products',
        'product_id,product_name,brand_id,category_id,model_year,list_price,created_at,updated_at,is_active',
        '(format csv, header true)',
        aws_commons.create_s3_uri('{{ var.value.source_bucket }}', 'input/products.csv', '{{ var.value.aws_region }}')
    );

    PERFORM aws_s3.table_import_from_s3(
        'store.customers',
        'customer_id,first_name,last_name,phone,email,street,city,state,zip_code,created_at,updated_at,is_active',
        '(format csv, header true)',
        aws_commons.create_s3_uri('{{ var.value.source_bucket }}', 'input/customers.csv', '{{ var.value.aws_region }}')
    );

    PERFORM aws_s3.table_import_from_s3(
        'store.orders',
        'order_id,customer_id,order_status_id,order_date,required_date,shipped_date,store_id,staff_id,created_at,updated_at,is_active',
        '(format csv, header true)',
        aws_commons.create_s3_uri('{{ var.value.source_bucket }}', 'input/orders.csv', '{{ var.value.aws_region }}')
    );

    PERFORM aws_s3.table_import_from_s3(
        'store.order_items',
        'order_id,item_id,product_id,quantity,list_price,discount',
        '(format csv, header true)',
        aws_commons.create_s3_uri('{{ var.value.source_bucket }}', 'input/order_items.csv', '{{ var.value.aws_region }}')
    );

    PERFORM aws_s3.table_import_from_s3(
        'store.stocks',
        'store_id,product_id,quantity',
        '(format csv, header true)',
        aws_commons.create_s3_uri('{{ var.value.source_bucket }}', 'input/stocks.csv', '{{ var.value.aws_region }}')
    );
END
$import$;
