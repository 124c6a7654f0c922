//! Forwarding fields: a stranger says nothing about its address; behind trusted proxies the client is the last address that is not one of them.
#![no_main]

use haechi_fuzz::fields;
use haechi_proxy::fuzzing::client_address;
use ipnet::IpNet;
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv4Addr};

fuzz_target!(|data: &[u8]| {
    let fields = fields(data);
    let trusted: Vec<IpNet> =
        ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"].iter().map(|net| net.parse().expect("a net")).collect();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));

    let stranger = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(client_address(&fields, stranger, &trusted), (stranger, vec![stranger]));

    let proxy = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (client, chain) = client_address(&fields, proxy, &trusted);
    assert_eq!(chain.first(), Some(&client));
    assert_eq!(chain.last(), Some(&proxy));
    assert!(chain.iter().skip(1).all(is_trusted), "an address before {client} is not trusted: {chain:?}");
    assert!(chain.iter().all(|address| *address == address.to_canonical()));
    // Whatever stands further left is not believed, and what we pass on is read again as the same.
    let mut again = haechi_core::Fields::default();
    let listed: Vec<String> = chain[..chain.len() - 1].iter().map(IpAddr::to_string).collect();
    if !listed.is_empty() {
        again.push(b"x-forwarded-for", listed.join(", ").as_bytes());
    }
    assert_eq!(client_address(&again, proxy, &trusted), (client, chain));
});
