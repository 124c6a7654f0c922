-- Every change to a user, a key or a client gives it another revision, which whoever changes it can ask for. It begins with the time at which it was made,
-- so that what takes the place of something deleted has a later one.
ALTER TABLE haechi.users ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
UPDATE haechi.users SET revision = created_at;
ALTER TABLE haechi.api_keys ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
UPDATE haechi.api_keys SET revision = created_at;
ALTER TABLE haechi.clients ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
UPDATE haechi.clients SET revision = created_at;

-- Changes of more kinds, which older programs cannot read.
ALTER TABLE haechi.changes DROP CONSTRAINT changes_kind_check;
UPDATE haechi.compatibility SET oldest_known = 5;
