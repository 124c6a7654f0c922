-- Times are milliseconds since 1970-01-01T00:00:00Z. Lists and maps are JSON text, so that both kinds of store keep the same.
-- `number` tells what was added first where times are equal.

CREATE TABLE haechi.users (
    id            TEXT    PRIMARY KEY,
    name          TEXT    NOT NULL UNIQUE,
    password_hash TEXT    NOT NULL,
    roles         TEXT    NOT NULL CHECK (roles::json IS NOT NULL),
    attributes    TEXT    NOT NULL CHECK (attributes::json IS NOT NULL),
    disabled      BOOLEAN NOT NULL,
    created_at    BIGINT  NOT NULL,
    failures      BIGINT  NOT NULL CHECK (failures >= 0),
    locked_until  BIGINT
);

CREATE TABLE haechi.clients (
    id            TEXT   PRIMARY KEY,
    name          TEXT   NOT NULL UNIQUE,
    secret_sha256 BYTEA  NOT NULL CHECK (length(secret_sha256) = 32),
    roles         TEXT   NOT NULL CHECK (roles::json IS NOT NULL),
    scopes        TEXT   NOT NULL CHECK (scopes::json IS NOT NULL),
    attributes    TEXT   NOT NULL CHECK (attributes::json IS NOT NULL),
    created_at    BIGINT NOT NULL
);

CREATE TABLE haechi.api_keys (
    id                TEXT   PRIMARY KEY,
    number            BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    sha256            BYTEA  NOT NULL UNIQUE CHECK (length(sha256) = 32),
    owner             TEXT   NOT NULL,
    name              TEXT,
    roles             TEXT   NOT NULL CHECK (roles::json IS NOT NULL),
    scopes            TEXT   NOT NULL CHECK (scopes::json IS NOT NULL),
    attributes        TEXT   NOT NULL CHECK (attributes::json IS NOT NULL),
    expires_at        BIGINT,
    allowed_addresses TEXT   NOT NULL CHECK (allowed_addresses::json IS NOT NULL),
    rate_limit        TEXT   CHECK (rate_limit IS NULL OR rate_limit::json IS NOT NULL),
    quota             TEXT   CHECK (quota IS NULL OR quota::json IS NOT NULL),
    created_at        BIGINT NOT NULL,
    last_used_at      BIGINT,
    state             TEXT   NOT NULL CHECK (state IN ('active', 'revoked'))
);

CREATE TABLE haechi.sessions (
    id           TEXT   PRIMARY KEY,
    user_id      TEXT   NOT NULL,
    expires_at   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    -- When the last access token of the session has expired too.
    forget_after BIGINT NOT NULL
);

CREATE INDEX sessions_by_user ON haechi.sessions (user_id);
CREATE INDEX sessions_by_forget_after ON haechi.sessions (forget_after);

-- Every refresh token of a session that is remembered: the one that works, and those used before, to know a replay.
CREATE TABLE haechi.refresh_tokens (
    sha256  BYTEA   PRIMARY KEY CHECK (length(sha256) = 32),
    session TEXT    NOT NULL REFERENCES haechi.sessions (id) ON DELETE CASCADE,
    used    BOOLEAN NOT NULL
);

CREATE INDEX refresh_tokens_by_session ON haechi.refresh_tokens (session);
-- A session has one working token, never two.
CREATE UNIQUE INDEX working_refresh_token ON haechi.refresh_tokens (session) WHERE NOT used;

CREATE TABLE haechi.signing_keys (
    id              TEXT   PRIMARY KEY,
    number          BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    algorithm       TEXT   NOT NULL,
    pkcs8           BYTEA  NOT NULL,
    active_from     BIGINT NOT NULL,
    retired_at      BIGINT,
    published_until BIGINT,
    created_at      BIGINT NOT NULL
);

-- One key of an algorithm is the latest, whoever of several nodes was first.
CREATE UNIQUE INDEX latest_signing_key ON haechi.signing_keys (algorithm) WHERE retired_at IS NULL;

-- What was revoked or changed, by the epoch that each change made. A later change to the same takes the place of an earlier one.
CREATE TABLE haechi.changes (
    epoch      BIGINT PRIMARY KEY,
    kind       TEXT   NOT NULL CHECK (kind IN ('session', 'token', 'user', 'api_key', 'client')),
    id         TEXT   NOT NULL,
    -- NULL for a change to a user, key or client that nobody has tidied up behind yet.
    kept_until BIGINT,
    UNIQUE (kind, id),
    CHECK (kept_until IS NOT NULL OR kind NOT IN ('session', 'token'))
);

CREATE INDEX changes_by_kept_until ON haechi.changes (kept_until);

-- One row. Whoever records a change locks it first, so that changes become visible in the order of their epochs.
CREATE TABLE haechi.change_epoch (
    one       BOOLEAN PRIMARY KEY CHECK (one),
    value     BIGINT  NOT NULL CHECK (value >= 0),
    -- Changes to users, keys and clients up to this epoch were forgotten.
    forgotten BIGINT  NOT NULL CHECK (forgotten BETWEEN 0 AND value)
);

INSERT INTO haechi.change_epoch (one, value, forgotten) VALUES (TRUE, 0, 0);

-- One row: programs that know this version of the schema, or a later one, may go on running beside newer ones.
CREATE TABLE haechi.compatibility (
    one          BOOLEAN PRIMARY KEY CHECK (one),
    oldest_known BIGINT  NOT NULL
);

INSERT INTO haechi.compatibility (one, oldest_known) VALUES (TRUE, 1);
