-- Browser sessions: logins at providers from outside. What the cookie holds is kept as a hash, and the provider's tokens are sealed with a key that is
-- made of what the cookie holds.
CREATE TABLE haechi.web_sessions (
    id               TEXT   PRIMARY KEY,
    secret_sha256    BYTEA  NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
    authenticator    TEXT   NOT NULL,
    issuer           TEXT   NOT NULL,
    subject          TEXT   NOT NULL,
    provider_session TEXT,
    claims           TEXT   NOT NULL CHECK (claims::json IS NOT NULL),
    tokens           BYTEA,
    refresh_at       BIGINT,
    version          BIGINT NOT NULL CHECK (version >= 0),
    -- Until when somebody refreshes the tokens.
    refreshing_until BIGINT,
    created_at       BIGINT NOT NULL,
    seen_at          BIGINT NOT NULL,
    idle_until       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL CHECK (expires_at >= idle_until)
);

CREATE INDEX web_sessions_by_subject ON haechi.web_sessions (subject);
CREATE INDEX web_sessions_by_provider_session ON haechi.web_sessions (provider_session) WHERE provider_session IS NOT NULL;
CREATE INDEX web_sessions_by_idle_until ON haechi.web_sessions (idle_until);
CREATE INDEX web_sessions_by_created_at ON haechi.web_sessions (created_at);

-- One row, once there was a login: what logins under way are sealed with, on all nodes.
CREATE TABLE haechi.login_key (
    one BOOLEAN PRIMARY KEY CHECK (one),
    key BYTEA   NOT NULL CHECK (length(key) = 32)
);
