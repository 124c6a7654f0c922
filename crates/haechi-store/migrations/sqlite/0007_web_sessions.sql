-- Browser sessions: logins at providers from outside. What the cookie holds is kept as a hash, and the provider's tokens are sealed with a key that is
-- made of what the cookie holds.
CREATE TABLE web_sessions (
    id               TEXT    NOT NULL PRIMARY KEY,
    secret_sha256    BLOB    NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
    authenticator    TEXT    NOT NULL,
    issuer           TEXT    NOT NULL,
    subject          TEXT    NOT NULL,
    provider_session TEXT,
    claims           TEXT    NOT NULL CHECK (json_valid(claims)),
    tokens           BLOB,
    refresh_at       INTEGER,
    version          INTEGER NOT NULL CHECK (version >= 0),
    -- Until when somebody refreshes the tokens.
    refreshing_until INTEGER,
    created_at       INTEGER NOT NULL,
    seen_at          INTEGER NOT NULL,
    idle_until       INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL CHECK (expires_at >= idle_until)
) STRICT;

CREATE INDEX web_sessions_by_subject ON web_sessions (subject);
CREATE INDEX web_sessions_by_provider_session ON web_sessions (provider_session) WHERE provider_session IS NOT NULL;
CREATE INDEX web_sessions_by_idle_until ON web_sessions (idle_until);
CREATE INDEX web_sessions_by_created_at ON web_sessions (created_at);

-- One row, once there was a login: what logins under way are sealed with, on all nodes.
CREATE TABLE login_key (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    key BLOB    NOT NULL CHECK (length(key) = 32)
) STRICT;
