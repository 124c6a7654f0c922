-- The embedded identity provider as a standard one: clients that people log in to with a browser, what a session was given to and how its user logged
-- in, how passwords stand, and small documents of codes and consents.
ALTER TABLE clients ADD COLUMN public INTEGER NOT NULL DEFAULT 0 CHECK (public IN (0, 1));
ALTER TABLE clients ADD COLUMN login TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(login));

ALTER TABLE sessions ADD COLUMN client_id TEXT;
ALTER TABLE sessions ADD COLUMN details TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(details));
CREATE INDEX sessions_by_client ON sessions (client_id) WHERE client_id IS NOT NULL;

ALTER TABLE users ADD COLUMN must_change_password INTEGER NOT NULL DEFAULT 0 CHECK (must_change_password IN (0, 1));
ALTER TABLE users ADD COLUMN password_changed_at INTEGER;

CREATE TABLE identity_records (
    kind       TEXT    NOT NULL CHECK (kind IN ('code', 'consent')),
    id         TEXT    NOT NULL,
    owner      TEXT    NOT NULL,
    value      TEXT    NOT NULL CHECK (json_valid(value)),
    version    INTEGER NOT NULL CHECK (version >= 0),
    kept_until INTEGER,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX identity_records_by_owner ON identity_records (owner, kind);
CREATE INDEX identity_records_by_kept_until ON identity_records (kept_until) WHERE kept_until IS NOT NULL;
