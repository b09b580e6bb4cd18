-- The bike store's ten tables.
--
-- Five of them are tracked: customers, staffs, products, stores, orders. `changed_in` is the transaction that last
-- changed the row; the pipeline's windows are cut by it, never by a clock.

-- One row per brand.
CREATE TABLE IF NOT EXISTS store.brands (
    brand_id INT PRIMARY KEY,
    brand_name VARCHAR(255) NOT NULL
);

-- One row per category.
CREATE TABLE IF NOT EXISTS store.categories (
    category_id INT PRIMARY KEY,
    category_name VARCHAR(255) NOT NULL
);

-- One row per state an order can be in.
CREATE TABLE IF NOT EXISTS store.order_status (
    order_status_id INT PRIMARY KEY,
    order_status VARCHAR(255) NOT NULL
);

-- One row per store.
CREATE TABLE IF NOT EXISTS store.stores (
    store_id VARCHAR(15) PRIMARY KEY,
    store_name VARCHAR(255) NOT NULL,
    phone VARCHAR(255),
    email VARCHAR(255),
    street VARCHAR(255),
    city VARCHAR(255),
    state VARCHAR(255),
    zip_code VARCHAR(255),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    is_active VARCHAR(1) NOT NULL DEFAULT 'Y' CHECK (is_active IN ('Y', 'N')),
    changed_in XID8 NOT NULL DEFAULT pg_current_xact_id()
);

-- One row per member of staff; the head of all is their own manager.
CREATE TABLE IF NOT EXISTS store.staffs (
    staff_id VARCHAR(15) PRIMARY KEY,
    first_name VARCHAR(255) NOT NULL,
    last_name VARCHAR(255) NOT NULL,
    email VARCHAR(255),
    phone VARCHAR(255),
    store_id VARCHAR(15) NOT NULL REFERENCES store.stores,
    manager_id VARCHAR(15) REFERENCES store.staffs,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    is_active VARCHAR(1) NOT NULL DEFAULT 'Y' CHECK (is_active IN ('Y', 'N')),
    changed_in XID8 NOT NULL DEFAULT pg_current_xact_id()
);

-- One row per product.
CREATE TABLE IF NOT EXISTS store.products (
    product_id VARCHAR(15) PRIMARY KEY,
    product_name VARCHAR(255) NOT NULL,
    brand_id INT NOT NULL REFERENCES store.brands,
    category_id INT NOT NULL REFERENCES store.categories,
    model_year INT NOT NULL,
    list_price DECIMAL(10, 2) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    is_active VARCHAR(1) NOT NULL DEFAULT 'Y' CHECK (is_active IN ('Y', 'N')),
    changed_in XID8 NOT NULL DEFAULT pg_current_xact_id()
);

-- One row per customer.
CREATE TABLE IF NOT EXISTS store.customers (
    customer_id VARCHAR(15) PRIMARY KEY,
    first_name VARCHAR(255) NOT NULL,
    last_name VARCHAR(255) NOT NULL,
    phone VARCHAR(255),
    email VARCHAR(255),
    street VARCHAR(255),
    city VARCHAR(255),
    state VARCHAR(255),
    zip_code VARCHAR(255),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    is_active VARCHAR(1) NOT NULL DEFAULT 'Y' CHECK (is_active IN ('Y', 'N')),
    changed_in XID8 NOT NULL DEFAULT pg_current_xact_id()
);

-- One row per order. A customer may be unknown: the transform puts such orders aside.
CREATE TABLE IF NOT EXISTS store.orders (
    order_id VARCHAR(15) PRIMARY KEY,
    customer_id VARCHAR(15) REFERENCES store.customers,
    order_status_id INT NOT NULL REFERENCES store.order_status,
    order_date DATE NOT NULL,
    required_date DATE NOT NULL,
    shipped_date DATE,
    store_id VARCHAR(15) NOT NULL REFERENCES store.stores,
    staff_id VARCHAR(15) NOT NULL REFERENCES store.staffs,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    is_active VARCHAR(1) NOT NULL DEFAULT 'Y' CHECK (is_active IN ('Y', 'N')),
    changed_in XID8 NOT NULL DEFAULT pg_current_xact_id()
);

-- One row per line of an order.
CREATE TABLE IF NOT EXISTS store.order_items (
    order_id VARCHAR(15) REFERENCES store.orders,
    item_id INT,
    product_id VARCHAR(15) NOT NULL REFERENCES store.products,
    quantity INT NOT NULL,
    list_price DECIMAL(10, 2) NOT NULL,
    discount DECIMAL(4, 2) NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, item_id)
);

-- One row per store and product.
CREATE TABLE IF NOT EXISTS store.stocks (
    store_id VARCHAR(15) REFERENCES store.stores,
    product_id VARCHAR(15) REFERENCES store.products,
    quantity INT,
    PRIMARY KEY (store_id, product_id)
);

-- A window reads few rows of large tables.
CREATE INDEX IF NOT EXISTS customers_changed_in ON store.customers (changed_in);
CREATE INDEX IF NOT EXISTS staffs_changed_in ON store.staffs (changed_in);
CREATE INDEX IF NOT EXISTS products_changed_in ON store.products (changed_in);
CREATE INDEX IF NOT EXISTS stores_changed_in ON store.stores (changed_in);
CREATE INDEX IF NOT EXISTS orders_changed_in ON store.orders (changed_in);
CREATE INDEX IF NOT EXISTS products_brand_id ON store.products (brand_id);
CREATE INDEX IF NOT EXISTS products_category_id ON store.products (category_id);
