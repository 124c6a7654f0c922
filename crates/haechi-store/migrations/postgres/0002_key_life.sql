-- The secret before the last rotation, and until when it works.
ALTER TABLE haechi.api_keys ADD COLUMN previous_sha256 BYTEA CHECK (length(previous_sha256) = 32);
ALTER TABLE haechi.api_keys ADD COLUMN previous_until BIGINT;
-- From where the key was last used.
ALTER TABLE haechi.api_keys ADD COLUMN last_used_from TEXT;
-- Whether a secret was made elsewhere.
ALTER TABLE haechi.api_keys ADD COLUMN imported BOOLEAN NOT NULL DEFAULT FALSE;

CREATE UNIQUE INDEX api_keys_by_previous ON haechi.api_keys (previous_sha256) WHERE previous_sha256 IS NOT NULL;
-- For lists by page. Ids are compared byte by byte, as everywhere else.
CREATE INDEX api_keys_by_creation ON haechi.api_keys (created_at, id COLLATE "C");
CREATE INDEX api_keys_by_owner ON haechi.api_keys (owner, created_at, id COLLATE "C");
CREATE INDEX api_keys_by_name ON haechi.api_keys (name) WHERE name IS NOT NULL;
CREATE INDEX api_keys_by_expiry ON haechi.api_keys (expires_at) WHERE expires_at IS NOT NULL;
