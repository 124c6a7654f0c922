//! The use of quotas, in SQLite.

use super::Sqlite;
use haechi_core::Timestamp;
use haechi_core::ports::{QuotaUse, Quotas, Stored};
use sqlx::{query, query_scalar};

impl Quotas for Sqlite {
    fn add<'a>(&'a self, uses: &'a [QuotaUse]) -> Stored<'a, Vec<u64>> {
        self.answer(async move {
            let mut totals = Vec::with_capacity(uses.len());
            // Who only asks takes no write lock.
            if uses.iter().all(|used| used.requests == 0) {
                for used in uses {
                    let total: Option<i64> = query_scalar(
                        "SELECT requests FROM quota_uses WHERE api_key = ? AND window_start = ? AND window_end = ?",
                    )
                    .bind(&*used.key)
                    .bind(used.window_start.as_millis())
                    .bind(used.window_end.as_millis())
                    .fetch_optional(&self.readers)
                    .await?;
                    totals.push(number(total.unwrap_or(0)));
                }
                return Ok(totals);
            }
            let mut write = self.write().await?;
            for used in uses {
                let total: i64 = query_scalar(
                    "INSERT INTO quota_uses (api_key, window_start, window_end, requests) VALUES (?, ?, ?, ?) \
                     ON CONFLICT (api_key, window_start, window_end) \
                     DO UPDATE SET requests = requests + excluded.requests RETURNING requests",
                )
                .bind(&*used.key)
                .bind(used.window_start.as_millis())
                .bind(used.window_end.as_millis())
                .bind(i64::from(used.requests))
                .fetch_one(&mut *write)
                .await?;
                totals.push(number(total));
            }
            self.commit(write).await?;
            Ok(totals)
        })
    }

    fn forget(&self, before: Timestamp) -> Stored<'_, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            query("DELETE FROM quota_uses WHERE window_end < ?")
                .bind(before.as_millis())
                .execute(&mut *write)
                .await?;
            self.commit(write).await
        })
    }
}

/// The schema has none below zero.
fn number(total: i64) -> u64 {
    u64::try_from(total).unwrap_or(0)
}
