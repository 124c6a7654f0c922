-- The secret before the last rotation, and until when it works.
ALTER TABLE api_keys ADD COLUMN previous_sha256 BLOB CHECK (previous_sha256 IS NULL OR length(previous_sha256) = 32);
ALTER TABLE api_keys ADD COLUMN previous_until INTEGER;
-- From where the key was last used.
ALTER TABLE api_keys ADD COLUMN last_used_from TEXT;
-- Whether a secret was made elsewhere.
ALTER TABLE api_keys ADD COLUMN imported INTEGER NOT NULL DEFAULT 0 CHECK (imported IN (0, 1));

CREATE UNIQUE INDEX api_keys_by_previous ON api_keys (previous_sha256) WHERE previous_sha256 IS NOT NULL;
-- For lists by page.
CREATE INDEX api_keys_by_creation ON api_keys (created_at, id);
CREATE INDEX api_keys_by_owner ON api_keys (owner, created_at, id);
CREATE INDEX api_keys_by_name ON api_keys (name) WHERE name IS NOT NULL;
CREATE INDEX api_keys_by_expiry ON api_keys (expires_at) WHERE expires_at IS NOT NULL;
