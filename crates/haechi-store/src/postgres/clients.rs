//! Machine clients, in PostgreSQL.

use super::edit::edit;
use super::fault::{found, taken};
use super::sessions::end_all_of_client;
use super::{Postgres, can_be_kept, log};
use crate::edits::Kind;
use crate::json::json;
use crate::records::{client, lifetime_column, proof_columns};
use haechi_core::Timestamp;
use haechi_core::ports::{Change, ClientProof, ClientRecord, Clients, Edit, Revoked, StoreError, Stored};

/// Named one by one: a statement that was prepared for `*` is refused once a newer node has added a column.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, secret_sha256, previous_sha256, previous_until, public_keys, roles, scopes, attributes, ",
            "audiences, token_lifetime, public, login, created_at, revision FROM haechi.clients ",
            $rest
        )
    };
}

impl Clients for Postgres {
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ClientRecord>> {
        self.answer(async move {
            if !can_be_kept(id) {
                return Ok(None);
            }
            let row = self.row(select!("WHERE id = $1"), |sql| sql.bind(id)).await?;
            row.as_ref().map(client).transpose()
        })
    }

    fn list(&self) -> Stored<'_, Vec<ClientRecord>> {
        self.answer(async move {
            let rows = self.rows(select!("ORDER BY name COLLATE \"C\""), |sql| sql).await?;
            rows.iter().map(client).collect()
        })
    }

    fn page<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Stored<'a, Vec<ClientRecord>> {
        self.answer(async move {
            if after.is_some_and(|after| !can_be_kept(after)) {
                return Err(StoreError::Missing(named(after.unwrap_or_default())).into());
            }
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let text = select!(
                "WHERE $1::text IS NULL OR name COLLATE \"C\" > $1 ORDER BY name COLLATE \"C\" LIMIT $2"
            );
            let rows = self.rows(text, |sql| sql.bind(after).bind(limit)).await?;
            rows.iter().map(client).collect()
        })
    }

    fn add<'a>(&'a self, client: &'a ClientRecord) -> Stored<'a, ()> {
        self.answer(async move {
            let (secret, previous, previous_until, keys) = proof_columns(&client.proof);
            let mut write = self.write().await?;
            write
                .sql(
                    "INSERT INTO haechi.clients (id, name, secret_sha256, previous_sha256, previous_until, public_keys, roles, scopes, \
                     attributes, audiences, token_lifetime, public, login, created_at, revision) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
                )
                .bind(&client.id)
                .bind(&client.name)
                .bind(secret)
                .bind(previous)
                .bind(previous_until)
                .bind(keys)
                .bind(json(&client.roles)?)
                .bind(json(&client.scopes)?)
                .bind(json(&client.attributes)?)
                .bind(json(&client.audiences)?)
                .bind(lifetime_column(client.token_lifetime))
                .bind(client.proof == ClientProof::Public)
                .bind(json(&client.login)?)
                .bind(client.created_at.as_millis())
                .bind(client.revision.number())
                .execute(&mut *write)
                .await
                .map_err(|error| taken(error, format!("client `{}`", client.name)))?;
            self.commit(write).await
        })
    }

    fn set_proof<'a>(&'a self, client: Edit<'a>, proof: &'a ClientProof) -> Stored<'a, ()> {
        self.answer(async move {
            let (secret, previous, previous_until, keys) = proof_columns(proof);
            let id = client.of;
            let mut write = self.write().await?;
            edit(&mut write, Kind::Client, client).await?;
            let done = write
                .sql(
                    "UPDATE haechi.clients SET secret_sha256 = $1, previous_sha256 = $2, previous_until = $3, public_keys = $4, \
                     public = $5 WHERE id = $6",
                )
                .bind(secret)
                .bind(previous)
                .bind(previous_until)
                .bind(keys)
                .bind(*proof == ClientProof::Public)
                .bind(id)
                .execute(&mut *write)
                .await?;
            found(&done, || named(id))?;
            log::record(&mut write, &Change::Client(id.to_owned())).await?;
            self.commit(write).await
        })
    }

    fn rotate<'a>(
        &'a self,
        client: Edit<'a>,
        sha256: &'a [u8; 32],
        previous_until: Option<Timestamp>,
    ) -> Stored<'a, ()> {
        self.answer(async move {
            let id = client.of;
            let mut write = self.write().await?;
            edit(&mut write, Kind::Client, client).await?;
            let done = write
                .sql(
                    "UPDATE haechi.clients SET secret_sha256 = $1, previous_until = $2, \
                     previous_sha256 = CASE WHEN $2::bigint IS NULL THEN NULL ELSE secret_sha256 END \
                     WHERE id = $3 AND public_keys IS NULL AND NOT public",
                )
                .bind(sha256.as_slice())
                .bind(previous_until.map(Timestamp::as_millis))
                .bind(id)
                .execute(&mut *write)
                .await?;
            found(&done, || with_secret(id))?;
            log::record(&mut write, &Change::Client(id.to_owned())).await?;
            self.commit(write).await
        })
    }

    fn note_assertion<'a>(
        &'a self,
        sha256: &'a [u8; 32],
        until: Timestamp,
        now: Timestamp,
    ) -> Stored<'a, bool> {
        self.answer(async move {
            let mut write = self.write().await?;
            // Others that note one meanwhile leave the same rows to whoever came first.
            write
                .sql(
                    "DELETE FROM haechi.client_assertions WHERE sha256 IN (SELECT sha256 FROM haechi.client_assertions \
                     WHERE kept_until < $1 LIMIT 100 FOR UPDATE SKIP LOCKED)",
                )
                .bind(now.as_millis())
                .execute(&mut *write)
                .await?;
            let done = write
                .sql("INSERT INTO haechi.client_assertions (sha256, kept_until) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(sha256.as_slice())
                .bind(until.as_millis())
                .execute(&mut *write)
                .await?;
            self.commit(write).await?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn delete<'a>(&'a self, client: Edit<'a>, tokens_expire_at: Timestamp) -> Stored<'a, ()> {
        self.answer(async move {
            let id = client.of;
            let mut write = self.write().await?;
            edit(&mut write, Kind::Client, client).await?;
            let done =
                write.sql("DELETE FROM haechi.clients WHERE id = $1").bind(id).execute(&mut *write).await?;
            found(&done, || named(id))?;
            end_all_of_client(&mut write, id, tokens_expire_at).await?;
            let tokens = Revoked::Session(id.to_owned());
            log::record(&mut write, &Change::Revoked { what: tokens, until: tokens_expire_at }).await?;
            log::record(&mut write, &Change::Client(id.to_owned())).await?;
            self.commit(write).await
        })
    }
}

fn named(id: &str) -> String {
    Kind::Client.named(id)
}

fn with_secret(id: &str) -> String {
    format!("client `{id}` with a secret")
}
