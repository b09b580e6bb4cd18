-- The audit columns keep themselves: an insert sets all of them, an update renews two, a delete only marks the row.

CREATE OR REPLACE FUNCTION store.audit_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.created_at := clock_timestamp();
    NEW.updated_at := NEW.created_at;
    NEW.is_active := 'Y';
    NEW.changed_in := pg_current_xact_id();
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION store.audit_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The clock of the change itself, not of its transaction's start: two changes of a row then never swap days.
    NEW.created_at := OLD.created_at;
    NEW.updated_at := clock_timestamp();
    NEW.changed_in := pg_current_xact_id();
    RETURN NEW;
END
$$;

-- A renamed key would leave its old self in the warehouse for ever.
CREATE OR REPLACE FUNCTION store.keep_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the key of store.% cannot change: delete the row and insert a new one', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE OR REPLACE FUNCTION store.refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE store.% would lose rows that the warehouse still holds: use DELETE', TG_TABLE_NAME
        USING ERRCODE = 'feature_not_supported';
END
$$;

CREATE OR REPLACE TRIGGER audit_insert BEFORE INSERT ON store.customers
    FOR EACH ROW EXECUTE FUNCTION store.audit_insert();
CREATE OR REPLACE TRIGGER audit_update BEFORE UPDATE ON store.customers
    FOR EACH ROW EXECUTE FUNCTION store.audit_update();
CREATE OR REPLACE TRIGGER keep_key BEFORE UPDATE OF customer_id ON store.customers
    FOR EACH ROW WHEN (OLD.customer_id IS DISTINCT FROM NEW.customer_id) EXECUTE FUNCTION store.keep_key();
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON store.customers
    FOR EACH STATEMENT EXECUTE FUNCTION store.refuse_truncate();

CREATE OR REPLACE TRIGGER audit_insert BEFORE INSERT ON store.staffs
    FOR EACH ROW EXECUTE FUNCTION store.audit_insert();
CREATE OR REPLACE TRIGGER audit_update BEFORE UPDATE ON store.staffs
    FOR EACH ROW EXECUTE FUNCTION store.audit_update();
CREATE OR REPLACE TRIGGER keep_key BEFORE UPDATE OF staff_id ON store.staffs
    FOR EACH ROW WHEN (OLD.staff_id IS DISTINCT FROM NEW.staff_id) EXECUTE FUNCTION store.keep_key();
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON store.staffs
    FOR EACH STATEMENT EXECUTE FUNCTION store.refuse_truncate();

CREATE OR REPLACE TRIGGER audit_insert BEFORE INSERT ON store.products
    FOR EACH ROW EXECUTE FUNCTION store.audit_insert();
CREATE OR REPLACE TRIGGER audit_update BEFORE UPDATE ON store.products
    FOR EACH ROW EXECUTE FUNCTION store.audit_update();
CREATE OR REPLACE TRIGGER keep_key BEFORE UPDATE OF product_id ON store.products
    FOR EACH ROW WHEN (OLD.product_id IS DISTINCT FROM NEW.product_id) EXECUTE FUNCTION store.keep_key();
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON store.products
    FOR EACH STATEMENT EXECUTE FUNCTION store.refuse_truncate();

CREATE OR REPLACE TRIGGER audit_insert BEFORE INSERT ON store.stores
    FOR EACH ROW EXECUTE FUNCTION store.audit_insert();
CREATE OR REPLACE TRIGGER audit_update BEFORE UPDATE ON store.stores
    FOR EACH ROW EXECUTE FUNCTION store.audit_update();
CREATE OR REPLACE TRIGGER keep_key BEFORE UPDATE OF store_id ON store.stores
    FOR EACH ROW WHEN (OLD.store_id IS DISTINCT FROM NEW.store_id) EXECUTE FUNCTION store.keep_key();
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON store.stores
    FOR EACH STATEMENT EXECUTE FUNCTION store.refuse_truncate();

CREATE OR REPLACE TRIGGER audit_insert BEFORE INSERT ON store.orders
    FOR EACH ROW EXECUTE FUNCTION store.audit_insert();
CREATE OR REPLACE TRIGGER audit_update BEFORE UPDATE ON store.orders
    FOR EACH ROW EXECUTE FUNCTION store.audit_update();
CREATE OR REPLACE TRIGGER keep_key BEFORE UPDATE OF order_id ON store.orders
    FOR EACH ROW WHEN (OLD.order_id IS DISTINCT FROM NEW.order_id) EXECUTE FUNCTION store.keep_key();
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON store.orders
    FOR EACH STATEMENT EXECUTE FUNCTION store.refuse_truncate();
