-- Every change to a user, a key or a client gives it another revision, which whoever changes it can ask for. It begins with the time at which it was made,
-- so that what takes the place of something deleted has a later one.
ALTER TABLE users ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
UPDATE users SET revision = created_at;
ALTER TABLE api_keys ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
UPDATE api_keys SET revision = created_at;
ALTER TABLE clients ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
UPDATE clients SET revision = created_at;

-- Changes of more kinds.
CREATE TABLE changes_of_any_kind (
    epoch      INTEGER NOT NULL PRIMARY KEY,
    kind       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    -- NULL for a change to a user, key or client that nobody has tidied up behind yet.
    kept_until INTEGER,
    UNIQUE (kind, id),
    CHECK (kept_until IS NOT NULL OR kind NOT IN ('session', 'token'))
) STRICT;

INSERT INTO changes_of_any_kind (epoch, kind, id, kept_until) SELECT epoch, kind, id, kept_until FROM changes;

DROP TABLE changes;
ALTER TABLE changes_of_any_kind RENAME TO changes;

CREATE INDEX changes_by_kept_until ON changes (kept_until);
