-- serving.load_windows: one row per loaded window [lo, hi) of the source's changes; MAX(hi) is the watermark.
CREATE TABLE IF NOT EXISTS serving.load_windows (
    lo BIGINT NOT NULL,
    hi BIGINT NOT NULL,
    run_id VARCHAR(255) NOT NULL,
    loaded_at TIMESTAMP NOT NULL,
    customers INT NOT NULL,
    products INT NOT NULL,
    staffs INT NOT NULL,
    stores INT NOT NULL,
    order_lines INT NOT NULL,
    PRIMARY KEY (hi)
)
DISTSTYLE ALL
SORTKEY (hi);

COMMENT ON TABLE serving.load_windows IS 'One row per loaded window [lo, hi), written in the transaction that loaded it; the rest counts its staged rows';
