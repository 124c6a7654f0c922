-- Passkeys are kept as records as well, and which challenges they have answered. A check cannot be changed: the table is made anew.
CREATE TABLE identity_records_new (
    kind       TEXT    NOT NULL CHECK (kind IN ('code', 'consent', 'second_factor', 'passkey', 'passkey_use')),
    id         TEXT    NOT NULL,
    owner      TEXT    NOT NULL,
    value      TEXT    NOT NULL CHECK (json_valid(value)),
    version    INTEGER NOT NULL CHECK (version >= 0),
    kept_until INTEGER,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

INSERT INTO identity_records_new (kind, id, owner, value, version, kept_until)
    SELECT kind, id, owner, value, version, kept_until FROM identity_records;
DROP TABLE identity_records;
ALTER TABLE identity_records_new RENAME TO identity_records;

CREATE INDEX identity_records_by_owner ON identity_records (owner, kind);
CREATE INDEX identity_records_by_kept_until ON identity_records (kept_until) WHERE kept_until IS NOT NULL;
