-- How many requests API keys have made in the windows of their quotas. A window that has ended is deleted some time later.
CREATE TABLE haechi.quota_uses (
    api_key      TEXT   NOT NULL,
    window_start BIGINT NOT NULL,
    window_end   BIGINT NOT NULL,
    requests     BIGINT NOT NULL CHECK (requests >= 0),
    PRIMARY KEY (api_key, window_start, window_end)
);

CREATE INDEX quota_uses_by_end ON haechi.quota_uses (window_end);
