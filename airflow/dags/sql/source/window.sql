-- Where a window ends: below the oldest transaction that still runs, so that nothing can commit into it afterwards.
-- https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT

CREATE OR REPLACE FUNCTION store.window_end(patience INTERVAL DEFAULT '30 seconds')
RETURNS XID8 LANGUAGE plpgsql AS $$
DECLARE
    -- Whatever has committed by now is below this. It is inside once all older transactions have ended.
    goal XID8 := pg_snapshot_xmax(pg_current_snapshot());
    deadline TIMESTAMPTZ := clock_timestamp() + patience;
    reached XID8;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'store.window_end() needs READ COMMITTED: it looks at a new snapshot again and again';
    END IF;
    LOOP
        reached := pg_snapshot_xmin(pg_current_snapshot());
        EXIT WHEN reached >= goal;
        IF clock_timestamp() >= deadline THEN
            RAISE WARNING 'transaction % has run for over %: later changes wait for the next window', reached, patience;
            EXIT;
        END IF;
        PERFORM pg_sleep(0.05);
    END LOOP;
    RETURN reached;
END
$$;

-- The next window [lo, hi), and how many tracked rows changed in it.
CREATE OR REPLACE FUNCTION store.next_window(INOUT lo BIGINT, OUT hi BIGINT, OUT changes BIGINT)
LANGUAGE plpgsql AS $$
BEGIN
    hi := store.window_end()::text::bigint;
    IF lo > hi THEN
        RAISE EXCEPTION 'the warehouse''s watermark % is ahead of this database, which is at %', lo, hi
            USING HINT = 'They do not belong together: one of them was made anew.';
    END IF;
    SELECT count(*) INTO changes
    FROM (
        SELECT changed_in FROM store.customers
        UNION ALL SELECT changed_in FROM store.staffs
        UNION ALL SELECT changed_in FROM store.products
        UNION ALL SELECT changed_in FROM store.stores
        UNION ALL SELECT changed_in FROM store.orders
    ) AS tracked
    WHERE changed_in >= lo::text::xid8 AND changed_in < hi::text::xid8;
END
$$;
