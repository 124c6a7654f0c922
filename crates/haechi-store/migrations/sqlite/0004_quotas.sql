-- How many requests API keys have made in the windows of their quotas. A window that has ended is deleted some time later.
CREATE TABLE quota_uses (
    api_key      TEXT    NOT NULL,
    window_start INTEGER NOT NULL,
    window_end   INTEGER NOT NULL,
    requests     INTEGER NOT NULL CHECK (requests >= 0),
    PRIMARY KEY (api_key, window_start, window_end)
) STRICT, WITHOUT ROWID;

CREATE INDEX quota_uses_by_end ON quota_uses (window_end);
