-- What was revoked or changed, by the epoch that each change made. A later change to the same takes the place of an earlier one.
CREATE TABLE changes (
    epoch      INTEGER NOT NULL PRIMARY KEY,
    kind       TEXT    NOT NULL CHECK (kind IN ('session', 'token', 'user', 'api_key', 'client')),
    id         TEXT    NOT NULL,
    -- NULL for a change to a user, key or client that nobody has tidied up behind yet.
    kept_until INTEGER,
    UNIQUE (kind, id),
    CHECK (kept_until IS NOT NULL OR kind NOT IN ('session', 'token'))
) STRICT;

CREATE INDEX changes_by_kept_until ON changes (kept_until);

-- One row. Other names than before: a process that does not know the table above must not go on as if nothing were revoked.
CREATE TABLE change_epoch (
    one       INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    value     INTEGER NOT NULL CHECK (value >= 0),
    -- Changes to users, keys and clients up to this epoch were forgotten.
    forgotten INTEGER NOT NULL CHECK (forgotten BETWEEN 0 AND value)
) STRICT;

INSERT INTO changes (epoch, kind, id, kept_until)
SELECT (SELECT value FROM revocation_epoch) + row_number() OVER (), kind, id, kept_until FROM revocations;

INSERT INTO change_epoch (one, value, forgotten)
SELECT 1, value + (SELECT count(*) FROM revocations), value + (SELECT count(*) FROM revocations) FROM revocation_epoch;

DROP TABLE revocations;
DROP TABLE revocation_epoch;
