-- Second factors are kept as records as well.
ALTER TABLE haechi.identity_records DROP CONSTRAINT identity_records_kind_check;
ALTER TABLE haechi.identity_records
    ADD CONSTRAINT identity_records_kind_check CHECK (kind IN ('code', 'consent', 'second_factor'));
