-- Policies of the store, each version of each: a row is never changed and never deleted. The newest of a name counts; one without a text is the end of the
-- policy. Whoever adds a row takes the next serial, so that of two who looked at the same state one is refused.
CREATE TABLE haechi.policies (
    serial      BIGINT PRIMARY KEY CHECK (serial > 0),
    name        TEXT   NOT NULL,
    version     BIGINT NOT NULL CHECK (version > 0),
    text        TEXT,
    changed_at  BIGINT NOT NULL,
    changed_by  TEXT   NOT NULL CHECK (changed_by::json IS NOT NULL),
    approved_by TEXT   CHECK (approved_by IS NULL OR approved_by::json IS NOT NULL),
    CONSTRAINT policy_versions UNIQUE (name, version)
);

-- Changes that wait for a second person, and those that were decided, of which only the trail says what exactly they were.
CREATE TABLE haechi.approvals (
    id         TEXT   PRIMARY KEY,
    action     TEXT   NOT NULL,
    target     TEXT   NOT NULL,
    content    TEXT   NOT NULL CHECK (content::json IS NOT NULL),
    asked_by   TEXT   NOT NULL CHECK (asked_by::json IS NOT NULL),
    asked_at   BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    state      TEXT   NOT NULL CHECK (state IN ('pending', 'approved', 'failed', 'rejected', 'withdrawn', 'expired')),
    decided_by TEXT   CHECK (decided_by IS NULL OR decided_by::json IS NOT NULL),
    decided_at BIGINT
);

CREATE INDEX pending_approvals ON haechi.approvals (expires_at) WHERE state = 'pending';
