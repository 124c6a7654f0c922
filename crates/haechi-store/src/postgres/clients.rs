//! Machine clients, in PostgreSQL.

use super::fault::{found, taken};
use super::{Postgres, can_be_kept, log};
use crate::json::json;
use crate::records::client;
use haechi_core::ports::{Change, ClientRecord, Clients, StoreError, Stored};

impl Clients for Postgres {
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ClientRecord>> {
        self.answer(async move {
            if !can_be_kept(id) {
                return Ok(None);
            }
            let row = self.row("SELECT * FROM haechi.clients WHERE id = $1", |sql| sql.bind(id)).await?;
            row.as_ref().map(client).transpose()
        })
    }

    fn list(&self) -> Stored<'_, Vec<ClientRecord>> {
        self.answer(async move {
            let rows =
                self.rows("SELECT * FROM haechi.clients ORDER BY name COLLATE \"C\"", |sql| sql).await?;
            rows.iter().map(client).collect()
        })
    }

    fn add<'a>(&'a self, client: &'a ClientRecord) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            write
                .sql(
                    "INSERT INTO haechi.clients (id, name, secret_sha256, roles, scopes, attributes, created_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
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
            if !can_be_kept(id) {
                return Err(StoreError::Missing(named(id)).into());
            }
            let mut write = self.write().await?;
            let done =
                write.sql("DELETE FROM haechi.clients WHERE id = $1").bind(id).execute(&mut *write).await?;
            found(&done, || named(id))?;
            log::record(&mut write, &Change::Client(id.to_owned())).await?;
            self.commit(write).await
        })
    }
}

fn named(id: &str) -> String {
    format!("client `{id}`")
}
