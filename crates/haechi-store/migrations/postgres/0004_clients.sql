-- Machine clients: a second secret while one is replaced, public keys in place of a secret (which then is 32 zero bytes, of which nobody knows a
-- preimage), for whom they may ask for tokens, and how long those are valid, in milliseconds.
ALTER TABLE haechi.clients ADD COLUMN previous_sha256 BYTEA CHECK (previous_sha256 IS NULL OR length(previous_sha256) = 32);
ALTER TABLE haechi.clients ADD COLUMN previous_until BIGINT;
ALTER TABLE haechi.clients ADD COLUMN public_keys TEXT;
ALTER TABLE haechi.clients ADD COLUMN audiences TEXT NOT NULL DEFAULT '[]' CHECK (audiences::json IS NOT NULL);
ALTER TABLE haechi.clients ADD COLUMN token_lifetime BIGINT;

-- Assertions that clients proved themselves with: each works once.
CREATE TABLE haechi.client_assertions (
    sha256     BYTEA  PRIMARY KEY CHECK (length(sha256) = 32),
    kept_until BIGINT NOT NULL
);

CREATE INDEX client_assertions_by_kept_until ON haechi.client_assertions (kept_until);

-- What makes the next refresh token of the one before, and when that one was used.
ALTER TABLE haechi.sessions ADD COLUMN chain_key BYTEA CHECK (chain_key IS NULL OR length(chain_key) = 32);
ALTER TABLE haechi.refresh_tokens ADD COLUMN used_at BIGINT;
