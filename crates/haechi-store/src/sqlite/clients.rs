//! Machine clients, in SQLite.

use super::fault::{found, taken};
use super::{Sqlite, log};
use crate::json::json;
use crate::records::client;
use haechi_core::ports::{Change, ClientRecord, Clients, Stored};
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

    fn add<'a>(&'a self, client: &'a ClientRecord) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            query(
                "INSERT INTO clients (id, name, secret_sha256, roles, scopes, attributes, created_at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&client.id)
            .bind(&client.name)
            .bind(client.secret_sha256.as_slice())
            .bind(json(&client.roles)?)
            .bind(json(&client.scopes)?)
            .bind(json(&client.attributes)?)
            .bind(client.created_at.as_millis())
            .execute(&mut *write)
            .await
            .map_err(|error| taken(error, format!("client `{}`", client.name)))?;
            self.commit(write).await
        })
    }

    fn delete<'a>(&'a self, id: &'a str) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            let done = query("DELETE FROM clients WHERE id = ?").bind(id).execute(&mut *write).await?;
            found(&done, || format!("client `{id}`"))?;
            log::record(&mut write, &Change::Client(id.to_owned())).await?;
            self.commit(write).await
        })
    }
}
