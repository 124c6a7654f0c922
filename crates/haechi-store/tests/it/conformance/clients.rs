use super::{announced, exists, missing, refused};
use crate::for_every_store;
use crate::samples::client;
use haechi_core::ports::{Change, ClientRecord};
use haechi_store::Store;

for_every_store![a_client_comes_back_as_it_was, client_names_are_unique, a_deleted_client_is_announced];

async fn a_client_comes_back_as_it_was(store: Store) {
    let expected = client("orders");
    store.clients.add(&client("zebra")).await.unwrap();
    store.clients.add(&expected).await.unwrap();
    let found = store.clients.by_id(&expected.id).await.unwrap().unwrap();
    assert_eq!(
        (&found.id, &found.name, found.secret_sha256, &found.roles, &found.scopes),
        (&expected.id, &expected.name, expected.secret_sha256, &expected.roles, &expected.scopes)
    );
    assert_eq!((&found.attributes, found.created_at), (&expected.attributes, expected.created_at));
    let listed = store.clients.list().await.unwrap();
    assert_eq!(listed.iter().map(|client| client.name.as_str()).collect::<Vec<_>>(), ["orders", "zebra"]);
    assert!(store.clients.by_id("orders").await.unwrap().is_none());
}

async fn client_names_are_unique(store: Store) {
    store.clients.add(&client("orders")).await.unwrap();
    let again = ClientRecord { id: "another".into(), ..client("orders") };
    refused(&store, store.clients.add(&again), exists("client `orders`")).await;
}

async fn a_deleted_client_is_announced(store: Store) {
    store.clients.add(&client("orders")).await.unwrap();
    refused(&store, store.clients.delete("orders"), missing("client `orders`")).await;
    announced(&store, store.clients.delete("id-of-orders"), &[Change::Client("id-of-orders".into())]).await;
    assert!(store.clients.by_id("id-of-orders").await.unwrap().is_none());
}
