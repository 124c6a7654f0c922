//! What the port of browser sessions promises.

use super::{announced, changes, epoch, exists};
use crate::for_every_store;
use crate::samples::{at, hash, web_session};
use haechi_core::ports::{Change, EndedByProvider, RefreshedSession, Revoked, WebSession};
use haechi_store::Store;

for_every_store![
    a_session_is_found_by_its_secret_until_it_ends,
    use_prolongs_a_session_and_never_past_its_end,
    an_ended_session_is_gone_and_revoked,
    a_provider_ends_its_own_sessions_and_no_others,
    one_of_many_refreshes,
    a_refresh_of_an_old_version_changes_nothing,
    living_sessions_are_listed,
    ended_sessions_are_forgotten,
    the_first_login_key_stays,
];

async fn begin(store: &Store, session: &WebSession) {
    store.web_sessions.begin(session).await.unwrap();
}

async fn found(store: &Store, n: u8, seconds: i64) -> Option<WebSession> {
    store.web_sessions.by_secret(&hash(n), at(seconds)).await.unwrap()
}

fn revoked(id: &str) -> Change {
    Change::Revoked { what: Revoked::Session(id.into()), until: at(1000) }
}

async fn a_session_is_found_by_its_secret_until_it_ends(store: Store) {
    let session = web_session("w1", "alice", 1);
    begin(&store, &session).await;
    let bare = WebSession {
        provider_session: None,
        tokens: None,
        refresh_at: None,
        version: 7,
        ..web_session("w2", "bob", 2)
    };
    begin(&store, &bare).await;
    assert_eq!(found(&store, 1, 99).await, Some(session.clone()));
    assert_eq!(found(&store, 2, 0).await, Some(bare));
    assert_eq!(found(&store, 1, 100).await, None, "idle for too long");
    assert_eq!(found(&store, 3, 0).await, None);
    for taken in
        [WebSession { secret_sha256: hash(9), ..session.clone() }, WebSession { id: "w3".into(), ..session }]
    {
        assert_eq!(store.web_sessions.begin(&taken).await, Err(exists(&format!("session `{}`", taken.id))));
    }
}

async fn use_prolongs_a_session_and_never_past_its_end(store: Store) {
    begin(&store, &web_session("w1", "alice", 1)).await;
    let before = epoch(&store).await;
    store.web_sessions.seen("w1", at(60), at(160)).await.unwrap();
    let seen = found(&store, 1, 159).await.unwrap();
    assert_eq!((seen.seen_at, seen.idle_until), (at(60), at(160)));
    store.web_sessions.seen("w1", at(10), at(110)).await.unwrap();
    let seen = found(&store, 1, 159).await.unwrap();
    assert_eq!((seen.seen_at, seen.idle_until), (at(60), at(160)), "another node was faster");
    store.web_sessions.seen("w1", at(950), at(1050)).await.unwrap();
    assert!(found(&store, 1, 999).await.is_some());
    assert_eq!(found(&store, 1, 1000).await, None);
    store.web_sessions.seen("nobody", at(1), at(2)).await.unwrap();
    assert_eq!(epoch(&store).await, before, "nodes have nothing to learn of it");
}

async fn an_ended_session_is_gone_and_revoked(store: Store) {
    begin(&store, &web_session("w1", "alice", 1)).await;
    begin(&store, &web_session("w2", "alice", 2)).await;
    let end = Box::pin(async { store.web_sessions.end("w1").await.map(|ended| assert!(ended)) });
    announced(&store, end, &[revoked("w1")]).await;
    assert_eq!(found(&store, 1, 1).await, None);
    assert!(found(&store, 2, 1).await.is_some());
    let again = Box::pin(async { store.web_sessions.end("w1").await.map(|ended| assert!(!ended)) });
    announced(&store, again, &[]).await;
}

async fn a_provider_ends_its_own_sessions_and_no_others(store: Store) {
    for (id, subject, n) in [("w1", "alice", 1), ("w2", "alice", 2), ("w3", "bob", 3)] {
        begin(&store, &web_session(id, subject, n)).await;
    }
    let elsewhere = WebSession { authenticator: "other".into(), ..web_session("w4", "alice", 4) };
    begin(&store, &elsewhere).await;
    let nobody = EndedByProvider {
        authenticator: "browser",
        issuer: "https://sso.example.com",
        subject: None,
        provider_session: None,
    };
    let end = async |which| {
        let mut ids = store.web_sessions.end_by_provider(which).await.unwrap();
        ids.sort();
        ids
    };
    let before = epoch(&store).await;
    assert!(end(nobody).await.is_empty(), "nothing was named");
    let strangers = EndedByProvider { issuer: "https://evil.example.com", subject: Some("alice"), ..nobody };
    assert!(end(strangers).await.is_empty());
    let other_subject =
        EndedByProvider { subject: Some("bob"), provider_session: Some("sid-of-w1"), ..nobody };
    assert!(end(other_subject).await.is_empty(), "both must fit");
    assert_eq!(epoch(&store).await, before);
    assert_eq!(end(EndedByProvider { provider_session: Some("sid-of-w1"), ..nobody }).await, ["w1"]);
    assert_eq!(changes(&store, before).await, [revoked("w1")]);
    assert_eq!(end(EndedByProvider { subject: Some("alice"), ..nobody }).await, ["w2"]);
    assert!(found(&store, 3, 1).await.is_some() && found(&store, 4, 1).await.is_some());
}

async fn one_of_many_refreshes(store: Store) {
    begin(&store, &web_session("w1", "alice", 1)).await;
    let claims = (0..20).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.web_sessions.claim_refresh("w1", 0, at(50), at(60)).await.unwrap() })
    });
    let mut claimed = 0;
    for claim in claims.collect::<Vec<_>>() {
        claimed += u32::from(claim.await.unwrap());
    }
    assert_eq!(claimed, 1);
    assert!(!store.web_sessions.claim_refresh("w1", 0, at(59), at(70)).await.unwrap());
    assert!(store.web_sessions.claim_refresh("w1", 0, at(60), at(70)).await.unwrap(), "the first gave up");
    assert!(!store.web_sessions.claim_refresh("w1", 1, at(80), at(90)).await.unwrap(), "no such version");
    assert!(!store.web_sessions.claim_refresh("w2", 0, at(80), at(90)).await.unwrap());
}

async fn a_refresh_of_an_old_version_changes_nothing(store: Store) {
    begin(&store, &web_session("w1", "alice", 1)).await;
    let first = RefreshedSession {
        id: "w1",
        from_version: 0,
        claims: r#"{"sub":"alice"}"#,
        tokens: b"new",
        refresh_at: Some(at(90)),
    };
    assert!(store.web_sessions.claim_refresh("w1", 0, at(50), at(60)).await.unwrap());
    assert!(store.web_sessions.refreshed(first).await.unwrap());
    let late = RefreshedSession { tokens: b"late", refresh_at: None, ..first };
    assert!(!store.web_sessions.refreshed(late).await.unwrap());
    assert!(!store.web_sessions.refreshed(RefreshedSession { id: "w2", ..first }).await.unwrap());
    let now = found(&store, 1, 60).await.unwrap();
    assert_eq!((now.version, now.tokens.as_deref()), (1, Some(&b"new"[..])));
    assert_eq!((&*now.claims, now.refresh_at), (first.claims, Some(at(90))));
    assert!(store.web_sessions.claim_refresh("w1", 1, at(50), at(60)).await.unwrap(), "nobody refreshes now");
}

async fn living_sessions_are_listed(store: Store) {
    for (id, subject, n, created) in [("w1", "alice", 1, 0), ("w2", "bob", 2, 1), ("w3", "alice", 3, 1)] {
        begin(&store, &WebSession { created_at: at(created), ..web_session(id, subject, n) }).await;
    }
    let listed = async |subject, seconds, limit| {
        let all = store.web_sessions.list(subject, at(seconds), limit).await.unwrap();
        all.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 5, 10).await, ["w3", "w2", "w1"]);
    assert_eq!(listed(Some("alice"), 5, 10).await, ["w3", "w1"]);
    assert_eq!(listed(None, 5, 1).await, ["w3"]);
    assert!(listed(Some("nobody\0"), 5, 10).await.is_empty());
    assert!(listed(None, 100, 10).await.is_empty());
}

async fn ended_sessions_are_forgotten(store: Store) {
    begin(&store, &web_session("w1", "alice", 1)).await;
    let next = WebSession {
        created_at: at(100),
        seen_at: at(100),
        idle_until: at(200),
        ..web_session("w2", "alice", 2)
    };
    begin(&store, &next).await;
    assert_eq!(found(&store, 1, 0).await, None);
    assert!(found(&store, 2, 0).await.is_some());
}

async fn the_first_login_key_stays(store: Store) {
    assert_eq!(store.web_sessions.login_key(&hash(1)).await, Ok(hash(1)));
    assert_eq!(store.web_sessions.login_key(&hash(2)).await, Ok(hash(1)));
}
