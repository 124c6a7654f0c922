-- Marks the file as ours ("HAEC"), so that a database of another program is never taken for an empty store.
PRAGMA application_id = 1212237123;

-- Times are milliseconds since 1970-01-01T00:00:00Z. Lists and maps are JSON.

CREATE TABLE users (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL UNIQUE,
    password_hash TEXT    NOT NULL,
    roles         TEXT    NOT NULL CHECK (json_valid(roles)),
    attributes    TEXT    NOT NULL CHECK (json_valid(attributes)),
    disabled      INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created_at    INTEGER NOT NULL,
    failures      INTEGER NOT NULL CHECK (failures >= 0),
    locked_until  INTEGER
) STRICT;

CREATE TABLE clients (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL UNIQUE,
    secret_sha256 BLOB    NOT NULL CHECK (length(secret_sha256) = 32),
    roles         TEXT    NOT NULL CHECK (json_valid(roles)),
    scopes        TEXT    NOT NULL CHECK (json_valid(scopes)),
    attributes    TEXT    NOT NULL CHECK (json_valid(attributes)),
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id                TEXT    NOT NULL PRIMARY KEY,
    sha256            BLOB    NOT NULL UNIQUE CHECK (length(sha256) = 32),
    owner             TEXT    NOT NULL,
    name              TEXT,
    roles             TEXT    NOT NULL CHECK (json_valid(roles)),
    scopes            TEXT    NOT NULL CHECK (json_valid(scopes)),
    attributes        TEXT    NOT NULL CHECK (json_valid(attributes)),
    expires_at        INTEGER,
    allowed_addresses TEXT    NOT NULL CHECK (json_valid(allowed_addresses)),
    rate_limit        TEXT    CHECK (rate_limit IS NULL OR json_valid(rate_limit)),
    quota             TEXT    CHECK (quota IS NULL OR json_valid(quota)),
    created_at        INTEGER NOT NULL,
    last_used_at      INTEGER,
    state             TEXT    NOT NULL CHECK (state IN ('active', 'revoked'))
) STRICT;

CREATE TABLE sessions (
    id           TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL,
    expires_at   INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    -- When the last access token of the session has expired too.
    forget_after INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_forget_after ON sessions (forget_after);

-- Every refresh token of a session that is remembered: the one that works, and those used before, to know a replay.
CREATE TABLE refresh_tokens (
    sha256  BLOB    NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    session TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    used    INTEGER NOT NULL CHECK (used IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session);
-- A session has one working token, never two.
CREATE UNIQUE INDEX working_refresh_token ON refresh_tokens (session) WHERE used = 0;

CREATE TABLE revocations (
    kind        TEXT    NOT NULL CHECK (kind IN ('session', 'token')),
    id          TEXT    NOT NULL,
    kept_until  INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE revocation_epoch (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    value INTEGER NOT NULL CHECK (value >= 0)
) STRICT;

INSERT INTO revocation_epoch (one, value) VALUES (1, 0);

CREATE TABLE signing_keys (
    id              TEXT    NOT NULL PRIMARY KEY,
    algorithm       TEXT    NOT NULL,
    pkcs8           BLOB    NOT NULL,
    active_from     INTEGER NOT NULL,
    retired_at      INTEGER,
    published_until INTEGER,
    created_at      INTEGER NOT NULL
) STRICT;

-- One key of an algorithm is the latest, whoever of several nodes was first.
CREATE UNIQUE INDEX latest_signing_key ON signing_keys (algorithm) WHERE retired_at IS NULL;
