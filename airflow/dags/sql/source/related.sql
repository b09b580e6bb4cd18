-- A change beside a tracked row is a change of the row: an order's items, a product's brand and category.

-- Rows are locked in the order of their keys, so that two writers with the same orders do not wait for each other.
CREATE OR REPLACE FUNCTION store.renew_orders(keys VARCHAR(15)[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM store.orders WHERE order_id = ANY (keys) ORDER BY order_id FOR NO KEY UPDATE;
    UPDATE store.orders SET updated_at = updated_at WHERE order_id = ANY (keys);
END
$$;

CREATE OR REPLACE FUNCTION store.items_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM store.renew_orders(array(SELECT DISTINCT order_id FROM new_items));
    RETURN NULL;
END
$$;

-- An item that moves renews the order it leaves and the order it joins.
CREATE OR REPLACE FUNCTION store.items_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM store.renew_orders(array(SELECT order_id FROM old_items UNION SELECT order_id FROM new_items));
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION store.items_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM store.renew_orders(array(SELECT DISTINCT order_id FROM old_items));
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION store.items_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM store.renew_orders(array(SELECT DISTINCT order_id FROM store.order_items));
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER renew_orders_on_insert AFTER INSERT ON store.order_items
    REFERENCING NEW TABLE AS new_items FOR EACH STATEMENT EXECUTE FUNCTION store.items_inserted();
CREATE OR REPLACE TRIGGER renew_orders_on_update AFTER UPDATE ON store.order_items
    REFERENCING OLD TABLE AS old_items NEW TABLE AS new_items
    FOR EACH STATEMENT EXECUTE FUNCTION store.items_updated();
CREATE OR REPLACE TRIGGER renew_orders_on_delete AFTER DELETE ON store.order_items
    REFERENCING OLD TABLE AS old_items FOR EACH STATEMENT EXECUTE FUNCTION store.items_deleted();
CREATE OR REPLACE TRIGGER renew_orders_on_truncate BEFORE TRUNCATE ON store.order_items
    FOR EACH STATEMENT EXECUTE FUNCTION store.items_truncated();

CREATE OR REPLACE FUNCTION store.brand_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE store.products SET updated_at = updated_at WHERE brand_id = NEW.brand_id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION store.category_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE store.products SET updated_at = updated_at WHERE category_id = NEW.category_id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER renew_products AFTER UPDATE ON store.brands
    FOR EACH ROW WHEN (OLD.brand_name IS DISTINCT FROM NEW.brand_name) EXECUTE FUNCTION store.brand_renamed();
CREATE OR REPLACE TRIGGER renew_products AFTER UPDATE ON store.categories
    FOR EACH ROW WHEN (OLD.category_name IS DISTINCT FROM NEW.category_name)
    EXECUTE FUNCTION store.category_renamed();

-- The foreign key's own lock lets a brand be renamed meanwhile; the new product, not yet visible to that transaction,
-- would never be renewed. FOR SHARE makes one wait for the other.
CREATE OR REPLACE FUNCTION store.hold_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM store.brands WHERE brand_id = NEW.brand_id FOR SHARE;
    PERFORM FROM store.categories WHERE category_id = NEW.category_id FOR SHARE;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER hold_names BEFORE INSERT OR UPDATE OF brand_id, category_id ON store.products
    FOR EACH ROW EXECUTE FUNCTION store.hold_names();
