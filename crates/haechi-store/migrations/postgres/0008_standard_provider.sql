-- The embedded identity provider as a standard one: clients that people log in to with a browser, what a session was given to and how its user logged
-- in, how passwords stand, and small documents of codes and consents.
ALTER TABLE haechi.clients ADD COLUMN public BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE haechi.clients ADD COLUMN login TEXT NOT NULL DEFAULT '{}' CHECK (login::json IS NOT NULL);

ALTER TABLE haechi.sessions ADD COLUMN client_id TEXT;
ALTER TABLE haechi.sessions ADD COLUMN details TEXT NOT NULL DEFAULT '{}' CHECK (details::json IS NOT NULL);
CREATE INDEX sessions_by_client ON haechi.sessions (client_id) WHERE client_id IS NOT NULL;

ALTER TABLE haechi.users ADD COLUMN must_change_password BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE haechi.users ADD COLUMN password_changed_at BIGINT;

CREATE TABLE haechi.identity_records (
    kind       TEXT   NOT NULL CHECK (kind IN ('code', 'consent')),
    id         TEXT   NOT NULL,
    owner      TEXT   NOT NULL,
    value      TEXT   NOT NULL CHECK (value::json IS NOT NULL),
    version    BIGINT NOT NULL CHECK (version >= 0),
    kept_until BIGINT,
    PRIMARY KEY (kind, id)
);

CREATE INDEX identity_records_by_owner ON haechi.identity_records (owner, kind);
CREATE INDEX identity_records_by_kept_until ON haechi.identity_records (kept_until) WHERE kept_until IS NOT NULL;
