-- Passkeys are kept as records as well, and which challenges they have answered.
ALTER TABLE haechi.identity_records DROP CONSTRAINT identity_records_kind_check;
ALTER TABLE haechi.identity_records
    ADD CONSTRAINT identity_records_kind_check CHECK (kind IN ('code', 'consent', 'second_factor', 'passkey', 'passkey_use'));
