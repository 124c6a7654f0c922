-- Machine clients: a second secret while one is replaced, public keys in place of a secret (which then is 32 zero bytes, of which nobody knows a
-- preimage), for whom they may ask for tokens, and how long those are valid, in milliseconds.
ALTER TABLE clients ADD COLUMN previous_sha256 BLOB CHECK (previous_sha256 IS NULL OR length(previous_sha256) = 32);
ALTER TABLE clients ADD COLUMN previous_until INTEGER;
ALTER TABLE clients ADD COLUMN public_keys TEXT;
ALTER TABLE clients ADD COLUMN audiences TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(audiences));
ALTER TABLE clients ADD COLUMN token_lifetime INTEGER;

-- Assertions that clients proved themselves with: each works once.
CREATE TABLE client_assertions (
    sha256     BLOB    NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    kept_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX client_assertions_by_kept_until ON client_assertions (kept_until);

-- What makes the next refresh token of the one before, and when that one was used.
ALTER TABLE sessions ADD COLUMN chain_key BLOB CHECK (chain_key IS NULL OR length(chain_key) = 32);
ALTER TABLE refresh_tokens ADD COLUMN used_at INTEGER;
