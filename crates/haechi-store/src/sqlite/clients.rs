//! Machine clients, in SQLite.

use super::edit::edit;
use super::fault::{found, taken};
use super::sessions::end_all_of_client;
use super::{Sqlite, log};
use crate::edits::Kind;
use crate::json::json;
use crate::records::{client, lifetime_column, proof_columns};
use haechi_core::Timestamp;
use haechi_core::ports::{Change, ClientProof, ClientRecord, Clients, Edit, Revoked, Stored};
use sqlx::query;

impl Clients for Sqlite {
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ClientRecord>> {
        self.answer(async move {
            let row =
                query("SELECT * FROM clients WHERE id = ?").bind(id).fetch_optional(&self.readers).await?;
            row.as_ref().map(client).transpose()
        })
    }

    fn list(&self) -> Stored<'_, Vec<ClientRecord>> {
        self.answer(async move {
            query("SELECT * FROM clients ORDER BY name")
                .fetch_all(&self.readers)
                .await?
                .iter()
                .map(client)
                .collect()
        })
    }

    fn page<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Stored<'a, Vec<ClientRecord>> {
        self.answer(async move {
            query("SELECT * FROM clients WHERE ?1 IS NULL OR name > ?1 ORDER BY name LIMIT ?2")
                .bind(after)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&self.readers)
                .await?
                .iter()
                .map(client)
                .collect()
        })
    }

    fn add<'a>(&'a self, client: &'a ClientRecord) -> Stored<'a, ()> {
        self.answer(async move {
            let (secret, previous, previous_until, keys) = proof_columns(&client.proof);
            let mut write = self.write().await?;
            query(
                "INSERT INTO clients (id, name, secret_sha256, previous_sha256, previous_until, public_keys, roles, scopes, attributes, \
                 audiences, token_lifetime, public, login, created_at, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            let done = query(
                "UPDATE clients SET secret_sha256 = ?, previous_sha256 = ?, previous_until = ?, public_keys = ?, public = ? WHERE id = ?",
            )
            .bind(secret)
            .bind(previous)
            .bind(previous_until)
            .bind(keys)
            .bind(*proof == ClientProof::Public)
            .bind(id)
            .execute(&mut *write)
            .await?;
            found(&done, || format!("client `{id}`"))?;
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
            let done = query(
                "UPDATE clients SET secret_sha256 = ?1, previous_until = ?2, \
                 previous_sha256 = CASE WHEN ?2 IS NULL THEN NULL ELSE secret_sha256 END \
                 WHERE id = ?3 AND public_keys IS NULL AND NOT public",
            )
            .bind(sha256.as_slice())
            .bind(previous_until.map(Timestamp::as_millis))
            .bind(id)
            .execute(&mut *write)
            .await?;
            found(&done, || format!("client `{id}` with a secret"))?;
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
            query(
                "DELETE FROM client_assertions WHERE sha256 IN \
                 (SELECT sha256 FROM client_assertions WHERE kept_until < ? LIMIT 100)",
            )
            .bind(now.as_millis())
            .execute(&mut *write)
            .await?;
            let done = query(
                "INSERT INTO client_assertions (sha256, kept_until) VALUES (?, ?) ON CONFLICT DO NOTHING",
            )
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
            let done = query("DELETE FROM clients WHERE id = ?").bind(id).execute(&mut *write).await?;
            found(&done, || format!("client `{id}`"))?;
            end_all_of_client(&mut write, id, tokens_expire_at).await?;
            let tokens = Revoked::Session(id.to_owned());
            log::record(&mut write, &Change::Revoked { what: tokens, until: tokens_expire_at }).await?;
            log::record(&mut write, &Change::Client(id.to_owned())).await?;
            self.commit(write).await
        })
    }
}
