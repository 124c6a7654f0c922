use super::{announced, exists, missing, refused};
use crate::for_every_store;
use crate::samples::{at, client, hash};
use haechi_core::ports::{Change, ClientProof, ClientRecord, ClientSecrets, Edit, Revoked, StoreError};
use haechi_store::Store;

for_every_store![
    a_client_comes_back_as_it_was,
    client_names_are_unique,
    a_clients_proof_is_replaced,
    a_clients_secret_is_rotated_in_one_step,
    an_assertion_is_noted_once,
    a_deleted_client_is_announced,
    a_client_that_was_changed_meanwhile_is_not_changed,
    clients_come_in_pages,
];

async fn a_client_comes_back_as_it_was(store: Store) {
    let expected = client("orders");
    store.clients.add(&client("zebra")).await.unwrap();
    store.clients.add(&expected).await.unwrap();
    let found = store.clients.by_id(&expected.id).await.unwrap().unwrap();
    assert_eq!(found, expected);
    let listed = store.clients.list().await.unwrap();
    assert_eq!(listed.iter().map(|client| client.name.as_str()).collect::<Vec<_>>(), ["orders", "zebra"]);
    assert!(store.clients.by_id("orders").await.unwrap().is_none());
}

async fn client_names_are_unique(store: Store) {
    store.clients.add(&client("orders")).await.unwrap();
    let again = ClientRecord { id: "another".into(), ..client("orders") };
    refused(&store, store.clients.add(&again), exists("client `orders`")).await;
}

async fn a_clients_proof_is_replaced(store: Store) {
    store.clients.add(&client("orders")).await.unwrap();
    let overlapping = ClientSecrets { current: hash(1), previous: Some((hash(0xff), at(60))) };
    for proof in [
        ClientProof::Secret(overlapping),
        ClientProof::Keys(r#"{"keys":[]}"#.into()),
        ClientProof::Secret(ClientSecrets { current: hash(2), previous: None }),
    ] {
        let change = [Change::Client("id-of-orders".into())];
        announced(&store, store.clients.set_proof("id-of-orders".into(), &proof), &change).await;
        assert_eq!(store.clients.by_id("id-of-orders").await.unwrap().unwrap().proof, proof);
    }
    let proof = ClientProof::Keys(String::new());
    refused(&store, store.clients.set_proof("nobody".into(), &proof), missing("client `nobody`")).await;
}

async fn a_clients_secret_is_rotated_in_one_step(store: Store) {
    store.clients.add(&client("orders")).await.unwrap();
    let id = "id-of-orders";
    let proof = async || store.clients.by_id(id).await.unwrap().unwrap().proof;
    let secrets = |current, previous| ClientProof::Secret(ClientSecrets { current, previous });
    store.clients.set_proof(id.into(), &secrets(hash(1), Some((hash(9), at(5))))).await.unwrap();
    let change = [Change::Client(id.into())];
    announced(&store, store.clients.rotate(id.into(), &hash(2), Some(at(60))), &change).await;
    assert_eq!(proof().await, secrets(hash(2), Some((hash(1), at(60)))));
    store.clients.rotate(id.into(), &hash(3), None).await.unwrap();
    assert_eq!(proof().await, secrets(hash(3), None));
    // Of many at once each replaces the one before it.
    let racing = (10..18).map(|n| {
        let clients = store.clients.clone();
        tokio::spawn(
            async move { clients.rotate("id-of-orders".into(), &hash(n), Some(at(60))).await.unwrap() },
        )
    });
    for one in racing.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    let ClientProof::Secret(ClientSecrets { current, previous: Some((previous, _)) }) = proof().await else {
        panic!("no secret")
    };
    let new = |sha256: [u8; 32]| (10..18).any(|n| hash(n) == sha256);
    assert!(new(current) && new(previous) && current != previous);
    refused(&store, store.clients.rotate("nobody".into(), &hash(4), None), missing("client `nobody`")).await;
    store.clients.set_proof(id.into(), &ClientProof::Keys("{}".into())).await.unwrap();
    let keyed = missing("client `id-of-orders` with a secret");
    refused(&store, store.clients.rotate(id.into(), &hash(4), None), keyed).await;
}

async fn an_assertion_is_noted_once(store: Store) {
    let note =
        async |n, until, now| store.clients.note_assertion(&hash(n), at(until), at(now)).await.unwrap();
    assert!(note(1, 60, 0).await && note(2, 30, 0).await);
    assert!(!note(1, 60, 1).await && !note(2, 30, 30).await);
    assert!(
        note(3, 90, 31).await && note(2, 90, 31).await,
        "it was forgotten when it could not be presented any more"
    );
    assert!(!note(1, 60, 60).await);
    let racing = (0..8).map(|_| {
        let clients = store.clients.clone();
        tokio::spawn(async move { clients.note_assertion(&hash(9), at(60), at(0)).await.unwrap() })
    });
    let mut first = 0;
    for one in racing.collect::<Vec<_>>() {
        first += usize::from(one.await.unwrap());
    }
    assert_eq!(first, 1);
}

async fn a_deleted_client_is_announced(store: Store) {
    store.clients.add(&client("orders")).await.unwrap();
    refused(&store, store.clients.delete("orders".into(), at(9)), missing("client `orders`")).await;
    let tokens = Change::Revoked { what: Revoked::Session("id-of-orders".into()), until: at(9) };
    let changes = [tokens, Change::Client("id-of-orders".into())];
    announced(&store, store.clients.delete("id-of-orders".into(), at(9)), &changes).await;
    assert!(store.clients.by_id("id-of-orders").await.unwrap().is_none());
}

async fn a_client_that_was_changed_meanwhile_is_not_changed(store: Store) {
    store.clients.add(&client("orders")).await.unwrap();
    let (clients, id) = (&store.clients, "id-of-orders");
    let revision = async || clients.by_id(id).await.unwrap().unwrap().revision;
    let read = revision().await;
    let of = |revision| Edit { of: id, revision: Some(revision) };
    clients.rotate(of(read), &hash(1), None).await.unwrap();
    let (now, proof) = (revision().await, client("orders").proof);
    assert!(now > read);
    for change in [
        clients.rotate(of(read), &hash(2), None),
        clients.set_proof(of(read), &proof),
        clients.delete(of(read), at(9)),
    ] {
        refused(&store, change, StoreError::Changed("client `id-of-orders`".into())).await;
    }
    clients.set_proof(of(now), &proof).await.unwrap();
    clients.delete(of(revision().await), at(9)).await.unwrap();
    assert!(clients.by_id(id).await.unwrap().is_none());
}

async fn clients_come_in_pages(store: Store) {
    for name in ["orders", "zebra", "Billing"] {
        store.clients.add(&client(name)).await.unwrap();
    }
    let page = async |after: Option<&str>, limit| {
        let page = store.clients.page(after, limit).await.unwrap();
        page.into_iter().map(|client| client.name).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, ["Billing", "orders"]);
    assert_eq!(page(Some("orders"), 2).await, ["zebra"]);
    assert!(page(Some("zebra"), 2).await.is_empty());
}
