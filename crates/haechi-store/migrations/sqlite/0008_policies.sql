-- Policies of the store, each version of each: a row is never changed and never deleted. The newest of a name counts; one without a text is the end of the
-- policy. Whoever adds a row takes the next serial, so that of two who looked at the same state one is refused.
CREATE TABLE policies (
    serial      INTEGER NOT NULL PRIMARY KEY CHECK (serial > 0),
    name        TEXT    NOT NULL,
    version     INTEGER NOT NULL CHECK (version > 0),
    text        TEXT,
    changed_at  INTEGER NOT NULL,
    changed_by  TEXT    NOT NULL CHECK (json_valid(changed_by)),
    approved_by TEXT    CHECK (approved_by IS NULL OR json_valid(approved_by)),
    UNIQUE (name, version)
) STRICT;

-- Changes that wait for a second person, and those that were decided, of which only the trail says what exactly they were.
CREATE TABLE approvals (
    id         TEXT    NOT NULL PRIMARY KEY,
    action     TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    content    TEXT    NOT NULL CHECK (json_valid(content)),
    asked_by   TEXT    NOT NULL CHECK (json_valid(asked_by)),
    asked_at   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'approved', 'failed', 'rejected', 'withdrawn', 'expired')),
    decided_by TEXT    CHECK (decided_by IS NULL OR json_valid(decided_by)),
    decided_at INTEGER
) STRICT;

CREATE INDEX pending_approvals ON approvals (expires_at) WHERE state = 'pending';
