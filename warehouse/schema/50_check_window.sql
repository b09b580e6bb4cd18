-- serving.check_window: refuses a window that does not follow the last loaded one. The last one again is harmless.
CREATE OR REPLACE PROCEDURE serving.check_window(window_lo BIGINT, window_hi BIGINT)
AS $$
DECLARE
    watermark BIGINT;
    repeated INT;
BEGIN
    SELECT COALESCE(MAX(loaded.hi), 0) INTO watermark FROM serving.load_windows AS loaded;
    SELECT COUNT(*) INTO repeated
    FROM serving.load_windows AS loaded
    WHERE loaded.lo = window_lo AND loaded.hi = window_hi AND loaded.hi = watermark;
    IF window_hi < window_lo THEN
        RAISE EXCEPTION 'window [%, %) ends before it begins', window_lo, window_hi;
    END IF;
    IF repeated = 0 AND window_lo <> watermark THEN
        RAISE EXCEPTION 'window [%, %) does not follow the last one: serving.load_windows ends at %',
            window_lo, window_hi, watermark;
    END IF;
END;
$$ LANGUAGE plpgsql;
