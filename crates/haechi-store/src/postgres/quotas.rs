//! The use of quotas, in PostgreSQL.

use super::Postgres;
use crate::records::Columns;
use haechi_core::Timestamp;
use haechi_core::ports::{QuotaUse, Quotas, StoreError, Stored};
use sqlx::postgres::PgRow;

/// All at once, in the order of the primary key, so that two nodes never wait for each other in a circle. The totals are those after the addition.
const ADD: &str = "INSERT INTO haechi.quota_uses AS known (api_key, window_start, window_end, requests) \
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS new (a, s, e, r) ORDER BY a, s, e \
     ON CONFLICT (api_key, window_start, window_end) \
     DO UPDATE SET requests = known.requests + excluded.requests \
     RETURNING api_key, window_start, window_end, requests";

/// Of those that are there.
const ASK: &str = "SELECT q.api_key, q.window_start, q.window_end, q.requests FROM haechi.quota_uses q \
     JOIN unnest($1::text[], $2::bigint[], $3::bigint[]) AS new (a, s, e) \
     ON q.api_key = a AND q.window_start = s AND q.window_end = e";

impl Quotas for Postgres {
    fn add<'a>(&'a self, uses: &'a [QuotaUse]) -> Stored<'a, Vec<u64>> {
        self.answer(async move {
            let keys: Vec<String> = uses.iter().map(|used| used.key.to_string()).collect();
            let times = |time: fn(&QuotaUse) -> Timestamp| -> Vec<i64> {
                uses.iter().map(|used| time(used).as_millis()).collect()
            };
            let (starts, ends) = (times(|used| used.window_start), times(|used| used.window_end));
            let requests: Vec<i64> = uses.iter().map(|used| i64::from(used.requests)).collect();
            // Who only asks writes nothing.
            if requests.iter().all(|requests| *requests == 0) {
                let rows = self.rows(ASK, |sql| sql.bind(keys).bind(starts).bind(ends)).await?;
                return totals(uses, &rows, false);
            }
            let mut write = self.write().await?;
            let added = write.sql(ADD).bind(keys).bind(starts).bind(ends).bind(requests);
            let rows = added.fetch_all(&mut *write).await?;
            let totals = totals(uses, &rows, true)?;
            self.commit(write).await?;
            Ok(totals)
        })
    }

    fn forget(&self, before: Timestamp) -> Stored<'_, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            write
                .sql("DELETE FROM haechi.quota_uses WHERE window_end < $1")
                .bind(before.as_millis())
                .execute(&mut *write)
                .await?;
            self.commit(write).await
        })
    }
}

/// The totals in the order of `uses`. What is not there is nothing, unless it was just added.
fn totals(uses: &[QuotaUse], rows: &[PgRow], added: bool) -> Result<Vec<u64>, super::fault::Fault> {
    let mut known = std::collections::HashMap::with_capacity(rows.len());
    for row in rows {
        let window = (row.text("api_key")?, row.number("window_start")?, row.number("window_end")?);
        known.insert(window, u64::try_from(row.number("requests")?).unwrap_or(0));
    }
    let total = |used: &QuotaUse| {
        let window = (used.key.to_string(), used.window_start.as_millis(), used.window_end.as_millis());
        let missing = || StoreError::Unavailable("the database did not tell what it had counted".to_owned());
        match known.get(&window) {
            Some(total) => Ok(*total),
            None if added => Err(missing().into()),
            None => Ok(0),
        }
    };
    uses.iter().map(total).collect()
}
