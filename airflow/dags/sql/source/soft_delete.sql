-- A DELETE of a tracked row only marks it; marked already, it stays as it is. No row goes, so no foreign key is asked.
--
-- Rules, not triggers: a delete through a join may meet a row twice, which a trigger that updates it does not survive.
-- PostgreSQL refuses MERGE on a table with rules.
-- https://www.postgresql.org/docs/current/rules-update.html, https://www.postgresql.org/docs/current/sql-merge.html

CREATE OR REPLACE RULE soft_delete AS ON DELETE TO store.customers DO INSTEAD
    UPDATE store.customers SET is_active = 'N' WHERE customer_id = OLD.customer_id AND is_active = 'Y'
    RETURNING customers.*;

CREATE OR REPLACE RULE soft_delete AS ON DELETE TO store.staffs DO INSTEAD
    UPDATE store.staffs SET is_active = 'N' WHERE staff_id = OLD.staff_id AND is_active = 'Y'
    RETURNING staffs.*;

CREATE OR REPLACE RULE soft_delete AS ON DELETE TO store.products DO INSTEAD
    UPDATE store.products SET is_active = 'N' WHERE product_id = OLD.product_id AND is_active = 'Y'
    RETURNING products.*;

CREATE OR REPLACE RULE soft_delete AS ON DELETE TO store.stores DO INSTEAD
    UPDATE store.stores SET is_active = 'N' WHERE store_id = OLD.store_id AND is_active = 'Y'
    RETURNING stores.*;

CREATE OR REPLACE RULE soft_delete AS ON DELETE TO store.orders DO INSTEAD
    UPDATE store.orders SET is_active = 'N' WHERE order_id = OLD.order_id AND is_active = 'Y'
    RETURNING orders.*;
