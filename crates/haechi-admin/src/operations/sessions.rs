//! `/api/v1/sessions`: logins of users, and of people who logged in with a browser elsewhere.

use super::users::{UserPath, concerned, existing};
use crate::answer::{Done, Page, limit_to};
use crate::call::{Asked, Nothing};
use crate::change::{Change, Reader};
use crate::error::AdminError;
use crate::shape::shape;
use haechi_authn::identity::tokens_expire_at;
use haechi_core::Timestamp;
use haechi_core::ports::{Session, StoreError, WebSession};

/// There are no further pages, so that one is longer.
const MOST: usize = 1000;

shape! {
    /// Which login.
    pub(crate) SessionPath {
        /// Its id, the `sid` of its tokens; not a token.
        required id: String,
    }

    /// Which logins.
    pub(crate) SessionsQuery {
        /// Only those of the user of this name.
        optional user: Option<String>,
        /// At most so many, 1 to 1000; 50 where it is left out.
        optional limit: Option<usize>,
    }

    /// A login.
    pub(crate) SessionView {
        /// Its id, the `sid` of its tokens.
        required id: String,
        /// The user's id, or who it is at the login provider.
        required subject: String,
        /// The authenticator by which people logged in with a browser; `null` for a login of a user.
        required authenticator: Option<String>,
        /// When it began.
        required created_at: String,
        /// When it cannot be refreshed any more.
        required expires_at: String,
    }
}

impl SessionView {
    fn of(session: Session) -> Self {
        Self {
            id: session.id,
            subject: session.user_id,
            authenticator: None,
            created_at: session.created_at.rfc3339().to_string(),
            expires_at: session.expires_at.rfc3339().to_string(),
        }
    }

    fn of_browser(session: WebSession) -> Self {
        Self {
            id: session.id,
            subject: session.subject,
            authenticator: Some(session.authenticator),
            created_at: session.created_at.rfc3339().to_string(),
            expires_at: session.expires_at.rfc3339().to_string(),
        }
    }
}

/// The store tells the newest, and nothing of those before: `next` is always `null`.
pub(super) async fn list(
    reader: Reader,
    asked: Asked<Nothing, SessionsQuery, Nothing>,
) -> Result<Page<SessionView>, AdminError> {
    let limit = limit_to(asked.query.limit, MOST)?;
    let stores = reader.stores()?;
    let user = match &asked.query.user {
        Some(name) => Some(existing(&*stores.users, name).await?.id),
        None => None,
    };
    let found = stores.sessions.list(user.as_deref(), reader.now(), limit).await?;
    let mut all: Vec<(Timestamp, SessionView)> =
        found.into_iter().map(|session| (session.created_at, SessionView::of(session))).collect();
    let others = stores.web_sessions.list(user.as_deref(), reader.now(), limit).await?;
    let issuer = reader.rules()?.issuer;
    let others = others.into_iter().filter(|session| user.is_none() || *session.issuer == *issuer);
    all.extend(others.map(|session| (session.created_at, SessionView::of_browser(session))));
    all.sort_by_key(|(created_at, _)| std::cmp::Reverse(*created_at));
    all.truncate(limit);
    Ok(Page { items: all.into_iter().map(|(_, view)| view).collect(), next: None })
}

/// No access token of the login is valid for longer.
fn until(change: &Change) -> Result<Timestamp, AdminError> {
    Ok(tokens_expire_at(change.look.now(), change.look.rules()?.longest_token))
}

pub(super) async fn end(
    change: Change,
    asked: Asked<SessionPath, Nothing, Nothing>,
) -> Result<Done, AdminError> {
    let id = asked.path.id;
    if id.starts_with("hr_") || id.contains('.') {
        return Err(AdminError::BadPath("this is a token, not a login's id".to_owned()));
    }
    change.target(format!("session {id}")).await;
    let stores = change.stores()?;
    // Tokens that name it are refused from now on, whether or not it is known.
    if stores.web_sessions.end(&id).await? || stores.sessions.end(&id, until(&change)?).await? {
        return Ok(Done);
    }
    Err(StoreError::Missing(format!("login `{id}`")).into())
}

pub(super) async fn end_of_user(
    change: Change,
    asked: Asked<UserPath, Nothing, Nothing>,
) -> Result<Done, AdminError> {
    let (user, _) = concerned(&change, &asked.path.name, &asked.condition).await?;
    let (stores, issuer) = (change.stores()?, change.look.rules()?.issuer);
    stores.sessions.end_all_of(&user.id, until(&change)?).await?;
    // Those of browsers at the provider's own pages; somebody of another issuer may have the same id.
    for session in stores.web_sessions.list(Some(&user.id), change.look.now(), MOST).await? {
        if *session.issuer == *issuer {
            stores.web_sessions.end(&session.id).await?;
        }
    }
    Ok(Done)
}
